"""What is known of a latent by drawing it: moments over paths, and sequences completed along one."""

from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from alternax.core.model import Model, scan_unroll
from alternax.core.sequence import Sequence
from alternax.models.alternator.state import AlternatorState

if TYPE_CHECKING:
    from alternax.models.alternator.model import Alternator


def drawn_moments(
    model: Model, seq: Sequence, key: Array, state: AlternatorState | None, paths: int
) -> tuple[Array, Array]:
    """Mean and variance of z after every row from independent paths, where its law has no closed form.

    Both are unbiased for the law of the encoder, which the closed form gives elsewhere; the noise of the row itself,
    which is not drawn yet, is counted exactly.
    """
    every = jnp.arange(seq.length)
    states = jax.vmap(lambda k: model.unroll(seq, key=k, state=state, keep=every)[2])(jax.random.split(key, paths))
    return states.z.mean(0), states.z.var(0, ddof=1) + states.spread[0, :, None] ** 2


def fill_by_draws(model: "Alternator", seq: Sequence, start: AlternatorState | None, key: Array) -> Sequence:
    """The sequence completed by the OTN's own draws, the rule of `gap="draw"`."""
    _, _, states = scan_unroll(model, seq, key=key, state=start, keep=jnp.arange(seq.length))
    filled = jnp.where(seq.observed, seq.x, states.past.last)
    everything = jnp.broadcast_to(seq.valid[:, None], seq.observed.shape)
    return eqx.tree_at(lambda s: (s.x, s.observed), seq, (filled, everything))
