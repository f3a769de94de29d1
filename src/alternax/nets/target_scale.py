"""The standard deviation of decoded targets: one learned number each, or read off the latent beside the mean."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from alternax.nets.body import Body, body
from alternax.nets.noise import SCALE_FLOOR

KINDS = ("learned", "state")


def spread_reader(kind: str, state_dim: int, target_dim: int, width: int, key: PRNGKeyArray) -> Body | None:
    """What reads the scales off the state; None where they are constants, or nothing is decoded."""
    if kind == "learned" or target_dim == 0:
        return None
    return body("mlp", state_dim, target_dim, width=width, depth=1, key=jax.random.fold_in(key, 2))


def target_scale(
    log_scale: Float[Array, "target_dim"], reader: Body | None, state: Float[Array, "time state_dim"]
) -> Float[Array, "time target_dim"]:
    """Standard deviations, which learn nothing about the state: how it is made is left to the mean."""
    if reader is None:
        return jnp.broadcast_to(jnp.exp(log_scale), (len(state), len(log_scale)))
    bias = jnp.log(jnp.expm1(jnp.exp(log_scale)))
    return jax.nn.softplus(reader(jax.lax.stop_gradient(state))[0] + bias) + SCALE_FLOOR
