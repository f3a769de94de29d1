"""Division by the root mean square (Zhang and Sennrich 2019, arXiv 1910.07467), safe for entries of any size.

The squares of entries beyond 1e19 overflow in single precision, and a gate in front of the norm multiplies two large
numbers. Each factor is therefore divided by its largest entry first, and eps alike, which changes nothing else; so no
step size, no input and no gate makes a norm infinite or its gradient undefined.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def rms_norm(
    v: Float[Array, "*rows dim"],
    weight: Float[Array, "dim"],
    *,
    gate: Float[Array, "*rows dim"] | None = None,
    groups: int = 1,
    eps: float = 1e-5,
) -> Float[Array, "*rows dim"]:
    """The rows of v * gate divided by their root mean square, group by group, times `weight`.

    Args:
        v: Rows.
        weight: Scale of each entry.
        gate: Factors of the entries before the norm; none if None.
        groups: Into how many equal parts a row is split, each with a norm of its own; it must divide `dim`.
        eps: Added to the mean square.

    Returns:
        The normalised rows.

    Example:
        >>> rms_norm(jnp.array([3e30, 4e30]), jnp.ones(2)).round(2)
        Array([0.85, 1.13], dtype=float32)
    """
    apart = (*v.shape[:-1], groups, -1)
    product, floor = _scaled(v.reshape(apart), jnp.sqrt(jnp.asarray(eps, v.dtype)), 1.0)
    if gate is not None:
        gate, floor = _scaled(gate.reshape(apart), floor, 1.0)
        product, floor = _scaled(product * gate, floor, 1e-10)  # the largest entries may meet the smallest
    normed = product * jax.lax.rsqrt(jnp.mean(product**2, axis=-1, keepdims=True) + jnp.maximum(floor, 1e-10) ** 2)
    return normed.reshape(v.shape) * weight


def _scaled(factor: Array, floor: Array, least: float) -> tuple[Array, Array]:
    """Both divided by the largest entry of each group, or by `least` where that is larger."""
    largest = jax.lax.stop_gradient(jnp.maximum(least, jnp.max(jnp.abs(factor), axis=-1, keepdims=True)))
    return factor / largest, floor / largest
