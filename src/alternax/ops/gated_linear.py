"""A matrix state with a decay for every key dimension: the recurrence of gated linear attention, in chunks.

    S_t = diag(a_t) S_{t-1} + k_t v_t^T,    o_t = q_t S_t              S: (heads, key, value), a_t in [0, 1] a vector

(Yang et al. 2023, arXiv 2312.06635, section 4: chunks and, inside them, blocks.) With the decay a vector the scores are

    P_ts = sum_k q_tk k_sk exp(L_tk - L_sk),    s <= t,

and exp(L_t) exp(-L_s) as two factors overflows. Between two blocks of a chunk the decay up to the start of the later
one splits it into two factors of at most one, a matrix product; inside a block the sum is taken as it stands.

Chunks follow one another in a loop that stores their border states; the gradient takes each chunk again from its own.
"""

from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from alternax.core.errors import InputError
from alternax.ops.chunks import in_chunks
from alternax.ops.log_decay import decay_between, held, own, split_sums

Method = Literal["auto", "sequential", "chunked"]


def gated_linear(
    q: Float[Array, "time heads key"],
    k: Float[Array, "time heads key"],
    v: Float[Array, "time heads value"],
    log_decay: Float[Array, "time heads key"],
    state: Float[Array, "heads key value"] | None = None,
    *,
    valid: Bool[Array, "time"] | None = None,
    resets: Bool[Array, "time"] | None = None,
    keep: Int[Array, "kept"] | None = None,
    method: Method = "auto",
    chunk: int = 64,
    block: int = 8,
) -> tuple[Float[Array, "time heads value"], Float[Array, "*kept_shape heads key value"]]:
    """Outputs q_t S_t of all rows and the state at the end, differentiable in all arrays.

    Half precision is computed in single precision and rounded at the end.

    Args:
        q: What is asked for, by head.
        k: Where it is written.
        v: What is written.
        log_decay: log a_t, at most 0; below -128 (-1024 in double precision) it counts as no memory at all.
        state: The state before the first row; zeros if None.
        valid: False at rows that are answered and not taken in: the state is held. All True if None.
        resets: True at rows before which the state is zero, valid or not.
        keep: Rows after which the state is wanted, in any order; only that at the end if None.
        method: "sequential" is a loop (its gradient stores every state), "chunked" the matrix products; "auto" is
            "chunked", measured faster on a CPU too.
        chunk: Rows in a chunk, a multiple of `block`; the length need not be a multiple of it.
        block: Rows in a block.

    Returns:
        o, shaped as `v`, and the state after the last row, or those after the rows `keep` stacked.

    Raises:
        InputError: shapes that do not fit, a length of zero, an unknown method, a chunk above 512 or not of blocks.

    Example:
        >>> one = jnp.ones((3, 1, 1))
        >>> gated_linear(one, one, one, jnp.log(0.5 * one))[0][:, 0, 0]
        Array([1.  , 1.5 , 1.75], dtype=float32)
    """
    _check(q, k, v, log_decay, state, valid, resets, method, chunk, block)
    state = jnp.zeros((*k.shape[1:], v.shape[2]), v.dtype) if state is None else state
    dtype = jnp.result_type(q, k, v, state)
    q, k, v, log_decay, state = (a.astype(jnp.promote_types(dtype, jnp.float32)) for a in (q, k, v, log_decay, state))
    asked, written = q, k
    if valid is not None:  # such a row reads the held state through its own decay
        taken = valid[:, None, None]
        asked, written = jnp.where(taken, q, q * own(log_decay, resets)), jnp.where(taken, k, 0.0)
    run = _sequential if method == "sequential" else partial(_chunked, chunk=chunk, block=block)
    o, states = run(asked, written, v, held(log_decay, valid, resets), state, keep)
    if valid is not None:
        o = jnp.where(taken, o, o + jnp.sum(q * k, axis=-1, keepdims=True) * v)
    return o.astype(dtype), states.astype(dtype)


