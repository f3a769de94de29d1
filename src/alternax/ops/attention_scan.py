"""Softmax attention of one fixed query a head over every prefix, as a recurrence with a state of constant size.

With scores s_t and values v_t the output is the softmax average of the values so far, kept as a running maximum m, a
normaliser u and a weighted sum w (Feng et al. 2024, "Attention as an RNN", arXiv 2405.13956, section 3):

    m_t = max(m_{t-1}, s_t),   alpha_t = exp(m_{t-1} - m_t),   beta_t = exp(s_t - m_t)
    u_t = alpha_t u_{t-1} + beta_t,   w_t = alpha_t w_{t-1} + beta_t v_t,   o_t = w_t / u_t

Two such states of neighbouring stretches of time combine associatively, which gives the parallel forms. The gradient is
written by hand. With lam^u and lam^w the cotangents of u_t and w_t, everything later added to them,

    lam_{t-1} = alpha_t lam_t + (own part of row t-1),  dv_t = beta_t lam^w_t,  ds_t = beta_t (lam^u_t + lam^w_t . v_t)

is a linear recurrence the other way. What m itself hands back is P_t = dm_t - (lam^u_t u_t + lam^w_t . w_t), which
goes to whichever of m_{t-1} and s_t was the larger. Kept for it are s, v, o, m and u: nothing wider than the values.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from alternax.core.errors import InputError
from alternax.ops.chunks import from_chunks, in_chunks
from alternax.ops.linear_scan import linear_scan

Method = Literal["auto", "sequential", "associative", "chunked"]
Rows = tuple[Array, Array, Array]

NOTHING = -1e30
"""The running maximum before the first row: below every score, and finite, so that differences are numbers."""


class AttentionState(NamedTuple):
    """What attention with a fixed query remembers of the rows it has taken in.

    Attributes:
        m: Largest score so far; `NOTHING` before the first row.
        u: Sum of exp(s - m).
        w: Sum of exp(s - m) v.
    """

    m: Float[Array, "*kept heads"]
    u: Float[Array, "*kept heads"]
    w: Float[Array, "*kept heads value"]


def attention_scan(
    scores: Float[Array, "time heads"],
    values: Float[Array, "time heads value"],
    state: AttentionState | None = None,
    *,
    valid: Bool[Array, "time"] | None = None,
    resets: Bool[Array, "time"] | None = None,
    keep: Int[Array, "kept"] | None = None,
    method: Method = "auto",
    chunk: int = 64,
) -> tuple[Float[Array, "time heads value"], AttentionState]:
    """Softmax averages of the values over every prefix, differentiable in scores, values and state (reverse mode).

    Time and memory are linear in the length for every method; the methods agree up to rounding. Scores may have any
    size; a score of minus infinity leaves the row out for that head, and before any row is in, the average is zero.

    Args:
        scores: Logits of the rows, time first.
        values: What is averaged, time first.
        state: State before the first row; nothing seen if None.
        valid: False at rows that are answered, as if taken in, but not remembered.
        resets: True at rows before which everything is forgotten.
        keep: Rows after which the state is returned, in any order.
        method: "sequential" is a loop, "associative" a parallel prefix over the whole length, "chunked" a masked matrix
            product for `chunk` rows at a time; "auto" takes the loop on a CPU and the matrix products elsewhere.
        chunk: Rows in a chunk of the chunked method; the length need not be a multiple of it.

    Returns:
        The averages, and the state after the rows `keep` stacked (after the last row if None).

    Raises:
        InputError: shapes that do not fit, a length of zero, an unknown method.

    Example:
        >>> attention_scan(jnp.zeros((3, 1)), jnp.arange(3.0).reshape(3, 1, 1))[0].ravel()
        Array([0. , 0.5, 1. ], dtype=float32)
    """
    _check(scores, values, state, valid, resets, method, chunk)
    dtype = jnp.result_type(scores, values, 0.0)
    start = nothing_seen(values.shape[1:], dtype) if state is None else state
    scores, values = jnp.maximum(scores.astype(dtype), NOTHING), values.astype(dtype)
    if method == "auto":
        method = "sequential" if jax.default_backend() == "cpu" else "chunked"
    o, m, u = _compiled(scores, values, start, valid, resets, method, chunk)
    source = _source(len(scores), valid, resets)
    source = source[-1] if keep is None else source[keep]
    row = jnp.maximum(source, 0)
    fresh = nothing_seen(values.shape[1:], dtype)
    return o, _pick(source, AttentionState(m[row], u[row], u[row][..., None] * o[row]), start, fresh)


def attention_step(
    score: Float[Array, "heads"], value: Float[Array, "heads value"], state: AttentionState
) -> tuple[Float[Array, "heads value"], AttentionState]:
    """One row of `attention_scan`: its average and the state with it taken in."""
    after = _join(state, _single(jnp.maximum(score, NOTHING), value))
    return _average(after), after


def nothing_seen(shape: tuple[int, ...], dtype: jnp.dtype) -> AttentionState:
    """The state before the first row, for values of `shape` (heads, width)."""
    heads = shape[:-1]
    return AttentionState(jnp.full(heads, NOTHING, dtype), jnp.zeros(heads, dtype), jnp.zeros(shape, dtype))


def attention_scan_naive(
    scores: np.ndarray,
    values: np.ndarray,
    state: AttentionState | None = None,
    *,
    valid: np.ndarray | None = None,
    resets: np.ndarray | None = None,
) -> tuple[np.ndarray, AttentionState]:
    """The definition of `attention_scan` as a NumPy loop, with the states after every row; for tests and reading."""
    fresh = (np.full(scores.shape[1], NOTHING), np.zeros(scores.shape[1]), np.zeros(values.shape[1:]))
    m, u, w = fresh if state is None else (np.asarray(v) for v in state)
    outputs, states = [], []
    for t, (s, v) in enumerate(zip(scores, values, strict=True)):
        m, u, w = fresh if resets is not None and resets[t] else (m, u, w)
        larger = np.maximum(m, s)
        alpha, beta = np.exp(m - larger), np.exp(s - larger)
        after = larger, alpha * u + beta, alpha[:, None] * w + beta[:, None] * v
        outputs.append(after[2] / np.where(after[1] > 0, after[1], 1.0)[:, None])
        m, u, w = after if valid is None or valid[t] else (m, u, w)
        states.append((m, u, w))
    return np.stack(outputs), AttentionState(*(np.stack(column) for column in zip(*states, strict=True)))


def _check(scores, values, state, valid, resets, method, chunk) -> None:
    """Refuse what does not fit."""
    if scores.ndim != 2 or scores.shape[0] == 0:
        raise InputError(f"attention_scan: scores must be (time, heads), at least one row, found {scores.shape}.")
    if values.ndim != 3 or values.shape[:2] != scores.shape:
        raise InputError(f"attention_scan: values must be {(*scores.shape, 'width')}, found {values.shape}.")
    heads, found = values.shape[1:], None if state is None else tuple(v.shape for v in state)
    if found is not None and found != (heads[:1], heads[:1], heads):
        raise InputError(f"attention_scan: expected a state of shapes {(heads[:1], heads[:1], heads)}, found {found}.")
    for name, flags in (("valid", valid), ("resets", resets)):
        if flags is not None and flags.shape != scores.shape[:1]:
            raise InputError(
                f"attention_scan: {name} has shape {flags.shape}, expected one flag a row, {scores.shape[:1]}."
            )
    if method != "auto" and method not in _METHODS:
        raise InputError(f"attention_scan: unknown method {method!r}; choose from {['auto', *_METHODS]}.")
    if chunk < 1:
        raise InputError(f"attention_scan: chunk must be at least 1, found {chunk}.")


def _source(length: int, valid: Array | None, resets: Array | None) -> Int[Array, "time"]:
    """The row whose state is held after every row: -1 stands for the start, -2 for nothing seen since a reset."""
    rows = jnp.arange(length)
    taken = rows if valid is None else jax.lax.cummax(jnp.where(valid, rows, -1))
    if resets is None:
        return taken
    restart = jax.lax.cummax(jnp.where(resets, rows, -1))
    return jnp.where((taken >= restart) & (taken >= 0), taken, jnp.where(restart < 0, -1, -2))


def _pick(source: Array, rows, start, fresh):
    """`rows` where the source is a row, else the start or what is fresh; every one a pytree of arrays."""

    def choose(row, start, fresh):
        which = source.reshape(*source.shape, *[1] * (row.ndim - source.ndim))
        return jnp.where(which >= 0, row, jnp.where(which == -1, start, fresh))

    return jax.tree.map(choose, rows, start, fresh)


def _single(scores: Array, values: Array) -> AttentionState:
    """The state of one row alone; a score of `NOTHING` has no mass."""
    counts = scores > NOTHING
    return AttentionState(scores, counts.astype(scores.dtype), jnp.where(counts[..., None], values, 0.0))


def _join(first: AttentionState, then: AttentionState, cut: Array | None = None) -> AttentionState:
    """Both stretches of time; only the second where `cut`, since it starts by forgetting."""
    m = jnp.maximum(first.m, then.m)
    m = m if cut is None else jnp.where(cut, then.m, m)
    alpha, beta = jnp.exp(jnp.minimum(first.m - m, 0.0)), jnp.exp(then.m - m)
    alpha = alpha if cut is None else jnp.where(cut, 0.0, alpha)
    return AttentionState(m, alpha * first.u + beta * then.u, alpha[..., None] * first.w + beta[..., None] * then.w)


def _average(state: AttentionState) -> Array:
    return state.w * _inverse(state.u)[..., None]


def _inverse(u: Array) -> Array:
    """1 / u, zero where there is no mass."""
    return jnp.where(u > 0, 1 / jnp.where(u > 0, u, 1.0), 0.0)


def _where(condition: Array | None, if_true: AttentionState, if_false: AttentionState) -> AttentionState:
    if condition is None:
        return if_false
    return AttentionState(*(jnp.where(condition, a, b) for a, b in zip(if_true, if_false, strict=True)))


@partial(jax.custom_vjp, nondiff_argnums=(5, 6))
def _scan(s: Array, v: Array, start: AttentionState, valid, resets, method: str, chunk: int) -> Rows:
    """Averages, maxima and normalisers of all rows, each with the row itself taken in, valid or not."""
    return _METHODS[method](s, v, start, valid, resets, chunk)


def _forward(s, v, start, valid, resets, method, chunk):
    rows = _scan(s, v, start, valid, resets, method, chunk)
    return rows, (s, v, start, valid, resets, rows)


def _backward(method, chunk, saved, cotangents):
    s, v, start, valid, resets, (o, m, u) = saved
    do, dm, du = cotangents
    source = jnp.concatenate([jnp.full(1, -1), _source(len(s), valid, resets)[:-1]])
    source = source if resets is None else jnp.where(resets, -2, source)
    before = _pick(source, m[jnp.maximum(source, 0)], start.m, jnp.full_like(start.m, NOTHING))
    alpha, beta = jnp.exp(before - m), jnp.where(s > NOTHING, jnp.exp(s - m), 0.0)
    alpha = alpha if resets is None else jnp.where(resets[:, None], 0.0, alpha)
    kept = before >= s if resets is None else (before >= s) & ~resets[:, None]

    back = partial(_carried_back, valid=valid, resets=resets, method=method, chunk=chunk)
    scale = _inverse(u)
    lam_w, start_w = back(scale[..., None] * do, alpha)
    lam_u, start_u = back(du - scale * jnp.sum(do * o, axis=-1), alpha)
    p, start_p = back(dm - du * u, kept.astype(alpha.dtype))
    ds = beta * (lam_u + jnp.sum(lam_w * v, axis=-1)) + jnp.where(s > before, p, 0.0)
    dm0 = start_p + start_u * start.u + jnp.sum(start_w * start.w, axis=-1)
    return ds, beta[..., None] * lam_w, AttentionState(dm0, start_u, start_w), None, None


_scan.defvjp(_forward, _backward)


def _carried_back(own: Array, factor: Array, *, valid, resets, method: str, chunk: int) -> tuple[Array, Array]:
    """Cotangents of every row with those of later rows added, and what they hand to the start.

    A row hands `factor` times its own to the state before it; one that is not valid hands on what came to it as well.
    """

    def expand(per_row):
        return per_row.reshape(*per_row.shape, *[1] * (own.ndim - per_row.ndim))

    factor = expand(factor)
    through = factor
    if valid is not None:
        whole = 1.0 if resets is None else jnp.where(expand(resets), 0.0, 1.0).astype(factor.dtype)
        through = jnp.where(expand(valid), factor, whole)
    handed = linear_scan(through, factor * own, reverse=True, method=method, chunk=chunk)
    later = jnp.concatenate([handed[1:], jnp.zeros_like(handed[:1])])
    return own + (later if valid is None else jnp.where(expand(valid), later, 0.0)), handed[0]


def _sequential(s: Array, v: Array, start: AttentionState, valid, resets, chunk: int) -> Rows:
    fresh = nothing_seen(v.shape[1:], v.dtype)

    def body(state, row):
        s_t, v_t, taken, restarted = row
        before = _where(restarted, fresh, state)
        o_t, after = attention_step(s_t, v_t, before)
        held = after if taken is None else _where(taken, after, before)
        return held, (o_t, after.m, after.u)

    return jax.lax.scan(body, start, (s, v, valid, resets))[1]


def _associative(s: Array, v: Array, start: AttentionState, valid, resets, chunk: int) -> Rows:
    rows = _single(s, v)
    taken = rows if valid is None else _single(jnp.where(valid[:, None], s, NOTHING), v)
    cut = jnp.zeros((len(s), 1), bool) if resets is None else resets[:, None]

    def compose(first, then):
        return _join(first[0], then[0], then[1]), first[1] | then[1]

    prefix, cut_so_far = jax.lax.associative_scan(compose, (taken, cut))
    held = _join(start, prefix, cut_so_far)
    if valid is None:
        return _average(held), held.m, held.u
    before = jax.tree.map(lambda first, v: jnp.concatenate([first[None], v[:-1]]), start, held)
    asked = _join(before, rows, cut)
    return _average(asked), asked.m, asked.u


def _chunked(s: Array, v: Array, start: AttentionState, valid, resets, chunk: int) -> Rows:
    length, chunk = len(s), min(chunk, len(s))
    taken = jnp.ones(length, bool) if valid is None else valid
    cut = jnp.zeros(length, bool) if resets is None else resets
    out = jax.lax.scan(_one_chunk, start, tuple(in_chunks(a, chunk) for a in (s, v, taken, cut)))[1]
    o, m, u = (from_chunks(a, length) for a in out)
    return o, m, u


def _one_chunk(start: AttentionState, rows):
    """All rows of a chunk against all rows of it before them, as one masked matrix product a head."""
    s, v, taken, cut = rows
    segment, at = jnp.cumsum(cut), jnp.arange(len(s))
    seen = (at[None] < at[:, None]) & taken & (segment[:, None] == segment) | (at[:, None] == at)
    from_start = (segment == 0)[:, None]
    first = jnp.where(from_start, start.m, NOTHING)
    logits = jnp.where(seen, s.T[:, None], NOTHING)
    m = jnp.maximum(jnp.max(logits, axis=-1).T, first)
    weights = jnp.where(logits > NOTHING, jnp.exp(logits - m.T[..., None]), 0.0)
    alpha = jnp.where(from_start, jnp.exp(first - m), 0.0)
    u = jnp.sum(weights, axis=-1).T + alpha * start.u
    w = jnp.einsum("hij,jhd->ihd", weights, v) + alpha[..., None] * start.w
    source = _source(len(s), taken, cut)[-1]
    at_row = jax.tree.map(lambda a: a[jnp.maximum(source, 0)], AttentionState(m, u, w))
    held = _pick(source, at_row, start, nothing_seen(v.shape[1:], v.dtype))
    return held, (w * _inverse(u)[..., None], m, u)


# Compiled by itself, so that a call outside jit does not build its loop anew each time.
_compiled = jax.jit(_scan, static_argnums=(5, 6))

_METHODS: dict[str, Callable[..., Rows]] = {
    "sequential": _sequential,
    "associative": _associative,
    "chunked": _chunked,
}
