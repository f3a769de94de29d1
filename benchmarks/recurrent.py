"""LSTM and GRU, forward and forward + backward (weights and inputs), beside torch's and a plain lax.scan, on the CPU.

Fastest of the repeats, in milliseconds of wall time and, in brackets, of processor time over all threads: on a machine
that others use, compare the latter. `plain` is the loop as one would write it, differentiated by JAX. The limit is the
time of the matrix products alone (2 forward, 4 more backward, each 2 x batch x length x gates x width^2 operations) at
the rate that a large product reaches in the same run. Memory is that of the temporaries of the compiled gradient.

    python benchmarks/recurrent.py --peer-python ENV/bin/python [--repeats 20] [--out benchmarks/recurrent.md]

ENV is an environment with torch==2.13.0 (CPU) and numpy; without --peer-python only our own times are printed.
"""

import argparse
import json
import os
import subprocess
import time
from pathlib import Path

import jax
import jax.numpy as jnp
from setting import machine, write_table

from alternax.layers import GRU, LSTM

SIZES = ((1, 512, 128), (16, 512, 128), (32, 128, 256))
GATES = {"LSTM": 4, "GRU": 3}


def fastest(call, *arguments, repeats: int) -> dict[str, float]:
    """The fastest of `repeats` calls after one to warm up."""
    jax.block_until_ready(call(*arguments))
    wall, processor = [], []
    for _ in range(repeats):
        started = time.perf_counter(), time.process_time()
        jax.block_until_ready(call(*arguments))
        wall.append(time.perf_counter() - started[0])
        processor.append(time.process_time() - started[1])
    return {"wall": 1e3 * min(wall), "processor": 1e3 * min(processor)}


def product_seconds(repeats: int) -> dict[str, float]:
    """Seconds a floating-point operation of a large matrix product."""
    a = jnp.ones((2048, 2048))
    found = fastest(jax.jit(jnp.matmul), a, a, repeats=repeats)
    return {clock: 1e-3 * value / (2 * 2048**3) for clock, value in found.items()}


def plain(layer: LSTM | GRU, x: jax.Array) -> jax.Array:
    """The input projections as one product, and the recurrence in a scan."""
    inputs = x @ layer.input_weight.T + layer.bias

    def lstm(state, p):
        i, f, g, o = jnp.split(p + layer.state_weight @ state[0], 4)
        c = jax.nn.sigmoid(f) * state[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    def gru(h, p):
        (p_r, p_u, p_n), (a, b, q) = jnp.split(p, 3), jnp.split(layer.state_weight @ h, 3)
        u = jax.nn.sigmoid(p_u + b)
        h = (1 - u) * jnp.tanh(p_n + jax.nn.sigmoid(p_r + a) * (q + layer.candidate_bias)) + u * h
        return h, h

    return jax.lax.scan(lstm if isinstance(layer, LSTM) else gru, layer.init_state(), inputs)[1]


def ours(kind: str, form, size: tuple[int, int, int], repeats: int) -> dict:
    """Times and temporary megabytes of one form of the layer."""
    batch, length, width = size
    layer = {"LSTM": LSTM, "GRU": GRU}[kind](width, key=jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (batch, length, width))
    run = lambda layer, x: jax.vmap(lambda x: form(layer, x))(x)  # noqa: E731
    loss = lambda point: jnp.sum(run(*point) ** 2)  # noqa: E731
    forward, both = (jax.jit(run).lower(layer, x).compile(), jax.jit(jax.grad(loss)).lower((layer, x)).compile())
    return {
        "forward": fastest(forward, layer, x, repeats=repeats),
        "both": fastest(both, (layer, x), repeats=repeats),
        "megabytes": both.memory_analysis().temp_size_in_bytes / 1e6,
    }


def peer(python: str, kind: str, size: tuple[int, int, int], repeats: int) -> dict:
    """torch's numbers; its threads sleep while they wait, so that processor time counts work alone."""
    script = Path(__file__).parent / "peers" / "torch_recurrent.py"
    command = [python, str(script), kind, *(str(n) for n in (*size, repeats))]
    quiet = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=quiet).stdout)


def show(times: dict[str, float]) -> str:
    return f"{times['wall']:.1f} ({times['processor']:.1f})"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--out")
    options = parser.parse_args()
    each = product_seconds(options.repeats)
    lines = [
        "| layer | batch x length x width | pass | ours | torch | ours / torch | plain | limit | MB ours / plain |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    version = ""
    for kind, gates in GATES.items():
        for size in SIZES:
            batch, length, width = size
            found = ours(kind, lambda layer, x: layer(x)[0], size, options.repeats)
            naive = ours(kind, plain, size, options.repeats)
            theirs = peer(options.peer_python, kind, size, options.repeats) if options.peer_python else None
            version = f" PyTorch {theirs['torch']}." if theirs else ""
            for name, products in (("forward", 2), ("both", 6)):
                operations = products * 2 * batch * length * gates * width**2
                limit = {clock: 1e3 * operations * seconds for clock, seconds in each.items()}
                mine, other = found[name], theirs[name] if theirs else None
                ratio = (
                    f"{mine['wall'] / other['wall']:.2f} ({mine['processor'] / other['processor']:.2f})"
                    if other
                    else "-"
                )
                memory = f"{found['megabytes']:.0f} / {naive['megabytes']:.0f}" if name == "both" else ""
                what = f"{kind} | {batch} x {length} x {width} | {name}"
                shown = show(other) if other else "-"
                lines.append(
                    f"| {what} | {show(mine)} | {shown} | {ratio} | {show(naive[name])} | {show(limit)} | {memory} |"
                )
    rate = 1e-9 / each["wall"]
    lines += ["", f"Large products run at {rate:.0f} GFLOP/s here. {machine()}{version}"]
    write_table("LSTM and GRU", __doc__, lines, options.out)


if __name__ == "__main__":
    main()
