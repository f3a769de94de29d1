"""State-space duality: a matrix state with one decay a head, in chunks of matrix products (Mamba-2).

    S_t = a_t S_{t-1} + x_t B_t^T,    y_t = S_t C_t        S: (heads, head_dim, state), a_t in [0, 1] one number a head

(Dao and Gu 2024, arXiv 2405.21060, section 6: block decomposition of a semiseparable matrix.) Inside a chunk the
outputs are a masked product, y = (W * C B^T) x with W_ts = a_t ... a_{s+1}; between chunks only border states pass.

The chunks, and their gradient written by hand, are in `ssd_chunks`.
"""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from alternax.core.errors import InputError
from alternax.ops.log_decay import held, own
from alternax.ops.ssd_chunks import chunked

Method = Literal["auto", "sequential", "chunked"]


def ssd(
    x: Float[Array, "time heads head_dim"],
    log_decay: Float[Array, "time heads"],
    B: Float[Array, "time groups state"],
    C: Float[Array, "time groups state"],
    state: Float[Array, "heads head_dim state"] | None = None,
    *,
    valid: Bool[Array, "time"] | None = None,
    resets: Bool[Array, "time"] | None = None,
    keep: Int[Array, "kept"] | None = None,
    method: Method = "auto",
    chunk: int | None = None,
) -> tuple[Float[Array, "time heads head_dim"], Float[Array, "*kept_shape heads head_dim state"]]:
    """Outputs S_t C_t of all rows and the state at the end, differentiable in all arrays (reverse mode).

    Half precision is computed in single precision and rounded at the end.

    Args:
        x: What is written, by head; a step size is already multiplied in.
        log_decay: log a_t, at most 0, one a head; below -128 (-1024 in double precision) it counts as no memory at all.
        B: Where it is written, by group; the heads are split evenly among the groups, one group a head at the most.
        C: Where it is read, by group.
        state: The state before the first row; zeros if None.
        valid: False at rows that are answered and not taken in: the state is held. All True if None.
        resets: True at rows before which the state is zero, valid or not.
        keep: Rows after which the state is wanted, in any order; only that at the end if None.
        method: "sequential" is a loop (its gradient stores every state), "chunked" the matrix products; "auto" is
            "chunked", measured several times faster on a CPU too.
        chunk: Rows in a chunk; the length need not be a multiple of it. None takes 32, 64 for a state of 64 or more.

    Returns:
        y, shaped as `x`, and the state after the last row, or those after the rows `keep` stacked.

    Raises:
        InputError: shapes that do not fit, a length of zero, an unknown method, a chunk outside 1 to 512.

    Example:
        >>> one = jnp.ones((3, 1, 1))
        >>> ssd(one, jnp.log(0.5 * one[..., 0]), one, one)[0][:, 0, 0]
        Array([1.  , 1.5 , 1.75], dtype=float32)
    """
    _check(x, log_decay, B, C, state, valid, resets, method, chunk)
    (length, heads, head_dim), (groups, width) = x.shape, B.shape[1:]
    state = jnp.zeros((heads, head_dim, width), x.dtype) if state is None else state
    dtype = jnp.result_type(x, B, C, state)
    x, log_decay, B, C, state = (v.astype(jnp.promote_types(dtype, jnp.float32)) for v in (x, log_decay, B, C, state))
    chunk = min(length, (64 if width >= 64 else 32) if chunk is None else chunk)
    x = x.reshape(length, groups, -1, head_dim)
    log_decay, state = log_decay.reshape(length, groups, -1), state.reshape(*x.shape[1:], width)
    written = x if valid is None else jnp.where(valid[:, None, None, None], x, 0.0)
    run = _sequential if method == "sequential" else chunked
    y, states = run(written, held(log_decay, valid, resets), B, C, state, keep, chunk)
    if valid is not None:  # there y is C_t S_{t-1} so far
        asked = own(log_decay, resets)[..., None] * y + jnp.einsum("tgn,tgn->tg", C, B)[..., None, None] * x
        y = jnp.where(valid[:, None, None, None], y, asked)
    states = states.reshape(*states.shape[:-4], heads, head_dim, width)
    return y.reshape(length, heads, head_dim).astype(dtype), states.astype(dtype)


def ssd_naive(
    x: np.ndarray,
    log_decay: np.ndarray,
    B: np.ndarray,
    C: np.ndarray,
    state: np.ndarray | None = None,
    *,
    valid: np.ndarray | None = None,
    resets: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The definition of `ssd` as a NumPy loop, for tests and for reading; the states after all rows."""
    length, heads, head_dim = x.shape
    B, C = (np.repeat(v, heads // v.shape[1], axis=1) for v in (B, C))
    S = np.zeros((heads, head_dim, B.shape[2])) if state is None else state
    y, states = np.zeros(x.shape), np.zeros((length, *S.shape))
    for t in range(length):
        S = np.zeros_like(S) if resets is not None and resets[t] else S
        after = np.exp(log_decay[t])[:, None, None] * S + x[t][:, :, None] * B[t][:, None, :]
        y[t] = np.einsum("hpn,hn->hp", after, C[t])
        states[t] = S = after if valid is None or valid[t] else S
    return y, states


def _check(x, log_decay, B, C, state, valid, resets, method, chunk) -> None:
    """Refuse what does not fit."""
    if x.ndim != 3 or x.shape[0] == 0:
        raise InputError(f"ssd: x must be (time, heads, head_dim) with at least one row, found shape {x.shape}.")
    length, heads, head_dim = x.shape
    if B.ndim != 3 or B.shape[0] != length or B.shape[1] == 0 or heads % B.shape[1]:
        raise InputError(
            f"ssd: B must be ({length}, groups, state) with groups that divide the {heads} heads, found {B.shape}."
        )
    wanted = {
        "log_decay": (log_decay, (length, heads)),
        "C": (C, B.shape),
        "state": (state, (heads, head_dim, B.shape[2])),
        "valid": (valid, (length,)),
        "resets": (resets, (length,)),
    }
    for name, (found, shape) in wanted.items():
        if found is not None and found.shape != shape:
            raise InputError(f"ssd: {name} has shape {found.shape}, expected {shape} beside x of shape {x.shape}.")
    if method not in ("auto", "sequential", "chunked"):
        raise InputError(f"ssd: unknown method {method!r}; choose from ['auto', 'sequential', 'chunked'].")
    if chunk is not None and not 1 <= chunk <= 512:
        raise InputError(f"ssd: chunk must be from 1 to 512, found {chunk}.")


def _sequential(x, log_decay, B, C, state, keep, chunk):
    """The loop."""

    def body(S, row):
        x_t, decay, B_t, C_t = row
        S = decay[..., None, None] * S + x_t[..., None] * B_t[:, None, None, :]
        return S, (jnp.sum(S * C_t[:, None, None, :], axis=-1), None if keep is None else S)

    last, (y, states) = jax.lax.scan(body, state, (x, jnp.exp(log_decay), B, C))
    return y, last if keep is None else states[keep]
