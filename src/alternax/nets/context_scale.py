"""Causal scaling by the first rows of a series: running mean and spread, frozen once enough have been seen."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from alternax.ops.linear_scan import linear_scan

PRIOR_ROWS = 1.0


class ContextState(eqx.Module):
    """Sums over the rows counted so far; zeros before the first.

    Values are summed as differences from `anchor`, the first one observed, so that a level far from 0 costs no digits.
    """

    rows: Float[Array, "*time 1"]
    count: Float[Array, "*time obs_dim"]
    anchor: Float[Array, "*time obs_dim"]
    total: Float[Array, "*time obs_dim"]
    squares: Float[Array, "*time obs_dim"]


class ContextScale(eqx.Module):
    """Mean and standard deviation per column over the first `rows` rows with anything observed.

    The variance counts `PRIOR_ROWS` squares of 1 beside those observed, so that a first row, a constant column or a
    column never observed (mean 0, scale 1) has a finite, positive scale. Every row sees only rows before it (`predict`)
    or up to it (`update`).
    """

    obs_dim: int = eqx.field(static=True)
    rows: int = eqx.field(static=True)

    def init(self) -> ContextState:
        """Nothing counted."""
        zeros = jnp.zeros(self.obs_dim)
        return ContextState(jnp.zeros(1), zeros, zeros, zeros, zeros)

    def step(self, state: ContextState, x: Array, observed: Array) -> ContextState:
        """The sums after one row."""
        use = observed & (state.rows < self.rows)
        anchor = jnp.where(use & (state.count == 0), x, state.anchor)
        away = jnp.where(use, x - anchor, 0.0)
        seen = observed.any().astype(x.dtype)
        return ContextState(state.rows + seen, state.count + use, anchor, state.total + away, state.squares + away**2)

    def unroll(
        self,
        state: ContextState,
        x: Float[Array, "time obs_dim"],
        observed: Bool[Array, "time obs_dim"],
        resets: Bool[Array, "time"] | None,
    ) -> tuple[ContextState, ContextState]:
        """The sums before and after every row; `observed` is False on padding."""
        seen = observed.any(axis=1, keepdims=True).astype(x.dtype)
        rows = linear_scan(jnp.ones_like(seen), seen, state.rows, resets=resets)
        use = (observed & (rows - seen < self.rows)).astype(x.dtype)
        count = linear_scan(jnp.ones_like(use), use, state.count, resets=resets)
        first = use * (count == 1)
        anchor = linear_scan(1.0 - first, first * x, state.anchor, resets=resets)
        away = use * (x - anchor)
        steps = jnp.concatenate([away, away**2], axis=1)
        start = jnp.concatenate([state.total, state.squares])
        sums = linear_scan(jnp.ones_like(steps), steps, start, resets=resets)
        after = ContextState(rows, count, anchor, *jnp.split(sums, 2, axis=1))
        before = ContextState(rows - seen, count - use, anchor, *jnp.split(sums - steps, 2, axis=1))
        return before, after

    def location_scale(
        self, state: ContextState
    ) -> tuple[Float[Array, "*time obs_dim"], Float[Array, "*time obs_dim"]]:
        """Mean and standard deviation."""
        some = jnp.maximum(state.count, 1.0)
        offset = state.total / some
        mean = jnp.where(state.count > 0, state.anchor + offset, 0.0)
        squares = jnp.maximum(state.squares - some * offset**2, 0.0)
        return mean, jnp.sqrt((PRIOR_ROWS + squares) / (PRIOR_ROWS + state.count))

    def level(self, state: ContextState, prior: Float[Array, "*time obs_dim"]) -> Float[Array, "*time obs_dim"]:
        """Mean of values that are not negative, `prior` counted as one of them so that it is positive."""
        return (prior + state.count * state.anchor + state.total) / (1.0 + state.count)

    def warmed(self, state: ContextState) -> Bool[Array, "*time"]:
        """True once the scale is frozen: from here on likelihood counts."""
        return state.rows[..., 0] >= self.rows
