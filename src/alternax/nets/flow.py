"""The flow of a state between rows of irregular times: a decay of each dimension, with or without noise.

    "decay": z <- exp(-lambda dt) z
    "ou":    z <- exp(-lambda dt) z + sqrt(1 - exp(-2 lambda dt)) e,   e ~ N(0, I)

Both compose: the flow over dt1 and then dt2 has the law of the flow over dt1 + dt2, so that an instant at which nothing
was observed changes no prediction. The second is the Ornstein-Uhlenbeck process whose stationary law is N(0, I).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

KINDS = (None, "decay", "ou")
NOISELESS = (None, "decay")
START = -5.0


def decay_rates(kind: str | None, dim: int) -> Float[Array, "dim"] | None:
    """What `flow_factor` learns, slow at the start; None without a flow."""
    return None if kind is None else jnp.full(dim, START, dtype=float)


def flow_factor(rates: Float[Array, "dim"] | None, dt: Float[Array, "*rows"], dim: int) -> Float[Array, "*rows dim"]:
    """Factor on a state after time `dt`: exp(-softplus(rate) dt) per dimension, 1 without a flow."""
    dt = jnp.asarray(dt)[..., None]
    if rates is None:
        return jnp.ones((*dt.shape[:-1], dim), dt.dtype)
    return jnp.exp(-jax.nn.softplus(rates) * dt)


def flow_variance(rates: Float[Array, "dim"] | None, dt: Float[Array, "*rows"], dim: int) -> Float[Array, "*rows dim"]:
    """Variance that the noise of "ou" adds in time `dt`: 1 - exp(-2 softplus(rate) dt)."""
    dt = jnp.asarray(dt)[..., None]
    if rates is None:
        return jnp.zeros((*dt.shape[:-1], dim), dt.dtype)
    return -jnp.expm1(-2.0 * jax.nn.softplus(rates) * dt)
