"""CRPS and energy score in JAX, for objectives: the same estimators as their NumPy namesakes, entry by entry."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from alternax.core.errors import InputError
from alternax.core.roots import safe_sqrt


def crps(samples: Float[Array, "sample *shape"], truth: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Unbiased CRPS of every entry, `mean_i |x_i - y| - sum_i (2 i - S - 1) x_(i) / (S (S - 1))`."""
    count = _count(samples)
    errors = samples - truth
    weights = jnp.asarray((2 * jnp.arange(1, count + 1) - count - 1) / (count * (count - 1)), errors.dtype)
    return jnp.abs(errors).mean(0) - jnp.tensordot(weights, jnp.sort(errors, axis=0), axes=1)


def energy_score(
    samples: Float[Array, "sample *shape feature"],
    truth: Float[Array, "*shape feature"],
    mask: Bool[Array, "*shape feature"] | None = None,
) -> Float[Array, "*shape"]:
    """Unbiased energy score of every vector over its entries where `mask` is True (0 where it has none)."""
    count = _count(samples)
    errors = samples - truth if mask is None else jnp.where(mask, samples - truth, 0.0)
    between = _norm(errors[:, None] - errors[None])
    return _norm(errors).mean(0) - between.sum((0, 1)) / (2 * count * (count - 1))


def _norm(vectors: Array) -> Array:
    """Euclidean norm over the last axis with gradient 0 at 0."""
    return safe_sqrt((vectors**2).sum(-1))


def _count(samples: Array) -> int:
    if samples.shape[0] < 2:
        raise InputError(f"unbiased ensemble scores need at least 2 samples, found {samples.shape[0]}; draw more")
    return samples.shape[0]
