"""The Alternator over an observed sequence without a loop: the latent recurrence is linear given x."""

from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from alternax.core.model import latent_key, scan_unroll
from alternax.core.sequence import Sequence
from alternax.models.alternator.state import AlternatorState
from alternax.nets.context_scale import ContextState
from alternax.ops.linear_scan import linear_scan

if TYPE_CHECKING:
    from alternax.models.alternator.model import Alternator


class Trace(eqx.Module):
    """Everything `run` computed, by row: the pieces of the states after every row, and the predictions before it."""

    params: dict[str, Array]
    observed: Array
    scale_before: ContextState | None
    z: Array
    spread: Array
    last: Array
    age: Array
    elapsed: Array
    scale: ContextState | None
    ftn: Any
    otn: Any
    step: Array


class Clock(eqx.Module):
    """Masks, steps and elapsed times by row."""

    observed: Array
    seen: Array
    valid: Array
    resets: Array
    dt: Array
    step: Array
    elapsed: Array


class Encoded(eqx.Module):
    """An observed sequence as the recurrence takes it in: everything that comes before a draw of z."""

    clock: Clock
    last: Array
    last_before: Array
    age_before: Array
    scale_before: ContextState | None
    scale: ContextState | None
    g: Array
    ftn: Any


def encode(model: "Alternator", seq: Sequence, start: AlternatorState, keep: Array | None = None) -> Encoded:
    """Masks, last values, scales and one batched call of g."""
    clock = _clock(seq, start)
    last, last_before, age_before = _last_values(seq, clock, start)
    scale_before, scale = None, None
    if model.scaling is not None:
        scale_before, scale = model.scaling.unroll(start.scale, seq.x, clock.observed, clock.resets)
    g, ftn = model.ftn(
        model.ftn_input(last, clock.observed, seq.controls, scale),
        start.ftn, valid=clock.seen, resets=clock.resets, dt=model.layer_dt(clock.elapsed), keep=keep,
    )  # fmt: skip
    return Encoded(clock, last, last_before, age_before, scale_before, scale, g, ftn)


def run(
    model: "Alternator",
    seq: Sequence,
    start: AlternatorState,
    key: Array,
    keep: Array | None = None,
    *,
    encoded: Encoded | None = None,
    known_z: tuple[Array, Array] | None = None,
) -> Trace:
    """Predictions and states of an observed sequence under `gap="hold"`.

    `encoded` saves the call of g where it has been made. `known_z` holds values of the first latent coordinates after
    every row and where they are known: f is then given these in place of its draws, as a latent that was observed (the
    recurrence itself runs free).
    """
    code = encode(model, seq, start, keep) if encoded is None else encoded
    clock = code.clock
    carry, drive, flow = _recurrence(model, clock, code.g)
    spread, spread_before = _spread(model, clock, start)
    noise = jax.vmap(lambda step: jax.random.normal(latent_key(key, step), (model.latent_dim,), code.g.dtype))(
        clock.step
    )
    drawn = spread_before[:, None] * noise
    gain = carry * flow
    z = linear_scan(gain, jnp.where(clock.valid[:, None], gain * drawn + drive, 0.0), start.z, resets=clock.resets)
    z_before = flow * (_shift(z, start.z, clock.resets) + drawn)
    if known_z is not None:
        z_before = _put_known(z_before, *known_z, clock.resets)
    raw, otn = model.otn(
        model.otn_input(z_before, clock.elapsed, code.age_before, seq.controls),
        start.otn, valid=clock.seen, resets=clock.resets, dt=model.layer_dt(clock.elapsed), keep=keep,
    )  # fmt: skip
    return Trace(
        params=model.law(raw, code.last_before, code.age_before, code.scale_before),
        observed=clock.observed,
        scale_before=code.scale_before,
        z=z,
        spread=spread,
        last=code.last,
        age=jnp.where(clock.observed, 0.0, code.age_before),
        elapsed=jnp.where(clock.seen, 0.0, clock.elapsed),
        scale=code.scale,
        ftn=code.ftn,
        otn=otn,
        step=clock.step + clock.valid,
    )


def gather(trace: Trace, start: AlternatorState, keep: Array | None) -> AlternatorState:
    """The states after the rows `keep`, or the one after the last row."""
    rows = trace.step.shape[0] - 1 if keep is None else keep
    pick = lambda leaf: jax.tree.map(lambda a: a[rows], leaf)  # noqa: E731
    return AlternatorState(
        z=pick(trace.z),
        spread=pick(trace.spread),
        last=pick(trace.last),
        age=pick(trace.age),
        elapsed=pick(trace.elapsed),
        scale=pick(trace.scale),
        ftn=trace.ftn,
        otn=trace.otn,
        step=pick(trace.step),
    )


