"""Rows cut into chunks of equal length, and back: what the chunked kernels and layers loop over."""

import jax.numpy as jnp
from jaxtyping import Array


def in_chunks(rows: Array, chunk: int) -> Array:
    """Rows `(time, ...)` as `(chunks, chunk, ...)`; rows of zeros (False) fill the last chunk."""
    fill = [(0, -rows.shape[0] % chunk)] + [(0, 0)] * (rows.ndim - 1)
    return jnp.pad(rows, fill).reshape(-1, chunk, *rows.shape[1:])


def from_chunks(chunks: Array, length: int) -> Array:
    """The first `length` rows of chunks `(chunks, chunk, ...)`, in one axis again."""
    return chunks.reshape(-1, *chunks.shape[2:])[:length]
