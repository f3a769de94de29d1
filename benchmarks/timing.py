"""How the benchmarks measure: compiled once, the fastest of several runs, memory as the compiler states it."""

import time
from collections.abc import Callable

import jax


def milliseconds(function: Callable, *arguments, repeats: int = 5) -> float:
    """The fastest of `repeats` runs of the compiled function, after one that compiles."""
    compiled = jax.jit(function)
    jax.block_until_ready(compiled(*arguments))
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(compiled(*arguments))
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def megabytes(function: Callable, *arguments) -> float:
    """Temporary memory of the compiled function, arguments and results not counted."""
    return jax.jit(function).lower(*arguments).compile().memory_analysis().temp_size_in_bytes / 1e6
