"""The loop over rows of layers whose state must be computed one row after another: holds, restarts, kept states."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from alternax.core.layer import LayerState


def loop_over_rows(
    step: Callable[[Any, LayerState], tuple[Array, LayerState]],
    rows: Any,
    state: LayerState,
    start: LayerState,
    *,
    valid: Bool[Array, "time"] | None,
    resets: Bool[Array, "time"] | None,
    keep: Int[Array, "kept"] | None,
) -> tuple[Array, LayerState]:
    """What a `Layer` answers, from the step of one row.

    Args:
        step: `(row, state) -> (output, next state)`.
        rows: Everything that a row needs, projected before the loop where that is possible; time first.
        state: The state before the first row.
        start: The state that a reset restores.
        valid: Where False, the output is made and the state is held.
        resets: Where True, the state is `start` before the row, valid or not.
        keep: Rows after which the state is wanted.
    """

    def choose(condition, this, that):
        return jax.tree.map(lambda a, b: jnp.where(condition, a, b), this, that)

    def body(state, row):
        inputs, taken, restarted = row
        before = state if restarted is None else choose(restarted, start, state)
        y_t, after = step(inputs, before)
        held = after if taken is None else choose(taken, after, before)
        return held, (y_t, None if keep is None else held)

    last, (y, states) = jax.lax.scan(body, state, (rows, valid, resets))
    return y, last if keep is None else jax.tree.map(lambda v: v[keep], states)