def gated_linear_naive(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    log_decay: np.ndarray,
    state: np.ndarray | None = None,
    *,
    valid: np.ndarray | None = None,
    resets: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The definition of `gated_linear` as a NumPy loop, for tests and for reading; the states after all rows."""
    S = np.zeros((*k.shape[1:], v.shape[2])) if state is None else state
    o, states = np.zeros(v.shape), np.zeros((len(v), *S.shape))
    for t in range(len(v)):
        S = np.zeros_like(S) if resets is not None and resets[t] else S
        after = np.exp(log_decay[t])[:, :, None] * S + k[t][:, :, None] * v[t][:, None, :]
        o[t] = np.einsum("hk,hkv->hv", q[t], after)
        states[t] = S = after if valid is None or valid[t] else S
    return o, states


def _check(q, k, v, log_decay, state, valid, resets, method, chunk, block) -> None:
    """Refuse what does not fit."""
    if k.ndim != 3 or k.shape[0] == 0:
        raise InputError(f"gated_linear: k must be (time, heads, key) with at least one row, found shape {k.shape}.")
    length, heads, _ = k.shape
    if v.ndim != 3 or v.shape[:2] != (length, heads):
        raise InputError(f"gated_linear: v must be ({length}, {heads}, value) beside k of {k.shape}, found {v.shape}.")
    wanted = {
        "q": (q, k.shape),
        "log_decay": (log_decay, k.shape),
        "state": (state, (*k.shape[1:], v.shape[2])),
        "valid": (valid, (length,)),
        "resets": (resets, (length,)),
    }
    for name, (found, shape) in wanted.items():
        if found is not None and found.shape != shape:
            raise InputError(f"gated_linear: {name} has shape {found.shape}, expected {shape} beside k of {k.shape}.")
    if method not in ("auto", "sequential", "chunked"):
        raise InputError(f"gated_linear: unknown method {method!r}; choose from ['auto', 'sequential', 'chunked'].")
    if not 1 <= block <= chunk <= 512 or chunk % block:
        raise InputError(
            f"gated_linear: expected a block of at least 1 and a chunk that is a multiple of it, at most 512; found "
            f"block={block}, chunk={chunk}."
        )


def _sequential(q, k, v, log_decay, state, keep):
    """The loop."""

    def body(S, row):
        q_t, k_t, v_t, decay = row
        S = decay[:, :, None] * S + k_t[:, :, None] * v_t[:, None, :]
        return S, (jnp.sum(q_t[:, :, None] * S, axis=1), None if keep is None else S)

    last, (o, states) = jax.lax.scan(body, state, (q, k, v, jnp.exp(log_decay)))
    return o, last if keep is None else states[keep]


def _chunked(q, k, v, log_decay, state, keep, chunk, block):
    """Chunks of matrix products, heads first inside them; rows of zeros fill the last one and change nothing."""
    length = q.shape[0]
    chunk = min(chunk, length + -length % block)
    rows = [in_chunks(a, chunk).swapaxes(1, 2) for a in (q, k, v, log_decay)]

    @jax.checkpoint
    def body(S, rows):
        q, k, v, log_decay = rows
        sums = split_sums(log_decay, -2)
        scores = _between_blocks(q, k, sums, block) + _within_blocks(q, k, sums, block)
        o = scores @ v + (q * decay_between(jnp.zeros_like(sums), sums)) @ S
        return _after(S, k, v, sums, chunk - 1), (o, S)

    last, (o, borders) = jax.lax.scan(body, state, rows)
    o = o.swapaxes(1, 2).reshape(-1, *v.shape[1:])[:length]
    if keep is None:
        return o, last
    _, k, v, log_decay = rows
    place, within = jnp.divmod(keep % length, chunk)

    def state_at(place, within):
        return _after(borders[place], k[place], v[place], split_sums(log_decay[place], -2), within)

    return o, jax.vmap(state_at)(place, within)


def _after(S, k, v, sums, row):
    """The state after a row of a chunk, from the one at the border before the chunk and its rows up to that one."""
    upto, last = jnp.arange(k.shape[1])[:, None] <= row, sums[:, :, row]
    weight = decay_between(sums, last[:, :, None], upto)
    return decay_between(jnp.zeros_like(last), last)[..., None] * S + (k * weight).swapaxes(-1, -2) @ v


def _between_blocks(q, k, sums, block):
    """Scores of rows in different blocks, (heads, chunk, chunk): both factors measured from the start of the later."""
    heads, chunk, key = k.shape
    starts = jnp.arange(chunk // block) * block
    start = jnp.pad(sums, [(0, 0), (0, 0), (1, 0), (0, 0)])[:, :, starts]  # sums up to the row before each block
    in_blocks = sums.reshape(2, heads, -1, block, key)
    asked = q.reshape(heads, -1, block, key) * decay_between(start[:, :, :, None], in_blocks)
    earlier = (jnp.arange(chunk) < starts[:, None])[..., None]
    written = k[:, None] * decay_between(sums[:, :, None], start[:, :, :, None], earlier)
    return jnp.einsum("hbtk,hbsk->hbts", asked, written).reshape(heads, chunk, chunk)


def _within_blocks(q, k, sums, block):
    """Scores of rows in the same block, (heads, chunk, chunk), zero elsewhere."""
    heads, chunk, key = k.shape
    q, k = (a.reshape(heads, -1, block, key) for a in (q, k))
    sums = sums.reshape(2, heads, -1, block, key)
    causal = jnp.tril(jnp.ones((block, block), bool))[..., None]
    weight = decay_between(sums[..., None, :, :], sums[..., :, None, :], causal)
    scores = jnp.einsum("hbtk,hbsk,hbtsk->hbts", q, k, weight)
    blocks = jnp.eye(chunk // block, dtype=k.dtype)
    return jnp.einsum("hbts,bc->hbtcs", scores, blocks).reshape(heads, chunk, chunk)