def moments(model: "Alternator", start: AlternatorState, code: Encoded) -> tuple[Array, Array]:
    """m_t = c_t m_{t-1} + u_t and v_t = c_t^2 v_{t-1} + sz^2, with the flow in between."""
    clock = code.clock
    carry, drive, flow = _recurrence(model, clock, code.g)
    gain = carry * flow
    mean = linear_scan(gain, drive, start.z, resets=clock.resets)
    first = jnp.where(clock.resets[:, None], gain**2, 0.0)
    added = jnp.where(clock.seen[:, None], model.sigma_z**2, 0.0) + first
    variance = linear_scan(gain**2, added, jnp.broadcast_to(start.spread**2, start.z.shape), resets=clock.resets)
    return mean, variance


def fill_by_draws(model: "Alternator", seq: Sequence, start: AlternatorState, key: Array) -> Sequence:
    """The sequence completed by the OTN's own draws, the rule of `gap="draw"`."""
    _, _, states = scan_unroll(model, seq, key=key, state=start, keep=jnp.arange(seq.length))
    filled = jnp.where(seq.observed, seq.x, states.last)
    everything = jnp.broadcast_to(seq.valid[:, None], seq.observed.shape)
    return eqx.tree_at(lambda s: (s.x, s.observed), seq, (filled, everything))


def _clock(seq: Sequence, start: AlternatorState) -> Clock:
    valid = seq.valid
    observed, resets = seq.observed & valid[:, None], seq.resets & valid
    seen, dt = observed.any(axis=1), jnp.where(valid, seq.dt, 0.0)
    waiting = jnp.concatenate([jnp.ones(1, bool), ~seen[:-1]]).astype(dt.dtype)
    elapsed = linear_scan(waiting[:, None], dt[:, None], start.elapsed[None], resets=resets)[:, 0]
    step = start.step + jnp.cumsum(valid) - valid
    return Clock(observed, seen, valid, resets, dt, step.astype(jnp.int32), elapsed)


def _last_values(seq: Sequence, clock: Clock, start: AlternatorState) -> tuple[Array, Array, Array]:
    """Last observed values after and before every row, and their ages before it."""
    known = clock.observed.astype(seq.x.dtype)
    last = linear_scan(1.0 - known, known * seq.x, start.last, resets=clock.resets)
    waiting = jnp.concatenate([jnp.ones_like(known[:1]), 1.0 - known[:-1]])
    dt = jnp.broadcast_to(clock.dt[:, None], known.shape)
    age = linear_scan(waiting, dt, start.age, resets=clock.resets)
    return last, _shift(last, start.last, clock.resets), age


def _recurrence(model: "Alternator", clock: Clock, g: Array) -> tuple[Array, Array, Array]:
    """carry c_t, drive sqrt(a_t) g_t and flow by row; rows with nothing observed only flow, padding does nothing."""
    a, carry = model.gains(clock.step)
    seen = clock.seen[:, None]
    drive = jnp.where(seen, jnp.sqrt(a) * g, 0.0)
    return jnp.where(seen, jnp.broadcast_to(carry, g.shape), 1.0), drive, model.flow(clock.dt).astype(g.dtype)


def _spread(model: "Alternator", clock: Clock, start: AlternatorState) -> tuple[Array, Array]:
    """Standard deviation of the undrawn noise after and before every row."""
    fresh = jnp.where(clock.seen, model.sigma_z, 0.0).astype(clock.dt.dtype)
    held = (~clock.valid).astype(clock.dt.dtype)
    after = linear_scan(held[:, None], fresh[:, None], start.spread[None])[:, 0]
    before = jnp.concatenate([start.spread[None], after[:-1]])
    return after, jnp.where(clock.resets, 1.0, before) * clock.valid


def _put_known(z_before: Array, values: Array, known: Array, resets: Array) -> Array:
    """`z_before` with the coordinates that are known after the row before."""
    width = values.shape[1]
    values, known = (jnp.concatenate([jnp.zeros_like(a[:1]), a[:-1]]) for a in (values, known))
    coordinates = jnp.where(known & ~resets[:, None], values, z_before[:, :width])
    return z_before.at[:, :width].set(coordinates)


def _shift(after: Array, start: Array, resets: Array) -> Array:
    """The value before every row, from the values after it; zero where a new sequence starts."""
    before = jnp.concatenate([start[None], after[:-1]])
    return jnp.where(resets[:, None], 0.0, before)
