"""The chunked form of `ssd`: matrix products inside chunks, border states between them, and the gradient by hand.

Nothing but the states at the borders is kept for the gradient, W is built again. The gradient of log a_r is the sum of
what passes through row r, over all pairs s < r <= t; summed directly, and not as the difference of two running sums, it
stays exact where the decay is strong.

On a CPU a few chunks at a time go through all products, forward and backward, so that what lies between the products
stays in the cache and its memory does not grow with the length; elsewhere all chunks go at once.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from alternax.ops.chunks import from_chunks, in_chunks
from alternax.ops.linear_scan import linear_scan
from alternax.ops.log_decay import decay_between, split_sums

CACHED_ROWS = 256  # measured: all of 2,048 at once take 1.6 to 2.4 times as long


def chunked(x, log_decay, B, C, state, keep, chunk):
    """As `ssd` asks for it; x is (time, groups, heads of a group, head_dim), and rows of zeros change nothing."""
    length = x.shape[0]
    x, log_decay, B, C = (jnp.moveaxis(in_chunks(v, chunk), 1, 2) for v in (x, log_decay, B, C))
    log_decay = jnp.moveaxis(log_decay, 2, 3)
    # Inside, a state is (groups, state, heads of a group, head_dim): so the products with B and C need no transposes.
    state = jnp.moveaxis(state, -1, 1)
    parts = -(-length // CACHED_ROWS) if jax.default_backend() == "cpu" else 1
    part = -(-x.shape[0] // parts)
    y, before, last = _parts(*(in_chunks(v, part) for v in (x, log_decay, B, C)), state)
    y, before = (from_chunks(v, x.shape[0]) for v in (y, before))
    states = last if keep is None else _states_at(keep % length, x, log_decay, B, before)
    return from_chunks(jnp.moveaxis(y, 2, 1), length), jnp.moveaxis(states, -3, -1)


def _states_at(keep, x, log_decay, B, before):
    """The states after the rows `keep`, from the border before each and the rows of its chunk up to it."""
    sums, chunk = split_sums(log_decay, -1), x.shape[2]

    def one(place, within):
        earlier, last = sums[:, place], sums[:, place, :, :, within]
        weight = decay_between(earlier, last[..., None], jnp.arange(chunk) <= within)
        written = jnp.einsum("gsrp,grs,gsn->gnrp", x[place], weight, B[place])
        return decay_between(jnp.zeros_like(last), last)[:, None, :, None] * before[place] + written

    return jax.vmap(one)(keep // chunk, keep % chunk)


def _weights(log_decay: Float[Array, "chunks groups heads row"]) -> tuple[Array, Array, Array]:
    """Decay from row s to row t, from the border before the chunk to row t, from row s to the end of the chunk."""
    sums, rows = split_sums(log_decay, -1), jnp.arange(log_decay.shape[-1])
    within = decay_between(sums[..., None, :], sums[..., :, None], rows[:, None] >= rows)
    return within, decay_between(jnp.zeros_like(sums), sums), decay_between(sums, sums[..., -1:])


def _by_row(weight: Float[Array, "chunks groups heads row"]) -> Float[Array, "chunks groups row heads 1"]:
    return jnp.swapaxes(weight, 2, 3)[..., None]


def _across(entering: Float[Array, "chunks groups heads row"]) -> Float[Array, "chunks groups 1 heads 1"]:
    """Decay over a whole chunk, as it multiplies a state."""
    return entering[:, :, None, :, -1:]


@jax.custom_vjp
def _parts(x, log_decay, B, C, state):
    """Outputs, the states before all chunks, and the last one; parts of some chunks one after another."""
    last, (y, before) = jax.lax.scan(_part, state, (x, log_decay, B, C))
    return y, before, last


def _part(state, rows):
    """One part; a function of the module, so that a call outside jit does not build the loop anew each time."""
    x, log_decay, B, C = rows
    y, borders = _chunks(x, log_decay, B, C, state)
    return borders[-1], (y, borders[:-1])


def _forward(x, log_decay, B, C, state):
    y, before, last = _parts(x, log_decay, B, C, state)
    return (y, before, last), (x, log_decay, B, C, before)


def _backward(saved, cotangents):
    dy, dbefore, dlast = cotangents
    dstate, of_rows = jax.lax.scan(_cotangents, dlast, (*saved, dy, dbefore), reverse=True)
    return *of_rows, dstate


_parts.defvjp(_forward, _backward)


def _chunks(x, log_decay, B, C, state):
    """Outputs of one part, and the states at the borders of its chunks, the first and the last included."""
    within, entering, leaving = _weights(log_decay)
    scores = jnp.einsum("cgtn,cgsn->cgts", C, B)
    written = jnp.einsum("cgsn,cgsrp->cgnrp", B, _by_row(leaving) * x)
    states = linear_scan(_across(entering), written, state)
    borders = jnp.concatenate([state[None], states])
    y = _by_row(entering) * jnp.einsum("cgtn,cgnrp->cgtrp", C, borders[:-1])
    inside = jnp.einsum("cgrts,cgrsp->cgrtp", scores[:, :, None] * within, jnp.swapaxes(x, 2, 3))
    return y + jnp.swapaxes(inside, 2, 3), borders


def _cotangents(dlast, rows):
    """That of the first state of one part, and those of x, log_decay, B and C, from those of its answers."""
    x, log_decay, B, C, before, dy, dbefore = rows
    # Kept out of the fusions below, where XLA would take every exponential again inside a sum.
    within, entering, leaving = jax.lax.optimization_barrier(_weights(log_decay))
    dy_entering, x_leaving = _by_row(entering) * dy, _by_row(leaving) * x
    dread = dbefore + jnp.einsum("cgtn,cgtrp->cgnrp", C, dy_entering)
    dstates = linear_scan(_across(entering), dread, dlast, reverse=True)
    after = jnp.concatenate([dstates[1:], dlast[None]])

    scores = jnp.einsum("cgtn,cgsn->cgts", C, B)[:, :, None] * within
    x_by_head, dy_by_head = jnp.swapaxes(x, 2, 3), jnp.swapaxes(dy, 2, 3)
    dscores = jnp.einsum("cgrtp,cgrsp->cgrts", dy_by_head, x_by_head)
    dx_leaving = _by_row(leaving) * jnp.einsum("cgsn,cgnrp->cgsrp", B, after)
    dx = jnp.swapaxes(jnp.einsum("cgrts,cgrtp->cgrsp", scores, dy_by_head), 2, 3) + dx_leaving
    # Sums as products with ones, which XLA runs much faster than its reductions.
    heads, entries = jnp.ones(x.shape[3], x.dtype), jnp.ones(x.shape[4], x.dtype)
    dproduct = jnp.einsum("cgrts,r->cgts", dscores * within, heads)
    dC = jnp.einsum("cgts,cgsn->cgtn", dproduct, B) + jnp.einsum("cgtrp,cgnrp->cgtn", dy_entering, before)
    dB = jnp.einsum("cgts,cgtn->cgsn", dproduct, C) + jnp.einsum("cgsrp,cgnrp->cgsn", x_leaving, after)
    through = entering[..., -1] * jnp.sum((after * before) @ entries, axis=2)
    into = (dy_entering * jnp.einsum("cgtn,cgnrp->cgtrp", C, before)) @ entries
    out = (x * dx_leaving) @ entries
    dlog = _passing(dscores * scores, jnp.swapaxes(into, 2, 3), jnp.swapaxes(out, 2, 3), through)
    return dstates[0], (dx, dlog, dB, dC)


def _passing(pairs, into, out, through):
    """For every row r what passes through it: pairs s < r <= t, the border before to t, s to the border after, both."""
    rows = jnp.arange(pairs.shape[-1])
    before = rows[:, None] < rows  # [s, r]
    from_before = jnp.einsum("cgrts,su->cgrtu", pairs, before.astype(pairs.dtype)) + into[..., None]
    arriving = jnp.sum(jnp.where(before, 0.0, from_before), axis=-2)
    return arriving + out @ before.astype(out.dtype) + through[..., None]
