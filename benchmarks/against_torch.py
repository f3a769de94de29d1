"""Forward and backward pass of an alternator beside the same network as a loop over time in PyTorch, on the CPU.

One sequence of 320 steps, 162 observed and 3 latent dimensions, MLPs for f and g. The limit is the time of the matrix
products alone, at the rate a large product reaches in the same run.

    python benchmarks/against_torch.py --peer-python ENV/bin/python [--out benchmarks/against_torch.md]

ENV is an environment with torch==2.13.0 (CPU) and numpy; without --peer-python only our own times are printed.
"""

import argparse
import json
import subprocess
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from setting import machine, write_table

import alternax as ax
from alternax.core.fixed import parameter_count, trainable
from alternax.core.sequence import Sequence

LENGTH, OBS, LATENT, REPEATS = 320, 162, 3, 30
SIZES = ((32, 2), (128, 3), (224, 3))


def median_ms(call, *arguments) -> float:
    """Median wall time of a compiled call."""
    jax.block_until_ready(call(*arguments))
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        jax.block_until_ready(call(*arguments))
        times.append(time.perf_counter() - started)
    return 1e3 * float(np.median(times))


def product_rate() -> float:
    """Floating-point operations a second of a large matrix product."""
    a = jnp.ones((2048, 2048))
    return 2 * 2048**3 / (1e-3 * median_ms(jax.jit(jnp.matmul), a, a))


def ours(width: int, depth: int) -> tuple[float, int]:
    """Milliseconds of the loss with its gradient, and the number of parameters."""
    model = ax.Alternator(
        OBS, latent_dim=LATENT, target_dim=LATENT, ftn="mlp", otn="mlp", width=width, depth=depth, alpha=0.7,
        sigma_z=0.14, noise="paper", sigma_x=0.2, residual=None, decode="latent", key=jax.random.key(0),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    seq = Sequence.build(rng.normal(size=(LENGTH, OBS)), targets=rng.normal(size=(LENGTH, LATENT)))
    params, rest = eqx.partition(model, trainable(model))
    loss = lambda p, key: ax.CrossEntropy()(eqx.combine(p, rest), seq, key=key)  # noqa: E731
    return median_ms(jax.jit(jax.value_and_grad(loss)), params, jax.random.key(1)), parameter_count(params)


def peer(python: str, width: int, depth: int) -> dict:
    """The PyTorch loop's numbers."""
    script = Path(__file__).parent / "peers" / "torch_alternator.py"
    sizes = [str(n) for n in (LENGTH, OBS, LATENT, width, depth, 8)]
    return json.loads(subprocess.run([python, str(script), *sizes], check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python")
    parser.add_argument("--out")
    options = parser.parse_args()
    rate = product_rate()
    lines = [
        "| width x hidden layers | parameters (ours) | ours, ms | PyTorch loop, ms | times faster | limit, ms |",
        "|---|---|---|---|---|---|",
    ]
    torch_version = ""
    for width, depth in SIZES:
        mine, parameters = ours(width, depth)
        theirs = peer(options.peer_python, width, depth) if options.peer_python else None
        limit = 1e3 * 3 * 2 * LENGTH * parameters / rate
        ratio = f"{theirs['ms']:.1f} | {theirs['ms'] / mine:.0f}" if theirs else "- | -"
        torch_version = f" PyTorch {theirs['torch']}." if theirs else ""
        lines.append(f"| {width} x {depth} | {parameters:,} | {mine:.2f} | {ratio} | {limit:.2f} |")
    lines += ["", f"Large products run at {rate / 1e9:.0f} GFLOP/s here. {machine()}{torch_version}"]
    write_table("Against a loop over time", __doc__, lines, options.out)


if __name__ == "__main__":
    main()
