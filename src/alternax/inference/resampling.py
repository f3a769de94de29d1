"""Which particles go on: resampling schemes by name, and how many particles the weights are worth.

All of it stays inside the compiled loop: cuthbertlib's schemes call back to Python there on a CPU, which takes ten
times as long as the rest of a row.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from alternax.core.errors import InputError

SCHEMES = ("systematic", "stratified", "multinomial", "killing")


def check_scheme(scheme: str, threshold: float) -> None:
    """Raise `InputError` unless the scheme is known and the threshold a share."""
    if scheme not in SCHEMES:
        raise InputError(f"resampling={scheme!r} is not known: choose one of {', '.join(SCHEMES)}.")
    if not 0.0 <= threshold <= 1.0:
        raise InputError(
            f"threshold is the share of effective particles below which they are resampled, 0 (never) to 1 (always); "
            f"found {threshold!r}."
        )


def ancestors(scheme: str, logits: Float[Array, "particles"], *, key: PRNGKeyArray) -> Int[Array, "particles"]:
    """For every new particle the old one it copies; each is copied in proportion to its weight on average.

    "systematic": one uniform number for all, the least variance in practice. "stratified": one for each of equal
    strata. "multinomial": independent draws. "killing": a particle stays in its place with its weight over the
    largest, so that paths break up less.

    Reference: Douc, Cappe and Moulines, "Comparison of Resampling Schemes for Particle Filtering" (2005); Del Moral,
    "Feynman-Kac Formulae" (2004), section 2.5.3 (killing).
    """
    count = logits.shape[0]
    if scheme == "multinomial":
        return pick_many(logits, count, key=key)
    if scheme == "killing":
        stay, other = jax.random.split(key)
        stays = jnp.log(jax.random.uniform(stay, (count,), logits.dtype)) <= logits - logits.max()
        return jnp.where(stays, jnp.arange(count, dtype=jnp.int32), pick_many(logits, count, key=other))
    offset = jax.random.uniform(key, () if scheme == "systematic" else (count,), logits.dtype)
    return _invert(logits, (jnp.arange(count) + offset) / count)


def effective_size(logits: Float[Array, "*shape particles"]) -> Float[Array, "*shape"]:
    """(sum w)^2 / sum w^2: the number of equally weighted particles of the same worth; 0 where no weight is left."""
    size = jnp.exp(2 * jax.nn.logsumexp(logits, axis=-1) - jax.nn.logsumexp(2 * logits, axis=-1))
    return jnp.where(jnp.isfinite(logits).any(-1), size, 0.0)


def pick_many(logits: Float[Array, "particles"], count: int, *, key: PRNGKeyArray) -> Int[Array, "count"]:
    """Independent draws from one row of log-weights."""
    return _invert(logits, jax.random.uniform(key, (count,), logits.dtype))


def pick(logits: Float[Array, "*shape particles"], *, key: PRNGKeyArray) -> Int[Array, "*shape"]:
    """One particle for every row of log-weights, by inversion: one uniform number each."""
    weights = jnp.cumsum(jnp.exp(logits - logits.max(-1, keepdims=True)), axis=-1)
    level = jax.random.uniform(key, (*logits.shape[:-1], 1), logits.dtype) * weights[..., -1:]
    return jnp.minimum((weights <= level).sum(-1), logits.shape[-1] - 1).astype(jnp.int32)


def _invert(logits: Float[Array, "particles"], levels: Float[Array, "count"]) -> Int[Array, "count"]:
    """Where the levels between 0 and 1 fall in the distribution function of the weights."""
    weights = jnp.cumsum(jnp.exp(logits - logits.max()))
    found = jnp.searchsorted(weights, levels * weights[-1], side="right")
    return jnp.minimum(found, logits.shape[0] - 1).astype(jnp.int32)
