"""Vandermonde sums K_l = Re sum_n c_n lambda_n^l, l = 0, 1, ...: convolution kernels of diagonal state-space layers.

The powers are never all in memory. With block B near the square root of the length, l = a B + b and

    K_{aB+b} = Re sum_n (c_n lambda_n^{aB}) lambda_n^b,

one matrix product a channel between two tables of about sqrt(length) rows each, made by repeated squaring. Autodiff
keeps those tables alone, so that the gradient needs no form of its own; it holds for lambda_n = 0 too. Half of a
conjugate pair stands for both when its c is doubled (Gu et al. 2022, arXiv 2206.11893, section 3).
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from alternax.core.errors import InputError


def vandermonde(
    c: Complex[Array, "channels state"], lam: Complex[Array, "channels state"], length: int
) -> Float[Array, "length channels"]:
    """The real part of sum_n c_n lambda_n^l for l = 0 ... length - 1, a channel at a time.

    Args:
        c: Weights of the sum.
        lam: Bases of the powers.
        length: Number of rows.

    Raises:
        InputError: shapes that differ, a length below 1.

    Example:
        >>> vandermonde(jnp.ones((1, 1), complex), jnp.full((1, 1), 0.5 + 0j), 3)[:, 0]
        Array([1.  , 0.5 , 0.25], dtype=float32)
    """
    if c.ndim != 2 or c.shape != lam.shape:
        raise InputError(
            f"vandermonde: expected c and lam of one shape (channels, state), found {c.shape}, {lam.shape}."
        )
    if length < 1:
        raise InputError(f"vandermonde: length must be at least 1, found {length}.")
    block = 1 << ((length - 1).bit_length() + 1) // 2
    low = powers(lam, block + 1)
    high = c[:, None] * powers(low[:, block], -(-length // block))
    # Re(u v) as a product of real vectors of twice the length.
    left = jnp.concatenate([high.real, -high.imag], axis=-1)
    right = jnp.concatenate([low[:, :block].real, low[:, :block].imag], axis=-1)
    kernel = jnp.einsum("han,hbn->hab", left, right, precision="highest")
    return kernel.reshape(len(c), -1)[:, :length].T


def vandermonde_naive(c: np.ndarray, lam: np.ndarray, length: int) -> np.ndarray:
    """The definition of `vandermonde` as a NumPy loop."""
    rows, power = [], np.ones_like(lam)
    for _ in range(length):
        rows.append(np.sum(c * power, axis=-1).real)
        power = power * lam
    return np.stack(rows)


def powers(lam: Complex[Array, "channels state"], count: int) -> Complex[Array, "channels count state"]:
    """The powers 0 ... count - 1, by repeated squaring: about log2(count) roundings deep."""
    table, factor = jnp.ones_like(lam)[:, None], lam[:, None]
    while table.shape[1] < count:
        table = jnp.concatenate([table, table * factor], axis=1)
        factor = factor * factor
    return table[:, :count]
