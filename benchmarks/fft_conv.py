"""Time and memory of `fft_conv` by length and kernel, beside the same transforms of all channels at once.

python benchmarks/fft_conv.py [--out benchmarks/fft_conv.md] [--lengths 1024 4096 65536] [--width 64] [--batch 4]
"""

import argparse
from functools import partial

import jax
import jax.numpy as jnp
from setting import machine, write_table
from timing import megabytes, milliseconds

from alternax.ops import fft_conv


def plain(x, kernel):
    """As one would write it, differentiated by JAX."""
    time, n = x.shape[0], 2 ** (2 * x.shape[0] - 1).bit_length()
    return jnp.fft.irfft(jnp.fft.rfft(x, n, axis=0) * jnp.fft.rfft(kernel, n, axis=0), n, axis=0)[:time]


FORMS = {"plain": plain} | {method: partial(fft_conv, method=method) for method in ("auto", "whole", "overlap")}


def cost(form, x, kernel, repeats: int) -> str:
    """Milliseconds forward / forward and backward, the fastest of several runs, and temporary MB of the latter."""
    batched = jax.vmap(form, in_axes=(0, None))
    both = jax.grad(lambda x, k: jnp.sum(batched(x, k) ** 2), argnums=(0, 1))
    forward, backward = (milliseconds(part, x, kernel, repeats=repeats) for part in (batched, both))
    return f"{forward:.1f} / {backward:.1f}, {megabytes(both, x, kernel):.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out")
    parser.add_argument("--lengths", type=int, nargs="+", default=[1024, 4096, 65_536])
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    lines = [f"| length | kernel | {' | '.join(FORMS)} |", "|" + " --- |" * (2 + len(FORMS))]
    for length in options.lengths:
        for kernel_time in (length, length // 16):
            x = jax.random.normal(jax.random.key(0), (options.batch, length, options.width))
            kernel = jax.random.normal(jax.random.key(1), (kernel_time, options.width))
            cells = [cost(form, x, kernel, options.repeats) for form in FORMS.values()]
            lines.append(f"| {length:,} | {kernel_time:,} | {' | '.join(cells)} |")
    about = (
        f"{machine()} Batch {options.batch}, width {options.width}, one kernel for the batch. Milliseconds forward / "
        f"forward and backward, the fastest of {options.repeats} runs; then the temporary memory of the second in MB."
    )
    write_table("fft_conv: time and memory", about, lines, options.out)


if __name__ == "__main__":
    main()
