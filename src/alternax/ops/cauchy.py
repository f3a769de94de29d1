"""Cauchy sums s(z) = sum_n c_n / (z - lambda_n): generating functions of diagonal state-space systems, as in S4.

The matrix of quotients (points x state, per channel) is never whole in memory: points go through in chunks, and the
gradient, which needs the same quotients again,

    dc_n = sum_z g_z / (z - lambda_n),    dlambda_n = sum_z g_z c_n / (z - lambda_n)^2,

computes them again chunk by chunk. Gu et al. 2021, arXiv 2111.00396, section 3.3 and appendix C.3.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex

from alternax.core.errors import InputError


def cauchy(
    c: Complex[Array, "channels state"],
    lam: Complex[Array, "channels state"],
    z: Complex[Array, "channels points"],
    *,
    chunk: int = 256,
) -> Complex[Array, "channels points"]:
    """The sum over n of c_n / (z - lambda_n) at every point of every channel.

    Args:
        c: Weights of the sum.
        lam: Poles; no point may lie on one.
        z: Points, each channel its own.
        chunk: Points that are computed at a time.

    Raises:
        InputError: shapes that do not fit, a chunk below 1.

    Example:
        >>> cauchy(jnp.ones((1, 1), complex), jnp.zeros((1, 1), complex), jnp.array([[2.0 + 0j]]))
        Array([[0.5+0.j]], dtype=complex64)
    """
    if c.ndim != 2 or c.shape != lam.shape or z.ndim != 2 or len(z) != len(c):
        raise InputError(
            "cauchy: expected c and lam of one shape (channels, state) and z of shape (channels, points), "
            f"found {c.shape}, {lam.shape} and {z.shape}."
        )
    if chunk < 1:
        raise InputError(f"cauchy: chunk must be at least 1, found {chunk}.")
    points = z.shape[1]
    chunk = min(chunk, max(points, 1))
    # Padding repeats the last point, which is on no pole.
    padded = jnp.pad(z, [(0, 0), (0, -points % chunk)], mode="edge")
    slabs = jnp.moveaxis(padded.reshape(len(z), -1, chunk), 1, 0)

    @jax.checkpoint
    def body(_, slab):
        return None, jnp.sum(c[:, None] / (slab[..., None] - lam[:, None]), axis=-1)

    sums = jax.lax.scan(body, None, slabs)[1]
    return jnp.moveaxis(sums, 0, 1).reshape(len(z), -1)[:, :points]


def cauchy_naive(c: np.ndarray, lam: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The definition of `cauchy` as a NumPy loop."""
    total = np.zeros(z.shape, complex)
    for n in range(c.shape[1]):
        total = total + c[:, n, None] / (z - lam[:, n, None])
    return total
