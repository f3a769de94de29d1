"""The flow of a state between rows of irregular times: a learned decay of each of its dimensions."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

KINDS = (None, "decay")
START = -5.0


def decay_rates(kind: str | None, dim: int) -> Float[Array, "dim"] | None:
    """What `flow_factor` learns, slow at the start; None without a flow."""
    return jnp.full(dim, START, dtype=float) if kind == "decay" else None


def flow_factor(rates: Float[Array, "dim"] | None, dt: Float[Array, "*rows"], dim: int) -> Float[Array, "*rows dim"]:
    """Factor on a state after time `dt`: exp(-softplus(rate) dt) per dimension, 1 without a flow."""
    dt = jnp.asarray(dt)[..., None]
    if rates is None:
        return jnp.ones((*dt.shape[:-1], dim), dt.dtype)
    return jnp.exp(-jax.nn.softplus(rates) * dt)
