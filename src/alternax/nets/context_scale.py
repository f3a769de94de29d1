"""Causal scaling by the first rows of a series: running mean and spread, frozen once `rows` rows have been seen."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from alternax.ops.linear_scan import linear_scan

PRIOR_ROWS = 1.0


class ContextState(eqx.Module):
    """Sums over the rows counted so far; zeros before the first."""

    rows: Float[Array, "*time 1"]
    count: Float[Array, "*time obs_dim"]
    total: Float[Array, "*time obs_dim"]
    squares: Float[Array, "*time obs_dim"]


class ContextScale(eqx.Module):
    """Mean and standard deviation per column over the first `rows` rows with anything observed, shrunk towards (0, 1).

    The prior counts as `PRIOR_ROWS` rows of mean 0 and variance 1, so that a first row, a constant column or a column
    never observed has a finite, positive scale. Every row sees only rows before it (`predict`) or up to it (`update`).
    """

    obs_dim: int = eqx.field(static=True)
    rows: int = eqx.field(static=True)

    def init(self) -> ContextState:
        """Nothing counted."""
        zeros = jnp.zeros(self.obs_dim)
        return ContextState(jnp.zeros(1), zeros, zeros, zeros)

    def step(self, state: ContextState, x: Array, observed: Array) -> ContextState:
        """The sums after one row."""
        seen = observed.any().astype(x.dtype)
        use = jnp.where(observed & (state.rows < self.rows), 1.0, 0.0)
        return ContextState(state.rows + seen, state.count + use, state.total + use * x, state.squares + use * x**2)

    def unroll(
        self,
        state: ContextState,
        x: Float[Array, "time obs_dim"],
        observed: Bool[Array, "time obs_dim"],
        resets: Bool[Array, "time"],
    ) -> tuple[ContextState, ContextState]:
        """The sums before and after every row; `observed` is False on padding."""
        one = jnp.ones((x.shape[0], 1), x.dtype)
        seen = observed.any(axis=1, keepdims=True).astype(x.dtype)
        rows = linear_scan(one, seen, state.rows, resets=resets)
        use = jnp.where(observed & (rows - seen < self.rows), 1.0, 0.0)
        steps = jnp.concatenate([use, use * x, use * x**2], axis=1)
        start = jnp.concatenate([state.count, state.total, state.squares])
        sums = linear_scan(jnp.ones_like(steps), steps, start, resets=resets)
        after = ContextState(rows, *jnp.split(sums, 3, axis=1))
        before = ContextState(rows - seen, *jnp.split(sums - steps, 3, axis=1))
        return before, after

    def location_scale(
        self, state: ContextState
    ) -> tuple[Float[Array, "*time obs_dim"], Float[Array, "*time obs_dim"]]:
        """Mean and standard deviation."""
        weight = state.count + PRIOR_ROWS
        mean = state.total / weight
        variance = (PRIOR_ROWS + state.squares) / weight - mean**2
        floor = 1e-3 * PRIOR_ROWS / weight
        return mean, jnp.sqrt(jnp.maximum(variance, floor))

    def warmed(self, state: ContextState) -> Bool[Array, "*time"]:
        """True once the scale is frozen: from here on likelihood counts."""
        return state.rows[..., 0] >= self.rows
