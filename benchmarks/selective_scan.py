"""The selective scan forward, and forward with all gradients, beside a plain lax.scan and mambapy, on the CPU.

`plain` is the loop as one would write it, differentiated by JAX. `temporary` is the scratch memory of the compiled
gradient, as a share of what the states of all rows would take. The limit is what the arithmetic alone takes when both
the exponentials and the multiply-adds run at the rates that small arrays in the cache reach in the same run, on all
cores at once: an exponential and 4 multiply-adds a state entry and row forward, 2 and 16 with the gradients. Ours is
one loop, which XLA runs on one core.

    python benchmarks/selective_scan.py --peer-python ENV/bin/python [--out benchmarks/selective_scan.md]

ENV is an environment with torch==2.13.0 (CPU) and mambapy==1.2.0; without --peer-python only our own times are printed.
"""

import argparse
import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from setting import machine, write_table
from timing import megabytes, milliseconds

from alternax.ops import selective_scan

IN_CACHE, TIMES, CHAIN = 4096, 4096, 16
EXPONENTIALS, MULTIPLY_ADDS = (1, 2), (4, 16)


def plain(u, delta, A, B, C):
    """The definition as a loop."""

    def body(h, row):
        u, delta, B, C = row
        h = jnp.exp(delta[:, None] * A) * h + (delta * u)[:, None] * B
        return h, h @ C

    return jax.lax.scan(body, jnp.zeros_like(A), (u, delta, B, C))[1]


def channels_last(u, delta, A, B, C):
    """The same with the state axis first, so that the channels lie side by side."""

    def body(h, row):
        u, delta, B, C = row
        h = jnp.exp(delta * A.T) * h + B[:, None] * (delta * u)
        return h, jnp.sum(C[:, None] * h, axis=0)

    return jax.lax.scan(body, jnp.zeros_like(A.T), (u, delta, B, C))[1]


FORMS = {
    "alternax, sequential": lambda *given: selective_scan(*given, method="sequential")[0],
    "alternax, associative": lambda *given: selective_scan(*given, method="associative")[0],
    "plain lax.scan, channels last": channels_last,
    "plain lax.scan, state last": plain,
}


def given(batch: int, length: int, width: int, state: int) -> list[jax.Array]:
    """Inputs as a Mamba layer at its start makes them."""
    rng = np.random.default_rng(0)
    rows = lambda size: rng.normal(size=(batch, length, size))  # noqa: E731
    delta, rates = rng.uniform(1e-3, 1e-1, (batch, length, width)), -np.tile(np.arange(1.0, state + 1), (width, 1))
    return [jnp.asarray(v, jnp.float32) for v in (rows(width), delta, rates, rows(state), rows(state), rows(width))]


def per_second(step, chain: int) -> float:
    """Results of `step` a second on arrays that stay in the cache, on all cores at once."""
    one = jax.jit(lambda x: jax.lax.fori_loop(0, TIMES, lambda _, x: step(x), x))
    x, cores, times = jnp.full(IN_CACHE, 0.5), os.cpu_count() or 1, []
    jax.block_until_ready(one(x))
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(10):
            started = time.perf_counter()
            list(pool.map(lambda _: jax.block_until_ready(one(x)), range(cores)))
            times.append(time.perf_counter() - started)
    return cores * chain * TIMES * IN_CACHE / min(times)


def multiply_adds(x):
    """A chain of them, so that memory does not count."""
    for _ in range(CHAIN):
        x = x * 0.75 + 0.125
    return x


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python")
    parser.add_argument("--out")
    for name, value in {"batch": 4, "length": 2048, "width": 256, "state": 16, "repeats": 10}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    sizes = (options.batch, options.length, options.width, options.state)
    *inputs, cotangent = given(*sizes)
    entries, axes = int(np.prod(sizes)), (0, 0, None, 0, 0)
    exponentials, sums = per_second(lambda x: jnp.exp(-x), 1), per_second(multiply_adds, CHAIN)
    copy = jnp.ones(2**26)
    bandwidth = 2 * copy.nbytes / (1e-3 * milliseconds(lambda x: x + 1.0, copy, repeats=5))
    limits = [1e3 * entries * (e / exponentials + m / sums) for e, m in zip(EXPONENTIALS, MULTIPLY_ADDS, strict=True)]
    found = {}
    for name, form in FORMS.items():
        batched = jax.vmap(form, axes)
        both = jax.grad(lambda *v, batched=batched: jnp.sum(batched(*v) * cotangent), argnums=range(5))
        time_of = partial(milliseconds, repeats=options.repeats)
        found[name] = (time_of(batched, *inputs), time_of(both, *inputs), megabytes(both, *inputs) * 1e6 / 4 / entries)
    if options.peer_python:
        script = Path(__file__).parent / "peers" / "torch_mamba.py"
        command = [options.peer_python, str(script), *map(str, (*sizes, 3))]
        peer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        found[peer["versions"]] = (peer["forward"], peer["both"], None)
    ours = found["alternax, sequential"]
    lines = [
        "| form | forward, ms | forward and backward, ms | temporary / all states | ours is faster by |",
        "|---|---|---|---|---|",
    ]
    for name, (forward, both, memory) in found.items():
        share = "-" if memory is None else f"{memory:.2f}"
        ratios = f"{forward / ours[0]:.1f} / {both / ours[1]:.1f}"
        lines.append(f"| {name} | {forward:.1f} | {both:.1f} | {share} | {ratios} |")
    traffic = [1e3 * n * 4 * options.batch * options.length * options.width / bandwidth for n in (3, 8)]
    lines += [
        f"| limit of the arithmetic | {limits[0]:.1f} | {limits[1]:.1f} | - | {limits[0] / ours[0]:.2f} / "
        f"{limits[1] / ours[1]:.2f} of it reached |",
        "",
        f"Batch {options.batch}, length {options.length:,}, width {options.width}, state {options.state}. Measured in "
        f"this run on all cores: {exponentials / 1e9:.1f} thousand million exponentials a second, {sums / 1e9:.1f} "
        f"multiply-adds, {bandwidth / 1e9:.0f} GB/s; reading and writing the rows alone takes {traffic[0]:.1f} and "
        f"{traffic[1]:.1f} ms. Fastest of {options.repeats} runs. {machine()}",
    ]
    write_table("Selective scan", __doc__, lines, options.out)


if __name__ == "__main__":
    main()
