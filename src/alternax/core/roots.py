"""Square roots that training can pass through."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def safe_sqrt(values: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The square root, with gradient 0 where it is 0."""
    positive = values > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, values, 1.0)), 0.0)
