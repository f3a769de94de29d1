"""Products of decays inside a chunk, exact from their logarithms: what the chunked matrix-state kernels share.

With L_t the sum of the log decays of a chunk up to row t, what row s left decays by exp(L_t - L_s), s <= t, before row
t reads it. Far below one, the sums cancel: after a decay of e^-10000 the difference of two float32 sums has lost three
digits. So each log decay is split into a multiple of a power of two, whose sums are exact in any order, and a rest:

    L_t - L_s = (coarse_t - coarse_s) + (fine_t - fine_s),

with an error that is a rounding of the difference itself. Logs below -`vanishing(dtype)`, where exp is zero, are cut
off there, and a reset is a decay of that size: nothing passes it, and no arithmetic with infinities is needed.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def vanishing(dtype: jnp.dtype) -> float:
    """A power of two whose negative has exp zero in `dtype`, single or double precision."""
    return 1024.0 if dtype == jnp.float64 else 128.0


def held(
    log_decay: Float[Array, "time *feature"], valid: Bool[Array, "time"] | None, resets: Bool[Array, "time"] | None
) -> Float[Array, "time *feature"]:
    """What the state really decays by: not at all on rows that are not valid, to nothing where a sequence starts."""
    per_row = (-1, *[1] * (log_decay.ndim - 1))
    log_decay = log_decay if valid is None else jnp.where(valid.reshape(per_row), log_decay, 0.0)
    return _cut(log_decay, resets)


def own(log_decay: Float[Array, "time *feature"], resets: Bool[Array, "time"] | None) -> Float[Array, "time *feature"]:
    """The factor of each row's own decay, valid or not: what its output sees of the state before it."""
    return jnp.exp(_cut(log_decay, resets))


def _cut(log_decay: Array, resets: Array | None) -> Array:
    lowest = -vanishing(log_decay.dtype)
    log_decay = jnp.maximum(log_decay, lowest)
    return (
        log_decay if resets is None else jnp.where(resets.reshape(-1, *[1] * (log_decay.ndim - 1)), lowest, log_decay)
    )


def split_sums(log_decay: Float[Array, "..."], axis: int) -> Float[Array, "2 ..."]:
    """Running sums of the coarse and of the fine parts, exact enough for up to 512 rows (single precision)."""
    step = 2.0**-20 if log_decay.dtype == jnp.float64 else 2.0**-8
    coarse = jnp.ceil(log_decay / step) * step
    return jnp.stack([jnp.cumsum(coarse, axis), jnp.cumsum(log_decay - coarse, axis)])


def decay_between(
    earlier: Float[Array, "2 ..."], later: Float[Array, "2 ..."], ordered: Bool[Array, "..."] | bool = True
) -> Float[Array, "..."]:
    """exp(L_later - L_earlier) from split sums; zero where not `ordered`, decided before the exponential is taken."""
    difference = (later[0] - earlier[0]) + (later[1] - earlier[1])
    return jnp.exp(jnp.where(ordered, difference, -vanishing(difference.dtype)))
