"""Stacks in segments beside the same stacks on whole sequences: time and memory of a gradient.

Blocks "plain" of the sizes named in the head (series x rows x width, number of blocks), forward and backward, gradients
of all weights. `whole` goes through a sequence at once, `segments` is what a stack does by itself (`segment_rows` of
its layers), with what is computed again included. A layer that a stack never cuts is left out; where segments have
4,096 rows, only the last case is cut.

    python benchmarks/segments.py [--names lru mamba2] [--out benchmarks/segments.md]
"""

import argparse

import equinox as eqx
import jax
import jax.numpy as jnp
from setting import machine, write_table
from timing import megabytes, milliseconds

from alternax import layers

CASES = ((8, 2_048, 64, 2), (1, 4_096, 32, 1), (1, 65_536, 32, 1))  # series, rows, width, blocks


def measured(name: str, case: tuple[int, int, int, int], segment: int | None) -> tuple[float, float]:
    """Milliseconds and megabytes of a gradient."""
    series, rows, width, depth = case
    stack = layers.stack(name, depth=depth, dim=width, block="plain", segment=segment, key=jax.random.key(0))
    weights, rest = eqx.partition(stack, eqx.is_inexact_array)
    run = lambda weights, x: jax.vmap(lambda rows: eqx.combine(weights, rest)(rows)[0])(x)  # noqa: E731
    gradient = jax.grad(lambda weights, x: jnp.sum(run(weights, x) ** 2))
    x = jax.random.normal(jax.random.key(1), (series, rows, width))
    return milliseconds(gradient, weights, x), megabytes(gradient, weights, x)


def main() -> None:
    """Print the table."""
    able = sorted(n for n in layers.NAMES if getattr(layers.constructor(n), "segment_rows", True))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", nargs="+", default=able, choices=able)
    parser.add_argument("--out")
    options = parser.parse_args()
    sizes = [f"{series} x {rows:,} x {width}, {depth}" for series, rows, width, depth in CASES]
    head = ["layer", "rows", *(f"{size}: {kind}, ms (MB)" for size in sizes for kind in ("whole", "segments"))]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for name in options.names:
        rows = layers.stack(name, depth=1, dim=4, key=jax.random.key(0)).segment_rows
        cells = [name, f"{rows:,}"]
        for case in CASES:
            for segment in (case[1], None):
                cut = segment is None and rows is not None and case[1] >= 2 * rows
                time, memory = measured(name, case, segment) if cut or segment else (None, None)
                cells.append("-" if time is None else f"{time:.1f} ({memory:.0f})")
        lines.append("| " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    write_table("Stacks in segments", __doc__, [*lines, "", machine()], options.out)


if __name__ == "__main__":
    main()
