"""The selective scan: a diagonal linear recurrence whose factors, inputs and outputs depend on the row.

    h_t = a_t * h_{t-1} + B_t (delta_t * u_t),    y_t = C_t h_t,    a_t = exp(delta_t A) - delta_t E_t

for every channel and state entry on its own (Gu and Dao 2023, arXiv 2312.00752, algorithm 2; the term delta_t E_t, an
erasure, is that of Liu et al. 2024, arXiv 2407.14207). The states of all rows are never stored together: the forward
pass leaves one at the start of each chunk of rows, and the backward pass, written by hand, computes those inside a
chunk again. With L_t the cotangent of h_t, and q_t = L_t + C_t g_t that with the row's own output added,

    L_{t-1} = a_t q_t,   da_t = q_t h_{t-1},   d(delta_t u_t) = B_t q_t,   dB_t = q_t (delta_t u_t),   dC_t = h_t g_t

Inside, states are (state, dim): the channels lie side by side in memory, where a processor works on several at once.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from alternax.core.errors import InputError

Method = Literal["auto", "sequential", "associative"]


class _Rows(NamedTuple):
    """All that is given row by row, time first."""

    u: Array
    delta: Array
    B: Array
    C: Array
    erase: Array | None
    valid: Array | None
    resets: Array | None


def selective_scan(
    u: Float[Array, "time dim"],
    delta: Float[Array, "time dim"],
    A: Float[Array, "dim state"] | None,
    B: Float[Array, "time state"],
    C: Float[Array, "time state"],
    h0: Float[Array, "state dim"] | None = None,
    *,
    erase: Float[Array, "time state"] | None = None,
    valid: Bool[Array, "time"] | None = None,
    resets: Bool[Array, "time"] | None = None,
    keep: Int[Array, "kept"] | None = None,
    method: Method = "auto",
    chunk: int = 16,
) -> tuple[Float[Array, "time dim"], Float[Array, "*kept_shape state dim"]]:
    """Outputs of all rows and the state after the last one, differentiable in all real arguments (reverse mode).

    Args:
        u: Inputs, time first.
        delta: Step sizes, at least 0; where one is 0 the channel's state is held.
        A: Rates, at most 0; None for no decay.
        B: How a row's input enters the state.
        C: How the state is read.
        h0: State before the first row; zero if None.
        erase: E above, with 0 <= delta E <= 1: the share of each state entry that a row removes; nothing if None.
        valid: False at rows that are answered from the state, which they leave as it is; all True if None.
        resets: True at rows before which the state is set to zero, valid or not.
        keep: Rows after which the state is wanted, in any order; only that at the end if None.
        method: "sequential" is a loop over rows, "associative" a parallel prefix over the rows of a chunk; "auto" takes
            the loop on a CPU and the prefix elsewhere.
        chunk: Rows between two stored states; the length need not be a multiple of it.

    Returns:
        y, shaped as `u`, and the state after the last row, or those after the rows `keep` stacked.

    Raises:
        InputError: shapes that do not fit, a length of zero, an unknown method.

    Example:
        >>> ones = jnp.ones((2, 1))
        >>> selective_scan(ones, ones, -jnp.log(2.0) * jnp.ones((1, 1)), ones, ones)[0][:, 0]
        Array([1. , 1.5], dtype=float32)
    """
    rows = _Rows(u, delta, B, C, erase, valid, resets)
    _check(rows, A, h0, method, chunk)
    if method == "auto":
        method = "sequential" if jax.default_backend() == "cpu" else "associative"
    h0 = jnp.zeros((B.shape[1], u.shape[1]), u.dtype) if h0 is None else h0
    rates = None if A is None else A.T
    length = u.shape[0]
    chunk = min(chunk, length)
    rows = _padded(rows, chunk)
    y, starts, last = _compiled(rates, h0, rows, method, chunk)
    if keep is None:
        return y[:length], last
    after = partial(_state_after, rates, starts, rows, method, chunk)
    return y[:length], jax.vmap(after)(jnp.where(keep < 0, keep + length, keep))


def selective_scan_naive(
    u: np.ndarray,
    delta: np.ndarray,
    A: np.ndarray | None,
    B: np.ndarray,
    C: np.ndarray,
    h0: np.ndarray | None = None,
    *,
    erase: np.ndarray | None = None,
    valid: np.ndarray | None = None,
    resets: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The definition of `selective_scan` as a NumPy loop, for tests and for reading; the states after all rows."""
    h = np.zeros((B.shape[1], u.shape[1])) if h0 is None else h0
    y, states = np.zeros(u.shape), []
    for t in range(len(u)):
        if resets is not None and resets[t]:
            h = np.zeros_like(h)
        factor = np.ones_like(h) if A is None else np.exp(delta[t] * A.T)
        factor = factor if erase is None else factor - np.outer(erase[t], delta[t])
        after = factor * h + np.outer(B[t], delta[t] * u[t])
        y[t] = C[t] @ after
        h = after if valid is None or valid[t] else h
        states.append(h)
    return y, np.stack(states)


