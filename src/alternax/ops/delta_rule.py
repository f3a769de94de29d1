"""The delta rule: a matrix-valued memory S that every row decays, corrects and reads, in chunks of matrix products.

A row applies n >= 1 generalised Householder steps and then reads (DeltaProduct, Siems et al. 2025, arXiv 2502.10297;
n = 1 is DeltaNet, Yang et al. 2024, arXiv 2406.06484; with the decay g <= 0 Gated DeltaNet, arXiv 2412.06464):

    S <- e^{g_t} S;    S <- S (I - beta_tj k_tj k_tj^T) + beta_tj v_tj k_tj^T,  j = 1..n;    o_t = S q_t

Each step is S <- S + u_i k_i^T with u_i = beta_i (v_i - S k_i). In a chunk that starts from S_0 the corrections U solve
one unit triangular system (the UT transform), and everything else is matrix products:

    (I + A) U = diag(beta) (V - diag(d) K S_0^T),    A_ij = beta_i D_ij k_i . k_j  for j < i,

with d_i the decay from the start of the chunk to step i and D_ij that from step j to step i. Only the states between
chunks are kept for the gradient; the inside of a chunk is computed again.
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
from alternax.ops.log_decay import decay_between, held, own, split_sums

Method = Literal["auto", "sequential", "chunked"]
Memory = Float[Array, "heads value_dim key_dim"]


def delta_rule(
    q: Float[Array, "time heads key_dim"],
    k: Float[Array, "time steps heads key_dim"],
    v: Float[Array, "time steps heads value_dim"],
    beta: Float[Array, "time steps heads"],
    log_decay: Float[Array, "time heads"] | None = None,
    state: Memory | None = None,
    *,
    valid: Bool[Array, "time"] | None = None,
    resets: Bool[Array, "time"] | None = None,
    keep: Int[Array, "kept"] | None = None,
    method: Method = "auto",
    chunk: int | None = None,
) -> tuple[Float[Array, "time heads value_dim"], Float[Array, "*kept_shape heads value_dim key_dim"]]:
    """Reads of every row and the memory after the rows `keep`, stacked (default: after the last row, unstacked).

    Stable for keys of norm 1 and beta from 0 to 2: I - beta k k^T has the eigenvalue 1 - beta along k and 1 elsewhere.
    Time is linear in the length; the gradient, reverse mode only, keeps one memory a chunk. Half precision is computed
    in single precision and rounded at the end.

    Args:
        q: What each row asks for.
        k: Keys of the steps of each row, of norm 1.
        v: Values to be stored under the keys.
        beta: Strength of the steps: 0 does nothing, 1 replaces what is stored, 2 reflects.
        log_decay: g <= 0 of each row, applied before its steps; no decay if None.
        state: Memory before the first row; zero if None.
        valid: False at rows that read what they would with their own decay and steps, but leave no trace.
        resets: True at rows before which the memory is emptied, valid or not.
        keep: Rows after which the memory is returned, in any order.
        method: "chunked" by matrix products, "sequential" a loop over the rows; "auto" takes the first.
        chunk: Rows in a chunk, of which the length need not be a multiple; as measured to be fast if None.

    Raises:
        InputError: shapes that do not fit, no rows or steps, an unknown method, a chunk below 1.

    Example:
        >>> q, k = jnp.ones((3, 1, 1)), jnp.ones((3, 1, 1, 1))
        >>> delta_rule(q, k, k, jnp.full((3, 1, 1), 0.5))[0].ravel()
        Array([0.5  , 0.75 , 0.875], dtype=float32)
    """
    length, steps, heads, key_dim = _checked(q, k, v, beta, log_decay, state, valid, resets, method, chunk)
    chunk = min(length, max(1, _STEPS_A_CHUNK // steps) if chunk is None else chunk)
    state = jnp.zeros((heads, v.shape[-1], key_dim), v.dtype) if state is None else state
    numbers = q, k, v, beta, log_decay, state
    dtype = jnp.result_type(*jax.tree.leaves(numbers))
    *numbers, state = jax.tree.map(lambda x: x.astype(jnp.promote_types(dtype, jnp.float32)), numbers)
    reads, states = _compiled(
        _Rows._make((*numbers, valid, resets)), state, keep, "chunked" if method == "auto" else method, chunk
    )
    return reads.astype(dtype), states.astype(dtype)


def delta_rule_step(
    q: Float[Array, "heads key_dim"],
    k: Float[Array, "steps heads key_dim"],
    v: Float[Array, "steps heads value_dim"],
    beta: Float[Array, "steps heads"],
    log_decay: Float[Array, "heads"] | None,
    state: Memory,
) -> tuple[Float[Array, "heads value_dim"], Memory]:
    """One row of `delta_rule`: what it reads, and the memory after it."""
    state, _ = _corrected(k, v, beta, log_decay, state)
    return jnp.einsum("hvk,hk->hv", state, q), state


def delta_rule_naive(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    beta: np.ndarray,
    log_decay: np.ndarray | None = None,
    state: np.ndarray | None = None,
    *,
    valid: np.ndarray | None = None,
    resets: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The definition of `delta_rule` with its matrices written out: reads and the memory after every row."""
    length, steps, heads, key_dim = k.shape
    memory = np.zeros((heads, v.shape[-1], key_dim)) if state is None else np.array(state)
    reads, states = np.zeros((length, heads, v.shape[-1])), np.zeros((length, *memory.shape))
    for t in range(length):
        memory = np.zeros_like(memory) if resets is not None and resets[t] else memory
        after = memory if log_decay is None else np.exp(log_decay[t])[:, None, None] * memory
        for j in range(steps):
            for h in range(heads):
                key, strength = k[t, j, h], beta[t, j, h]
                householder = np.eye(key_dim) - strength * np.outer(key, key)
                after = np.copy(after)
                after[h] = after[h] @ householder + strength * np.outer(v[t, j, h], key)
        reads[t] = np.einsum("hvk,hk->hv", after, q[t])
        memory = states[t] = after if valid is None or valid[t] else memory
    return reads, states


