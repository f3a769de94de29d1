"""Columns that never varied in training get zero weight, so that nothing random answers when they do."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool

from alternax.nets.body import Gate
from alternax.nets.families import ColumnLaws
from alternax.nets.noise import Noise
from alternax.nets.operator import Operator


def blind_to(
    columns: Bool[np.ndarray, "obs_dim"],
    linear: eqx.nn.Linear | Gate,
    noise: Noise | ColumnLaws,
    operator: Operator | None,
) -> eqx.nn.Linear | Gate:
    """The linear map that reads rows as `row_taken` shows them, with zero weight on these columns of x.

    They are trained from there if they vary after all. An operator leaves it as it is: there a column is no input.
    """
    if operator is not None:
        return linear
    shown = columns[noise.shown_columns] if isinstance(noise, ColumnLaws) else columns
    kept = jnp.asarray(~shown, linear.weight.dtype)
    return eqx.tree_at(lambda m: m.weight, linear, linear.weight.at[:, : len(shown)].multiply(kept))