def _padded(rows: _Rows, chunk: int) -> _Rows:
    """Rows up to a multiple of `chunk`. Those filled in have delta = 0 and hold the state."""
    fill = -rows.u.shape[0] % chunk
    return jax.tree.map(lambda v: jnp.pad(v, [(0, fill)] + [(0, 0)] * (v.ndim - 1)), rows) if fill else rows


def _take(rows: _Rows, which: Array, chunk: int) -> _Rows:
    """The rows of one chunk. Sliced, for to scan over them would copy all of them into another order under vmap."""
    return jax.tree.map(lambda v: jax.lax.dynamic_slice_in_dim(v, which * chunk, chunk), rows)


def _put(rows: Array, which: Array, part: Array) -> Array:
    """`rows` with one chunk of them replaced."""
    return jax.lax.dynamic_update_slice_in_dim(rows, part, which * part.shape[0], 0)


def _state_after(rates, starts, rows: _Rows, method: str, chunk: int, row: Array) -> Array:
    """The state after one row, computed again from the start of its chunk."""
    part = _take(rows, row // chunk, chunk)
    taken = jnp.arange(chunk) <= row % chunk
    part = part._replace(
        valid=taken if part.valid is None else taken & part.valid,
        resets=None if part.resets is None else taken & part.resets,
    )
    return _compiled(rates, starts[row // chunk], part, method, chunk)[2]


def _run(rates: Array | None, h0: Array, rows: _Rows, method: str, chunk: int) -> tuple[Array, Array, Array]:
    """Outputs of whole chunks, the states before each chunk, and that after the last one."""

    def body(carry, which):
        h, y = carry
        part, after = _FORWARD[method](rates, h, _take(rows, which, chunk))
        return (after, _put(y, which, part)), h

    (last, y), starts = jax.lax.scan(body, (h0, jnp.zeros_like(rows.u)), jnp.arange(rows.u.shape[0] // chunk))
    return y, starts, last


def _forward(rates, h0, rows, method, chunk):
    y, starts, last = _run(rates, h0, rows, method, chunk)
    return (y, starts, last), (rates, starts, rows)


def _backward(method, chunk, saved, cotangents):
    rates, starts, rows = saved
    g, d_starts, d_last = cotangents

    def body(carry, given):
        later, d_rates, d_rows = carry
        which, start, d_start = given
        part = _take(rows, which, chunk), jax.lax.dynamic_slice_in_dim(g, which * chunk, chunk)
        d_part, earlier, d_rates_here = _BACKWARD[method](rates, start, *part, later)
        d_rates = jax.tree.map(jnp.add, d_rates, d_rates_here)
        return (earlier + d_start, d_rates, jax.tree.map(lambda v, p: _put(v, which, p), d_rows, d_part)), None

    nothing = jax.tree.map(jnp.zeros_like, (rates, rows._replace(valid=None, resets=None)))
    which = jnp.arange(starts.shape[0])
    (d_h0, d_rates, d_rows), _ = jax.lax.scan(body, (d_last, *nothing), (which, starts, d_starts), reverse=True)
    return d_rates, d_h0, d_rows


_scan = jax.custom_vjp(_run, nondiff_argnums=(3, 4))
_scan.defvjp(_forward, _backward)

# Compiled by itself, so that a call outside jit does not build its loop anew each time.
_compiled: Callable[..., tuple[Array, Array, Array]] = jax.jit(_scan, static_argnums=(3, 4))


def _factor(rates: Array | None, delta: Array, erase: Array | None) -> Array:
    """exp(delta A) - delta E of one row or, with a leading axis, of several."""
    a = jnp.ones((), delta.dtype) if rates is None else jnp.exp(delta[..., None, :] * rates)
    return a if erase is None else a - erase[..., None] * delta[..., None, :]


def _outer(state: Array, channel: Array) -> Array:
    return state[..., None] * channel[..., None, :]


def _row(rates: Array | None, h: Array, row: _Rows) -> tuple[Array, Array, Array, Array]:
    """One row: its factor, the state before it, with it, and the one that is left to the next row."""
    before = h if row.resets is None else jnp.where(row.resets, 0.0, h)
    a = _factor(rates, row.delta, row.erase)
    after = a * before + _outer(row.B, row.delta * row.u)
    return a, before, after, after if row.valid is None else jnp.where(row.valid, after, before)


def _loop(rates: Array | None, h: Array, rows: _Rows) -> tuple[Array, Array]:
    """Outputs of a chunk and the state after it."""

    def body(h, row):
        _, _, after, left = _row(rates, h, row)
        return left, jnp.sum(row.C[:, None] * after, axis=0)

    last, y = jax.lax.scan(body, h, rows)
    return y, last


def _loop_back(rates: Array | None, h: Array, rows: _Rows, g: Array, later: Array):
    """Cotangents of a chunk's rows, of the state before it and of the rates; `later` is that of the state after it."""

    def again(h, given):
        row, g = given
        a, before, after, left = _row(rates, h, row)
        return left, (a, before, after @ g)

    _, (a, before, d_c) = jax.lax.scan(again, h, (rows, g))

    def body(carry, given):
        later, d_rates = carry
        row, g, a, before = given
        q = _outer(row.C, g) + (later if row.valid is None else jnp.where(row.valid, later, 0.0))
        earlier = a * q if row.valid is None else a * q + jnp.where(row.valid, 0.0, later)
        earlier = earlier if row.resets is None else jnp.where(row.resets, 0.0, earlier)
        du = _sum(q * row.B[:, None])
        slope = q * before  # the cotangent of the factor
        d_delta = row.u * du
        d_erase = None
        if rates is not None:
            flow = slope * (a if row.erase is None else a + _outer(row.erase, row.delta))
            d_delta = d_delta + _sum(flow * rates)
            d_rates = d_rates + flow * row.delta
        if row.erase is not None:
            d_delta = d_delta - _sum(slope * row.erase[:, None])
            d_erase = -(slope @ row.delta)
        return (earlier, d_rates), (row.delta * du, d_delta, q @ (row.delta * row.u), d_erase)

    nothing = jax.tree.map(jnp.zeros_like, rates)
    (earlier, d_rates), (d_u, d_delta, d_b, d_erase) = jax.lax.scan(
        body, (later, nothing), (rows, g, a, before), reverse=True
    )
    return _Rows(d_u, d_delta, d_b, d_c, d_erase, None, None), earlier, d_rates


def _sum(x: Array) -> Array:
    """The sum over the leading axis, written out: XLA's own reduction does not use the vector unit here on a CPU."""
    total = x[0]
    for entry in range(1, x.shape[0]):
        total = total + x[entry]
    return total


def _prefix(rates: Array | None, h: Array, rows: _Rows) -> tuple[Array, Array]:
    """`_loop` as a parallel prefix over the rows of the chunk."""
    a, b = _factor(rates, rows.delta, rows.erase), _outer(rows.B, rows.delta * rows.u)
    through, added = jnp.broadcast_to(a, b.shape), b
    if rows.valid is not None:
        through, added = (jnp.where(rows.valid[:, None, None], v, held) for v, held in ((through, 1.0), (b, 0.0)))
    if rows.resets is not None:
        through = jnp.where(rows.resets[:, None, None], 0.0, through)
    through, added = jax.lax.associative_scan(lambda f, s: (s[0] * f[0], s[0] * f[1] + s[1]), (through, added))
    left = through * h + added
    before = jnp.concatenate([h[None], left[:-1]])
    before = before if rows.resets is None else jnp.where(rows.resets[:, None, None], 0.0, before)
    return jnp.sum(rows.C[..., None] * (a * before + b), axis=1), left[-1]


def _prefix_back(rates: Array | None, h: Array, rows: _Rows, g: Array, later: Array):
    """`_loop_back` of the parallel prefix, left to JAX: a chunk is short."""
    real = rows._replace(valid=None, resets=None)
    run = lambda rates, h, real: _prefix(rates, h, real._replace(valid=rows.valid, resets=rows.resets))  # noqa: E731
    d_rates, earlier, d_rows = jax.vjp(run, rates, h, real)[1]((g, later))
    return d_rows, earlier, d_rates


def _check(rows: _Rows, A: Array | None, h0: Array | None, method: str, chunk: int) -> None:
    """Refuse what does not fit."""
    if rows.u.ndim != 2 or rows.u.shape[0] == 0:
        raise InputError(f"selective_scan: u must be (time, dim) with at least one row, found shape {rows.u.shape}.")
    if rows.B.ndim != 2:
        raise InputError(f"selective_scan: B must be (time, state), found shape {rows.B.shape}.")
    (time, dim), state = rows.u.shape, rows.B.shape[1]
    wanted = {"B": (time, state), "C": (time, state), "delta": (time, dim), "erase": (time, state)}
    wanted |= {"valid": (time,), "resets": (time,), "A": (dim, state), "h0": (state, dim)}
    for name, value in (rows._asdict() | {"A": A, "h0": h0}).items():
        if name != "u" and value is not None and value.shape != wanted[name]:
            raise InputError(
                f"selective_scan: {name} has shape {value.shape}, expected {wanted[name]} for u of shape {(time, dim)} "
                f"and {state} state entries a channel."
            )
    if method != "auto" and method not in _FORWARD:
        raise InputError(f"selective_scan: unknown method {method!r}; choose from {['auto', *_FORWARD]}.")
    if chunk < 1:
        raise InputError(f"selective_scan: chunk must be at least 1, found {chunk}.")


_FORWARD: dict[str, Callable[..., tuple[Array, Array]]] = {"sequential": _loop, "associative": _prefix}
_BACKWARD: dict[str, Callable[..., tuple]] = {"sequential": _loop_back, "associative": _prefix_back}
