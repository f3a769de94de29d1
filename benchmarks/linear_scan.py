"""Time of `linear_scan` by method, length and width, beside a plain `lax.scan` differentiated by JAX.

python benchmarks/linear_scan.py [--out benchmarks/linear_scan.md] [--lengths 1000 10000 100000] [--widths 16 128]
"""

import argparse
import os
import platform
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np
from timing import milliseconds

from alternax.ops import linear_scan


def plain(a, b):
    """The loop as one would write it."""
    return jax.lax.scan(lambda h, ab: (ab[0] * h + ab[1],) * 2, jnp.zeros_like(b[0]), (a, b))[1]


METHODS = {name: partial(linear_scan, method=name) for name in ("sequential", "associative", "chunked")} | {
    "plain": plain
}


def rows(length: int, width: int, dtype) -> tuple[jax.Array, jax.Array]:
    """Stable factors and white inputs."""
    rng = np.random.default_rng(0)
    parts = rng.normal(size=(2, length, width))
    phase = 1.0 if dtype == jnp.float32 else np.exp(1j * rng.uniform(0, np.pi, (length, width)))
    a = rng.uniform(0.5, 1.0, (length, width)) * phase
    b = parts[0] if dtype == jnp.float32 else parts[0] + 1j * parts[1]
    return jnp.asarray(a, dtype), jnp.asarray(b, dtype)


def table(lengths: list[int], widths: list[int], repeats: int) -> str:
    """Markdown: one line a size, forward / forward and backward in milliseconds."""
    head = ["dtype", "width", "length", *METHODS, "GB/s of the loop, forward"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for dtype in (jnp.float32, jnp.complex64):
        for width in widths:
            for length in lengths:
                a, b = rows(length, width, dtype)
                cells = []
                for method in METHODS.values():
                    forward = milliseconds(method, a, b, repeats=repeats)
                    loss = lambda a, b, method=method: jnp.sum(jnp.abs(method(a, b)) ** 2)  # noqa: E731
                    both = milliseconds(jax.grad(loss, argnums=(0, 1)), a, b, repeats=repeats)
                    cells.append((forward, both))
                rate = 3 * b.nbytes / cells[0][0] / 1e6
                texts = [f"{forward:.2f} / {both:.2f}" for forward, both in cells]
                lines.append(f"| {dtype.__name__} | {width} | {length:,} | {' | '.join(texts)} | {rate:.1f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--lengths", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 128])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {jax.devices()[0].device_kind}"
    text = (
        "# linear_scan: forward / forward and backward, milliseconds\n\n"
        f"{machine}; Python {platform.python_version()}, jax {jax.__version__}, jaxlib {jaxlib.__version__}. "
        f"Fastest of {options.repeats} runs; factors vary in time; `plain` is a lax.scan differentiated by JAX.\n\n"
        f"{table(options.lengths, options.widths, options.repeats)}\n"
    )
    print(text)
    if options.out:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