class _Rows(NamedTuple):
    """The arguments with a time axis: of the whole sequence, of all chunks, or of one chunk."""

    q: Array
    k: Array
    v: Array
    beta: Array
    log_decay: Array | None
    valid: Array | None
    resets: Array | None


class _Decays(NamedTuple):
    """How much of what stood in the memory is left later in the chunk; the heads first, one for all without decays.

    Attributes:
        read: (row, earlier row): of what the earlier row wrote, when the later one has decayed; 1 for the row itself.
        after: The same in the memory that is carried on, which rows that are not valid do not change.
        read_start: (row,): of the memory before the chunk, when the row has decayed.
        after_start: The same in the memory that is carried on.
    """

    read: Array
    after: Array
    read_start: Array
    after_start: Array


def _run(rows: _Rows, state: Array, keep: Array | None, method: str, chunk: int) -> tuple[Array, Array]:
    length = len(rows.q)

    # Rows of zeros at the end change nothing. The backward pass computes a chunk again from its first memory.
    @partial(jax.checkpoint, prevent_cse=False)
    def body(start, part):
        reads, u, end = _METHODS[method](part, start)
        decays = _decays(part)
        return end, (reads, None if keep is None else (start, u, part.k, decays.after, decays.after_start))

    parts = jax.tree.map(lambda x: in_chunks(x, chunk), rows)
    last, (reads, kept) = jax.lax.scan(body, state, parts)
    reads = from_chunks(reads, length)
    if keep is None:
        return reads, last
    whole = jax.tree.map(lambda x: x[keep // chunk], kept)
    return reads, jax.vmap(lambda row, parts: _memory_after(row, *parts))(keep % chunk, whole)


def _by_products(rows: _Rows, start: Memory) -> tuple[Array, Array, Memory]:
    """Reads, corrections u and last memory of a chunk by matrix products and one triangular solve."""
    count, steps, heads, _ = rows.k.shape
    decays = _decays(rows)
    q, k, v, beta = (jnp.moveaxis(x, i, 0) for x, i in zip(rows[:4], (1, 2, 2, 2), strict=True))
    k, v, beta = (x.reshape(heads, count * steps, *x.shape[3:]) for x in (k, v, beta))
    seen, from_start = jnp.repeat(decays.read, steps, axis=2), jnp.repeat(decays.read_start, steps, axis=1)
    a = jnp.tril(beta[..., None] * jnp.repeat(seen, steps, axis=1) * _products(k, k), -1)
    u = _solved(a, beta[..., None] * (v - from_start[..., None] * _products(k, start)))
    reads = decays.read_start[..., None] * _products(q, start) + (seen * _products(q, k)) @ u
    u = jnp.moveaxis(u.reshape(heads, count, steps, -1), 0, 2)
    end = _memory_after(-1, start, u, rows.k, decays.after, decays.after_start)
    return jnp.moveaxis(reads, 0, 1), u, end


def _by_rows(rows: _Rows, start: Memory) -> tuple[Array, Array, Memory]:
    """The same by a loop over the rows."""

    def body(before, row):
        q, k, v, beta, log_decay, valid, restarted = row
        before = before if restarted is None else jnp.where(restarted, 0.0, before)
        after, u = _corrected(k, v, beta, log_decay, before)
        held = after if valid is None else jnp.where(valid, after, before)
        return held, (_read(after, q), u)

    end, (reads, u) = jax.lax.scan(body, start, rows)
    return reads, u, end


def _corrected(k: Array, v: Array, beta: Array, log_decay: Array | None, state: Memory) -> tuple[Memory, Array]:
    """The memory after the decay and the steps of one row, and their corrections u."""
    state = state if log_decay is None else jnp.exp(log_decay)[:, None, None] * state
    corrections = []
    for k_j, v_j, beta_j in zip(k, v, beta, strict=True):
        corrections.append(beta_j[:, None] * (v_j - _read(state, k_j)))
        state = state + corrections[-1][:, :, None] * k_j[:, None, :]
    return state, jnp.stack(corrections)


def _read(state: Memory, q: Array) -> Array:
    return jnp.einsum("hvk,hk->hv", state, q)


def _memory_after(row: Array | int, start: Memory, u: Array, k: Array, after: Array, after_start: Array) -> Memory:
    """The memory carried on after a row of a chunk: what is left of the first one and of every correction."""
    scaled = after[:, row].T[:, None, :, None] * u
    return after_start[:, row, None, None] * start + jnp.einsum("cnhv,cnhk->hvk", scaled, k)


def _decays(rows: _Rows) -> _Decays:
    """The factors between all rows of a chunk; a reset is a decay to nothing."""
    count = len(rows.q)
    log_decay = jnp.zeros((count, 1), rows.q.dtype) if rows.log_decay is None else rows.log_decay
    alone = own(log_decay, rows.resets).T
    upto = split_sums(held(log_decay, rows.valid, rows.resets).swapaxes(0, 1), axis=1)
    before = jnp.pad(upto, [(0, 0), (0, 0), (1, 0)])[..., :-1]
    row = jnp.arange(count)
    taken = jnp.ones(count, bool) if rows.valid is None else rows.valid
    earlier = (row[:, None] > row) & taken
    itself = jnp.eye(count, dtype=bool)
    wrote, start = upto[:, :, None, :], jnp.zeros_like(upto[..., :1])
    return _Decays(
        read=alone[..., None] * decay_between(wrote, before[..., None], earlier) + itself,
        after=decay_between(wrote, upto[..., None], earlier | (itself & taken)),
        read_start=alone * decay_between(start, before),
        after_start=decay_between(start, upto),
    )


def _products(a: Array, b: Array) -> Array:
    """All inner products of the rows of two stacks of matrices."""
    return jnp.einsum("hia,hja->hij", a, b)


@jax.custom_vjp
def _solved(a: Array, right: Array) -> Array:
    """The solution of (I + a) x = right for strictly lower triangular a, heads first."""
    return _inverse(a) @ right


def _solved_forward(a, right):
    inverse = _inverse(a)
    x = inverse @ right
    return x, (inverse, x)


def _solved_backward(saved, cotangent):
    """With (I + a)^T lam = g: the cotangent of the right side is lam, that of a is -lam x^T."""
    inverse, x = saved
    lam = jnp.einsum("hji,hjv->hiv", inverse, cotangent)
    return -_products(lam, x), lam


_solved.defvjp(_solved_forward, _solved_backward)


def _inverse(a: Array) -> Array:
    """(I + a)^-1, put together from the inverses of diagonal blocks, of twice the size each time.

    Only matrix products, and as stable as substitution. (LAPACK's solver, called for one small matrix after another, is
    far slower on a CPU.)
    """
    heads, count, _ = a.shape
    size = 1 << (count - 1).bit_length()
    a = jnp.pad(a, [(0, 0), (0, size - count), (0, size - count)])
    inverse = jnp.ones((heads, size, 1, 1), a.dtype)
    while (half := inverse.shape[-1]) < size:
        blocks = a.reshape(heads, size // (2 * half), 2 * half, size // (2 * half), 2 * half)
        corner = jnp.moveaxis(jnp.diagonal(blocks, axis1=1, axis2=3), -1, 1)[..., half:, :half]
        first, second = inverse[:, 0::2], inverse[:, 1::2]
        inverse = jnp.block([[first, jnp.zeros_like(first)], [-second @ corner @ first, second]])
    return inverse[:, 0, :count, :count]


_METHODS: dict[str, Callable[[_Rows, Memory], tuple[Array, Array, Memory]]] = {
    "sequential": _by_rows,
    "chunked": _by_products,
}

# Compiled by itself, so that a call outside jit does not build its loop anew each time.
_compiled = jax.jit(_run, static_argnums=(3, 4))

_STEPS_A_CHUNK = 32


def _checked(q, k, v, beta, log_decay, state, valid, resets, method, chunk) -> tuple[int, int, int, int]:
    """Refuse what does not fit; the sizes."""
    if k.ndim != 4 or 0 in k.shape[:2]:
        raise InputError(
            "delta_rule: k must be (time, steps, heads, key_dim) with at least one row and step, "
            f"found shape {k.shape}."
        )
    length, steps, heads, key_dim = k.shape
    value_dim = v.shape[-1] if v.ndim else 0
    wanted = {
        "q": (q, (length, heads, key_dim)),
        "v": (v, (length, steps, heads, value_dim)),
        "beta": (beta, (length, steps, heads)),
        "log_decay": (log_decay, (length, heads)),
        "state": (state, (heads, value_dim, key_dim)),
        "valid": (valid, (length,)),
        "resets": (resets, (length,)),
    }
    for name, (found, shape) in wanted.items():
        if found is not None and found.shape != shape:
            raise InputError(
                f"delta_rule: {name} has shape {found.shape}, expected {shape} beside k of shape {k.shape}."
            )
    if method != "auto" and method not in _METHODS:
        raise InputError(f"delta_rule: unknown method {method!r}; choose from {['auto', *_METHODS]}.")
    if chunk is not None and chunk < 1:
        raise InputError(f"delta_rule: chunk must be at least 1, found {chunk}.")
    return length, steps, heads, key_dim
