"""What the rows so far leave behind for the next: last values, their ages, the running scale; by row and at once."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Scalar

from alternax.core.sequence import Sequence
from alternax.nets.context_scale import ContextScale, ContextState
from alternax.ops.linear_scan import linear_scan


class Past(eqx.Module):
    """The observed past of every column.

    Args:
        last: Last observed value of every column, 0 before the first.
        age: Time since it was observed.
        elapsed: Time since the last row with anything observed.
        scale: Sums of the context scaling; None without it.
    """

    last: Float[Array, "*rows obs_dim"]
    age: Float[Array, "*rows obs_dim"]
    elapsed: Float[Array, "*rows"]
    scale: ContextState | None

    @classmethod
    def none(cls, obs_dim: int, scaling: ContextScale | None) -> "Past":
        """Nothing observed yet."""
        zeros = jnp.zeros(obs_dim)
        return cls(zeros, zeros, jnp.zeros(()), None if scaling is None else scaling.init())

    def wait(self, dt: Scalar) -> "Past":
        """Time `dt` later."""
        return Past(self.last, self.age + dt, self.elapsed + dt, self.scale)

    def take(
        self, x: Float[Array, "obs_dim"], observed: Bool[Array, "obs_dim"], scaling: ContextScale | None
    ) -> "Past":
        """After one row; a row with nothing observed leaves everything as it was."""
        return Past(
            last=jnp.where(observed, x, self.last),
            age=jnp.where(observed, 0.0, self.age),
            elapsed=jnp.where(observed.any(), 0.0, self.elapsed),
            scale=None if scaling is None else scaling.step(self.scale, x, observed),
        )


class PastRows(eqx.Module):
    """An observed sequence row by row.

    Args:
        observed: Entries that were measured; False on padding.
        seen: Rows with any such entry.
        valid: False on padding.
        resets: Valid rows where a new sequence starts; None where none does.
        dt: Time before every row, 0 before padding.
        step: Absolute step of every row.
        before: The past of every row once its time has come: what its prediction may use.
        after: The past with the row itself.
    """

    observed: Bool[Array, "time obs_dim"]
    seen: Bool[Array, "time"]
    valid: Bool[Array, "time"]
    resets: Bool[Array, "time"] | None
    dt: Float[Array, "time"]
    step: Int[Array, "time"]
    before: Past
    after: Past

    @property
    def starts(self) -> Bool[Array, "time"]:
        """`resets`, False everywhere where that is None."""
        return jnp.zeros_like(self.valid) if self.resets is None else self.resets


def past_rows(seq: Sequence, start: Past, step: Int[Array, ""], scaling: ContextScale | None) -> PastRows:
    """`Past.wait` and `Past.take` over a whole sequence, from the past and the absolute step it starts with."""
    valid = seq.valid
    observed, resets = seq.observed & valid[:, None], None if seq.resets is None else seq.starts
    seen, dt = observed.any(axis=1), jnp.where(valid, seq.dt, 0.0)
    steps = (step + jnp.cumsum(valid) - valid).astype(jnp.int32)
    elapsed = _since(seen[:, None], dt, start.elapsed[None], resets)[:, 0]
    age = _since(observed, dt, start.age, resets)
    known = observed.astype(seq.x.dtype)
    last = linear_scan(1.0 - known, known * seq.x, start.last, resets=resets)
    scale_before, scale = None, None
    if scaling is not None:
        scale_before, scale = scaling.unroll(start.scale, seq.x, observed, resets)
    return PastRows(
        observed=observed,
        seen=seen,
        valid=valid,
        resets=resets,
        dt=dt,
        step=steps,
        before=Past(row_before(last, start.last, resets), age, elapsed, scale_before),
        after=Past(last, jnp.where(observed, 0.0, age), jnp.where(seen, 0.0, elapsed), scale),
    )


def row_before(
    after: Float[Array, "time width"], start: Float[Array, "width"], resets: Bool[Array, "time"] | None
) -> Float[Array, "time width"]:
    """The value before every row, from the values after it; zero where a new sequence starts."""
    before = jnp.concatenate([start[None], after[:-1]])
    return before if resets is None else jnp.where(resets[:, None], 0.0, before)


def _since(
    seen: Bool[Array, "time width"],
    dt: Float[Array, "time"],
    start: Float[Array, "width"],
    resets: Bool[Array, "time"] | None,
) -> Float[Array, "time width"]:
    """Time since each column was seen, up to every row."""
    waiting = jnp.concatenate([jnp.ones_like(seen[:1]), ~seen[:-1]]).astype(dt.dtype)
    return linear_scan(waiting, jnp.broadcast_to(dt[:, None], waiting.shape), start, resets=resets)
