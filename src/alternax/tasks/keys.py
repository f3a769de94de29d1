"""Keys by position in the data and by sample, so that batch order and chunking change no draw."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray


def series_keys(key: PRNGKeyArray, count: int) -> Array:
    """One key per series, by its position."""
    return jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(count))


def sample_chunk(samples: int, rows: int, width: int, budget: int = 2**24) -> int:
    """How many sample paths to run side by side so that `rows x width` values each stay within `budget` values."""
    return int(max(1, min(samples, budget // max(rows * width, 1))))
