"""S4D forward, and forward with the gradients of weights and input, beside a plain S4D in PyTorch, on the CPU.

Each form of `alternax.layers.channels` is timed: chunked matrix products, FFT, and the loop over rows. The PyTorch peer
makes its kernel by a broadcast Vandermonde product and convolves by FFT. `temporary` is the scratch memory of the
compiled gradient, beside weights, input and results. The limit is the time of the multiply-adds of the chunked form's
matrix products alone, at the rate a large product reaches in the same run.

    python benchmarks/s4d.py --peer-python ENV/bin/python [--state 32] [--out benchmarks/s4d.md]

ENV is an environment with torch==2.13.0 (CPU); without --peer-python only our own times are printed. `--state` is the
order of a channel's real system: half as many conjugate pairs.
"""

import argparse
import json
import subprocess
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
from setting import machine, write_table
from timing import megabytes, milliseconds

from alternax.layers import S4D
from alternax.layers.channels import CHUNK


def ours(method: str, sizes: tuple[int, ...], repeats: int) -> tuple[float, float, float]:
    """Milliseconds forward, milliseconds forward and backward, megabytes."""
    batch, length, width, state = sizes
    layer = S4D(width, state_dim=state, method=method, key=jax.random.key(0))
    weights, rest = eqx.partition(layer, eqx.is_inexact_array)
    x = jax.random.normal(jax.random.key(1), (batch, length, width))
    forward = lambda weights, x: jax.vmap(lambda rows: eqx.combine(weights, rest)(rows)[0])(x)  # noqa: E731
    both = jax.grad(lambda weights, x: jnp.sum(forward(weights, x) ** 2), argnums=(0, 1))
    alone, all_of_it = (milliseconds(part, weights, x, repeats=repeats) for part in (forward, both))
    return alone, all_of_it, megabytes(both, weights, x)


def peer(python: str, sizes: tuple[int, ...], repeats: int) -> dict:
    """The PyTorch layer's numbers."""
    script = Path(__file__).parent / "peers" / "torch_s4d.py"
    command = [python, str(script), *map(str, (*sizes, repeats))]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def limit_ms(sizes: tuple[int, ...]) -> float:
    """Three times (values, and the gradients of both factors) the multiply-adds of the chunked form, at full rate."""
    batch, length, width, state = sizes
    a = jnp.ones((2048, 2048))
    rate = 2 * 2048**3 / milliseconds(jnp.matmul, a, a, repeats=10)
    return 3 * 2 * batch * length * width * (CHUNK + 2 * state) / rate


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python")
    parser.add_argument("--out")
    for name, value in {"batch": 8, "length": 4096, "width": 128, "state": 32, "repeats": 5}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    sizes = (options.batch, options.length, options.width, options.state)
    theirs = peer(options.peer_python, sizes, options.repeats) if options.peer_python else None
    lines = [
        "| form | forward, ms | forward and backward, ms | temporary, MB | times faster than PyTorch, both |",
        "|---|---|---|---|---|",
    ]
    for method in ("chunked", "fft", "scan"):
        alone, both, memory = ours(method, sizes, options.repeats)
        ratio = f"{theirs['both'] / both:.1f}" if theirs else "-"
        lines.append(f"| {method} | {alone:.1f} | {both:.1f} | {memory:.0f} | {ratio} |")
    if theirs:
        lines.append(f"| PyTorch {theirs['torch']} | {theirs['forward']:.1f} | {theirs['both']:.1f} | - | 1 |")
    one = options.batch * options.length * options.width * 4 / 1e6
    lines += [
        "",
        f"Batch {options.batch}, length {options.length:,}, width {options.width}, state {options.state}; the input "
        f"alone is {one:.0f} MB, all states would be {one * options.state:.0f} MB. Limit of the chunked form: "
        f"{limit_ms(sizes):.0f} ms. Fastest of {options.repeats} runs. {machine()}",
    ]
    write_table("S4D", __doc__, lines, options.out)


if __name__ == "__main__":
    main()
