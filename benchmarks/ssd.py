"""Matrix-state kernels and Mamba-2 beside the selective scan of equal width and transformers' Mamba-2, on the CPU.

`ssd` has one decay a head and keys B shared by all heads; `gated_linear` has a decay and a key of `state` entries for
each head; `selective_scan` has a decay a channel and state entry. All carry width x state numbers. `temporary` is the
scratch memory of the compiled gradient, beside arguments and results, also as a share of what all states would take.
The limit is the time of the multiply-adds of the chunked form alone, at the rate a large product reaches in this run.
`peer` is transformers' plain PyTorch path with its default chunks of 256; layers are `Mamba2(width / 2, expand=2)`,
ours both by itself and in a `Stack`, which goes through the rows in segments.

    python benchmarks/ssd.py --peer-python ENV/bin/python [--states 16 64] [--chunks 16 32 64] [--out benchmarks/ssd.md]

ENV is an environment with torch==2.13.0 (CPU) and transformers; without --peer-python only our own times are printed.
"""

import argparse
import json
import subprocess
from functools import partial
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from setting import machine, write_table
from timing import megabytes, milliseconds

from alternax.core.layer import Layer
from alternax.layers import Mamba2, Stack
from alternax.ops import gated_linear, selective_scan, ssd

HEAD_DIM = 64


def gradient(run):
    """All cotangents of a plain quadratic loss of the outputs, batched."""
    return lambda *arrays: jax.grad(lambda a: jnp.sum(jax.vmap(run)(*a)[0] ** 2))(arrays)


def measured(run, arrays, repeats: int) -> tuple[float, float, float]:
    """Milliseconds forward, milliseconds forward and backward, megabytes."""
    forward = lambda *a: jax.vmap(run)(*a)[0]  # noqa: E731
    both = gradient(run)
    alone = milliseconds(forward, *arrays, repeats=repeats)
    return alone, milliseconds(both, *arrays, repeats=repeats), megabytes(both, *arrays)


def kernels(batch: int, length: int, width: int, state: int, chunks: list[int], repeats: int) -> dict:
    """Each kernel's numbers, by name."""
    rng = np.random.default_rng(0)
    draw = lambda *shape: jnp.asarray(rng.normal(size=(batch, length, *shape)), jnp.float32)  # noqa: E731
    heads = width // HEAD_DIM
    x, B, C = draw(heads, HEAD_DIM), draw(1, state), draw(1, state)
    delta = 0.1 * jax.nn.sigmoid(draw(heads))
    rates = -jnp.arange(1.0, heads + 1)
    A = jnp.broadcast_to(jnp.repeat(rates, HEAD_DIM)[:, None], (width, state))
    scan = lambda u, delta, B, C: selective_scan(u, delta, A, B, C)  # noqa: E731
    flat = (x.reshape(batch, length, width), jnp.repeat(delta, HEAD_DIM, axis=-1), B[:, :, 0], C[:, :, 0])
    found = {"selective_scan": measured(scan, flat, repeats)}
    by_head = (x, rates * delta, B, C)
    for chunk in [None, *chunks]:
        found[f"ssd, chunk {chunk or 'by default'}"] = measured(partial(ssd, chunk=chunk), by_head, repeats)
    keys = (draw(heads, state), draw(heads, state), x, 0.1 * jax.nn.log_sigmoid(draw(heads, state)))
    found["gated_linear"] = measured(gated_linear, keys, repeats)
    return found


def layers(batch: int, length: int, width: int, state: int, repeats: int) -> dict:
    """The Mamba-2 layer's numbers, gradients of weights and input, by itself and in a stack."""
    layer = Mamba2(width // 2, head_dim=HEAD_DIM, state_dim=state, key=jax.random.key(0))
    sizes = batch, length, width // 2, repeats
    return {"Mamba2 layer": trained(layer, *sizes), "Mamba2 layer in a stack": trained(Stack((layer,)), *sizes)}


def trained(layer: Layer, batch: int, length: int, dim: int, repeats: int) -> tuple[float, float, float]:
    """A layer's numbers."""
    weights, rest = eqx.partition(layer, eqx.is_inexact_array)
    x = jax.random.normal(jax.random.key(1), (batch, length, dim))
    forward = lambda weights, x: jax.vmap(lambda rows: eqx.combine(weights, rest)(rows)[0])(x)  # noqa: E731
    both = jax.grad(lambda weights, x: jnp.sum(forward(weights, x) ** 2), argnums=(0, 1))
    alone = milliseconds(forward, weights, x, repeats=repeats)
    return alone, milliseconds(both, weights, x, repeats=repeats), megabytes(both, weights, x)


def peer(python: str, *sizes: int) -> dict:
    """The PyTorch numbers."""
    command = [python, str(Path(__file__).parent / "peers" / "torch_mamba2.py"), *map(str, sizes)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def limits(batch: int, length: int, width: int, state: int) -> tuple[float, float]:
    """Milliseconds of the multiply-adds of ssd's default chunks: forward; three times as many with the gradient."""
    a = jnp.ones((2048, 2048))
    rate = 2 * 2048**3 / milliseconds(jnp.matmul, a, a, repeats=10)
    chunk = 64 if state >= 64 else 32
    forward = 2 * batch * length * (width * chunk + 2 * width * state + chunk * state) / rate
    return forward, 3 * forward


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python")
    parser.add_argument("--out")
    for name, value in {"batch": 4, "length": 2048, "width": 256, "repeats": 5}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--states", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--chunks", type=int, nargs="*", default=[16, 32, 64, 128])
    options = parser.parse_args()
    if options.width % HEAD_DIM:
        parser.error(f"--width must be a multiple of {HEAD_DIM}, the width of a head; found {options.width}")
    sizes = (options.batch, options.length, options.width)
    lines = [
        "| state | what | forward, ms | forward and backward, ms | temporary, MB | share of all states |",
        "|---|---|---|---|---|---|",
    ]
    versions = ""
    for state in options.states:
        found = kernels(*sizes, state, options.chunks, options.repeats)
        found["limit of ssd by default"] = (*limits(*sizes, state), None)
        found |= layers(*sizes, state, options.repeats)
        if options.peer_python:
            theirs = peer(options.peer_python, *sizes, HEAD_DIM, state, 256, 2)
            found |= {"peer: chunked scan": (*theirs["scan"], None), "peer: Mamba-2 layer": (*theirs["layer"], None)}
            versions = "; peer: " + ", ".join(f"{name} {number}" for name, number in theirs["versions"].items())
        every_state = np.prod([*sizes, state]) * 4 / 1e6
        for name, (forward, both, memory) in found.items():
            scratch = "- | -" if memory is None else f"{memory:.0f} | {memory / every_state:.2f}"
            lines.append(f"| {state} | {name} | {forward:.1f} | {both:.1f} | {scratch} |")
    lines += ["", f"Batch {sizes[0]}, length {sizes[1]:,}, width {sizes[2]}. {machine()[:-1]}{versions}."]
    write_table("Matrix-state kernels and Mamba-2", __doc__, lines, options.out)


if __name__ == "__main__":
    main()
