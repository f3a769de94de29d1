"""Every registered layer: cost of one streamed step, and how time and memory grow with the length.

Streaming: a 4-layer, width-64 stack fed its own output inside one compiled loop, microseconds a step; its memory at
1,000 and at 1,000,000 steps is the compiler's own figure. Length: a stack of one plain block of width 32 on one
sequence, forward and backward, with temporary memory; most layers go through it in segments (segments.md). A layer
that takes `max_length` is built for the length and is not streamed past it.

    python benchmarks/layers.py [--names lru gru] [--lengths 4096 65536] [--out benchmarks/layers.md]
"""

import argparse
import inspect

import equinox as eqx
import jax
import jax.numpy as jnp
from setting import machine, write_table
from timing import megabytes, milliseconds

from alternax import layers

SQUARE = {"attention"}  # time and memory quadratic in the length: shorter lengths only
STEPS, QUADRATIC_LIMIT = 1_000, 8_192


def bounded(name: str) -> bool:
    """Whether the layer keeps a buffer of `max_length` rows."""
    return "max_length" in inspect.signature(layers.constructor(name)).parameters


def streamed(name: str) -> list[str]:
    """Microseconds a step, and temporary megabytes at 1,000 and 1,000,000 steps."""
    options = {"max_length": STEPS} if bounded(name) else {}
    stack = layers.stack(name, depth=4, dim=64, key=jax.random.key(0), **options)
    weights, rest = eqx.partition(stack, eqx.is_inexact_array)

    def run(weights, state, x, steps):
        model = eqx.combine(weights, rest)
        return jax.lax.fori_loop(0, steps, lambda _, c: model.step(*c), (x, state))

    arguments = weights, stack.init_state(), jnp.ones(64)
    micro = milliseconds(lambda *a: run(*a, STEPS), *arguments) * 1e3 / STEPS
    short = megabytes(lambda *a: run(*a, STEPS), *arguments)
    long = "refuses" if bounded(name) else f"{megabytes(lambda *a: run(*a, 1_000_000), *arguments):.2f}"
    return [f"{micro:.1f}", f"{short:.2f}", long]


def by_length(name: str, lengths: list[int]) -> list[str]:
    """Milliseconds forward and backward and temporary megabytes at each length; the ratio of the last to the first."""
    cells, times = [], []
    for length in lengths:
        if name in SQUARE and length > QUADRATIC_LIMIT:
            cells.append("-")
            continue
        options = {"max_length": length} if bounded(name) else {}
        stack = layers.stack(name, depth=1, dim=32, block="plain", key=jax.random.key(0), **options)
        weights, rest = eqx.partition(stack, eqx.is_inexact_array)
        loss = lambda w, x, rest=rest: jnp.sum(eqx.combine(w, rest)(x)[0] ** 2)  # noqa: E731
        gradient, x = jax.grad(loss, argnums=(0, 1)), jax.random.normal(jax.random.key(1), (length, 32))
        times.append(milliseconds(gradient, weights, x, repeats=3))
        cells.append(f"{times[-1]:.1f} ({megabytes(gradient, weights, x):.1f})")
    return [*cells, f"{times[-1] / times[0]:.1f}" if len(times) == len(lengths) else "-"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", nargs="+", default=sorted(layers.NAMES), choices=sorted(layers.NAMES))
    parser.add_argument("--lengths", type=int, nargs="+", default=[4_096, 65_536])
    parser.add_argument("--out")
    options = parser.parse_args()
    head = ["layer", "step, µs", "MB at 1,000 steps", "MB at 1,000,000 steps"]
    head += [f"{length:,} rows, ms (MB)" for length in options.lengths] + ["ratio"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for name in options.names:
        lines.append(f"| {name} | " + " | ".join(streamed(name) + by_length(name, options.lengths)) + " |")
        print(lines[-1], flush=True)
    write_table("Layers: streaming, length and memory", __doc__, [*lines, "", machine()], options.out)


if __name__ == "__main__":
    main()
