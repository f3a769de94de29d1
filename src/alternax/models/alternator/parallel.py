"""The Alternator over an observed sequence without a loop: the latent recurrence is linear given x."""

from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from alternax.core.model import latent_noise
from alternax.core.roots import safe_sqrt
from alternax.core.sequence import Sequence
from alternax.models.alternator.state import AlternatorState
from alternax.models.alternator.vendi import Window
from alternax.nets.past import PastRows, past_rows, row_before
from alternax.ops.linear_scan import linear_scan

if TYPE_CHECKING:
    from alternax.models.alternator.model import Alternator


class Trace(eqx.Module):
    """Everything `run` computed, by row: the pieces of the states after every row, and the predictions before it."""

    params: dict[str, Array]
    rows: PastRows
    z: Array
    spread: Array
    ftn: Any
    otn: Any
    window: Window | None


class Encoded(eqx.Module):
    """An observed sequence as the recurrence takes it in: everything that comes before a draw of z.

    Between rows z is multiplied by `flow` and gains noise of variance `diffusion`; a row takes it to carry z + drive
    (rows with nothing observed only let it flow, padding does nothing). `taken` is what the FTN is shown of every row.
    """

    rows: PastRows
    taken: Array
    carry: Array
    drive: Array
    flow: Array
    diffusion: Array | None
    ftn: Any
    window: Window | None


def encode(model: "Alternator", seq: Sequence, start: AlternatorState, keep: Array | None = None) -> Encoded:
    """Masks, last values, scales and one batched call of g: carry c_t and drive sqrt(a_t) g_t."""
    rows = past_rows(seq, start.past, start.step, model.scaling)
    taken = model.ftn_input(rows.after, rows.observed, seq.controls)
    g, ftn = model.ftn(
        taken, start.ftn, valid=rows.seen, resets=rows.resets, dt=model.layer_dt(rows.before.elapsed), keep=keep,
    )  # fmt: skip
    window = model.alpha.windows(model.columns(taken), rows.seen, rows.starts, start.window)
    a, carry = model.gains(rows.step, window)
    seen = rows.seen[:, None]
    drive = jnp.where(seen, jnp.sqrt(a) * g, 0.0)
    carry = jnp.where(seen, jnp.broadcast_to(carry, g.shape), 1.0)
    diffusion = model.diffusion(rows.dt) if model.noisy_flow else None
    return Encoded(rows, taken, carry, drive, model.flow(rows.dt).astype(g.dtype), diffusion, ftn, window)


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
    rows = code.rows
    spread, drawn = draw_noise(model, code, start, key)
    driven = jnp.where(rows.valid[:, None], code.carry * drawn + code.drive, 0.0)
    z = linear_scan(code.carry * code.flow, driven, start.z, resets=rows.resets)
    z_before = code.flow * row_before(z, start.z, rows.resets) + drawn
    if known_z is not None:
        z_before = put_known(z_before, *known_z, rows.starts)
    raw, otn = model.otn(
        model.otn_input(z_before, rows.before, seq.controls),
        start.otn, valid=rows.seen, resets=rows.resets, dt=model.layer_dt(rows.before.elapsed), keep=keep,
    )  # fmt: skip
    return Trace(model.law(raw, rows.before), rows, z, spread, code.ftn, otn, code.window)


def draw_noise(model: "Alternator", code: Encoded, start: AlternatorState, key: Array) -> tuple[Array, Array]:
    """Standard deviation of the noise pending after every row, and what is drawn of it before every row."""
    after, before = undrawn_spread(model, code.rows, start)
    noise = latent_noise(key, code.rows.step, (model.latent_dim,), code.drive.dtype)
    return after, flowed_spread(code.flow, code.diffusion, before) * noise


def gather(trace: Trace, keep: Array | None) -> AlternatorState:
    """The states after the rows `keep`, or the one after the last row."""
    at = trace.z.shape[0] - 1 if keep is None else keep
    return AlternatorState(
        z=trace.z[at],
        spread=trace.spread[at],
        past=jax.tree.map(lambda a: a[at], trace.rows.after),
        ftn=trace.ftn,
        otn=trace.otn,
        step=(trace.rows.step + trace.rows.valid)[at],
        window=jax.tree.map(lambda a: a[at], trace.window),
    )


def moments(model: "Alternator", start: AlternatorState, code: Encoded) -> tuple[Array, Array]:
    """m_t = c_t m_{t-1} + u_t and v_t = c_t^2 v_{t-1} + sz^2, the flow and its noise in between."""
    rows, gain = code.rows, code.carry * code.flow
    mean = linear_scan(gain, code.drive, start.z, resets=rows.resets)
    first = jnp.where(rows.starts[:, None], gain**2, 0.0)
    added = jnp.where(rows.seen[:, None], model.sigma_z**2, 0.0) + first
    if code.diffusion is not None:
        added = added + code.carry**2 * code.diffusion
    variance = linear_scan(gain**2, added, jnp.broadcast_to(start.spread**2, start.z.shape), resets=rows.resets)
    return mean, variance


def moments_before(model: "Alternator", start: AlternatorState, code: Encoded) -> tuple[Array, Array]:
    """Mean and variance of the latent as every row finds it: those after the row before, and the time between."""
    mean, variance = moments(model, start, code)
    held = row_before(variance, jnp.broadcast_to(start.spread**2, start.z.shape), code.rows.resets)
    found = code.flow**2 * jnp.where(code.rows.starts[:, None], 1.0, held)
    return (
        code.flow * row_before(mean, start.z, code.rows.resets),
        found if code.diffusion is None else found + code.diffusion,
    )


def flowed_spread(flow: Array, diffusion: Array | None, spread: Array) -> Array:
    """Standard deviation of z after the flow where it was `spread` (without the latent axis) before."""
    if diffusion is None:
        return flow * spread[..., None]
    return safe_sqrt(flow**2 * spread[..., None] ** 2 + diffusion)


def undrawn_spread(model: "Alternator", rows: PastRows, start: AlternatorState) -> tuple[Array, Array]:
    """Standard deviation of the undrawn noise after and before every row."""
    fresh = jnp.where(rows.seen, model.sigma_z, 0.0).astype(rows.dt.dtype)
    held = (~rows.valid).astype(rows.dt.dtype)
    after = linear_scan(held[:, None], fresh[:, None], start.spread[None])[:, 0]
    before = jnp.concatenate([start.spread[None], after[:-1]])
    return after, jnp.where(rows.starts, 1.0, before) * rows.valid


def put_known(z_before: Array, values: Array, known: Array, resets: Array) -> Array:
    """`z_before` with the coordinates that are known after the row before."""
    width = values.shape[1]
    values, known = (jnp.concatenate([jnp.zeros_like(a[:1]), a[:-1]]) for a in (values, known))
    coordinates = jnp.where(known & ~resets[:, None], values, z_before[:, :width])
    return z_before.at[:, :width].set(coordinates)
