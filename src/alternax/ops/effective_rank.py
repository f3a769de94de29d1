"""How many equal eigenvalues a matrix of trace 1 is worth: the exponential of the Renyi entropy of its spectrum.

    N_q(A) = (sum_i l_i^q)^(1 / (1 - q)),    N_1(A) = exp(-sum_i l_i log l_i),    N_inf(A) = 1 / max_i l_i

The gradient is a function of the matrix itself, dN = N tr(V diag(h(l)) V^T dA), and so meets no differences of
eigenvalues: repeated ones, which windows of repeated rows have, give finite gradients.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

SMALLEST = 1e-6
"""Eigenvalues are taken as at least this in the gradient, where log(l) or l^(q - 1) would be infinite."""


def effective_rank(A: Float[Array, "*batch n n"], order: float = 1.0) -> Float[Array, "*batch"]:
    """N_q of symmetric positive semi-definite matrices of trace 1, all at once.

    Args:
        A: The matrices.
        order: q, above 0; 2 takes no eigenvalues at all.

    Example:
        >>> float(effective_rank(jnp.eye(4) / 4, 2.0))
        4.0
    """
    if order == 2:
        return 1 / jnp.sum(A**2, axis=(-2, -1))
    return _by_spectrum(A, order)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _by_spectrum(A: Array, order: float) -> Array:
    return _number(jnp.linalg.eigvalsh(A), order)


def _forward(A: Array, order: float):
    shares, V = jnp.linalg.eigh(A)
    number = _number(shares, order)
    return number, (shares, V, number)


def _backward(order: float, kept, g: Array):
    shares, V, number = kept
    slope = number[..., None] * _slope(shares, order)
    return (jnp.einsum("...ik,...k,...jk->...ij", V, g[..., None] * slope, V),)


_by_spectrum.defvjp(_forward, _backward)


def _number(shares: Array, order: float) -> Array:
    shares = jnp.maximum(shares, 0.0)
    if order == jnp.inf:
        return 1 / shares.max(-1)
    if order == 1:
        return jnp.exp(-jnp.sum(jax.scipy.special.xlogy(shares, shares), axis=-1))
    return jnp.sum(shares**order, axis=-1) ** (1 / (1 - order))


def _slope(shares: Array, order: float) -> Array:
    """Derivative of log N_q by every eigenvalue."""
    if order == jnp.inf:
        largest = shares.max(-1, keepdims=True)
        top = (shares >= largest - SMALLEST).astype(shares.dtype)
        return -top / (jnp.sum(top, axis=-1, keepdims=True) * largest)
    if order == 1:
        return -jnp.log(jnp.maximum(shares, SMALLEST)) - 1
    total = jnp.sum(jnp.maximum(shares, 0.0) ** order, axis=-1, keepdims=True)
    return order / (1 - order) * jnp.maximum(shares, SMALLEST) ** (order - 1) / total
