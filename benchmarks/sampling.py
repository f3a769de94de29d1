"""Sampling and scaling of the alternator: 1,000 paths of 1,000 steps in 7 dimensions, and cost by sequence length.

python benchmarks/sampling.py [--out benchmarks/sampling.md]
"""

import argparse
import resource
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from setting import machine, write_table

import alternax as ax
from alternax.core.fixed import trainable
from alternax.core.sequence import Sequence

PATHS, STEPS, OBS = 1000, 1000, 7
LENGTHS = (1_000, 10_000, 100_000)


def seconds(call, *arguments) -> tuple[float, float]:
    """First call (with compilation) and the best of three after it."""
    times = []
    for _ in range(4):
        started = time.perf_counter()
        jax.block_until_ready(call(*arguments))
        times.append(time.perf_counter() - started)
    return times[0], min(times[1:])


def peak_gib() -> float:
    """Largest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def sampling(lines: list[str]) -> None:
    """Rows of the first table."""
    rng = np.random.default_rng(0)
    data = ax.Sequences.from_numpy(np.cumsum(rng.normal(size=(600, OBS)), 0) * 0.1)
    for ftn in ("mlp", "lru"):
        model = ax.Alternator(OBS, latent_dim=16, ftn=ftn, width=32, residual=None, key=jax.random.key(0))
        fitted = ax.fit(model, data, objective=ax.Elbo(), steps=50, valid=None, progress=False)
        first, best = seconds(lambda f=fitted: f.sample(length=STEPS, samples=PATHS).samples)
        lines.append(f"| {ftn} | {first:.1f} | {best:.2f} | {peak_gib():.2f} |")


def scaling(lines: list[str]) -> None:
    """Rows of the second table: evidence bound with its gradient."""
    model = ax.Alternator(OBS, latent_dim=16, width=32, key=jax.random.key(0))
    params, rest = eqx.partition(model, trainable(model))
    grad = jax.jit(jax.value_and_grad(lambda p, seq, key: ax.Elbo()(eqx.combine(p, rest), seq, key=key)))
    for length in LENGTHS:
        seq = Sequence.build(jnp.asarray(np.random.default_rng(0).normal(size=(length, OBS))))
        _, best = seconds(grad, params, seq, jax.random.key(1))
        lines.append(f"| {length:,} | {1e3 * best:.0f} | {1e6 * best / length:.1f} | {peak_gib():.2f} |")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out")
    options = parser.parse_args()
    lines = ["| g | first call, s | 1,000 paths of 1,000 steps, s | peak memory so far, GiB |", "|---|---|---|---|"]
    sampling(lines)
    lines += ["", "Evidence bound and its gradient, one sequence:", ""]
    lines += ["| steps | ms | microseconds a step | peak memory so far, GiB |", "|---|---|---|---|"]
    scaling(lines)
    write_table("Sampling and scaling", __doc__, [*lines, "", machine()], options.out)


if __name__ == "__main__":
    main()
