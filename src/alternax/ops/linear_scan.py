"""The diagonal linear recurrence h_t = a_t h_{t-1} + b_t: the kernel under linear recurrent layers and the Alternator.

The gradient is written by hand. With lam_t the cotangent of h_t after everything later has been added to it,

    lam_t = g_t + a_{t+1} lam_{t+1},    db_t = lam_t,    da_t = lam_t h_{t-1},    dh_0 = a_1 lam_1,

so the backward pass is the same recurrence run the other way (Martin and Cundy 2018, arXiv 1709.04057) and nothing but
a and h is kept for it. JAX's complex cotangents are not conjugated, hence no conjugate here either.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Inexact

from alternax.core.errors import InputError

Method = Literal["auto", "sequential", "associative", "chunked"]


def linear_scan(
    a: Inexact[Array, "..."],
    b: Inexact[Array, "time *feature"],
    h0: Inexact[Array, "..."] | None = None,
    *,
    resets: Bool[Array, "time"] | None = None,
    reverse: bool = False,
    method: Method = "auto",
    chunk: int = 256,
) -> Inexact[Array, "time *feature"]:
    """All states of h_t = a_t h_{t-1} + b_t, real or complex, differentiable in `a`, `b` and `h0` (reverse mode).

    Time and memory are linear in the length for every method; the methods agree up to rounding.

    Args:
        a: Factors: either as many axes as `b`, the first of length `time` or 1, or fewer and then constant in time; the
            feature axes broadcast against those of `b`.
        b: Inputs, time first.
        h0: State before the first row (with `reverse`, after the last one), broadcast to the features; zero if None.
        resets: True at rows where a new sequence starts: nothing passes between such a row and the one before it.
        reverse: Run from the last row to the first: h_t = a_t h_{t+1} + b_t.
        method: "sequential" is a loop, "associative" a parallel prefix over the whole length, "chunked" one over
            `chunk` rows at a time; "auto" takes the loop on a CPU and the prefix elsewhere.
        chunk: Rows in a chunk of the chunked method; the length need not be a multiple of it.

    Returns:
        h, shaped as `b`, in the promoted dtype of the arguments.

    Raises:
        InputError: shapes that do not fit, a length of zero, an unknown method.

    Example:
        >>> linear_scan(jnp.array(0.5), jnp.ones(3))
        Array([1.  , 1.5 , 1.75], dtype=float32)
    """
    a, b = jnp.asarray(a), jnp.asarray(b)
    h0 = jnp.zeros((), b.dtype) if h0 is None else jnp.asarray(h0)
    a = _checked(a, b, h0, resets, method, chunk)
    dtype = jnp.result_type(a, b, h0, 0.0)
    a, b, h0 = a.astype(dtype), b.astype(dtype), jnp.broadcast_to(h0, b.shape[1:]).astype(dtype)
    if resets is not None:
        cut = jnp.append(resets[1:], False) if reverse else resets
        a = jnp.where(cut.reshape(-1, *[1] * (b.ndim - 1)), 0, a)
    if method == "auto":
        method = "sequential" if jax.default_backend() == "cpu" else "associative"
    return _compiled(a, b, h0, reverse, method, chunk)


def linear_scan_naive(
    a: np.ndarray,
    b: np.ndarray,
    h0: np.ndarray | None = None,
    *,
    resets: np.ndarray | None = None,
    reverse: bool = False,
) -> np.ndarray:
    """The definition of `linear_scan` as a NumPy loop, for tests and for reading."""
    a, b = np.asarray(a), np.asarray(b)
    starts = np.zeros(len(b), bool) if resets is None else resets
    state = np.zeros(b.shape[1:]) if h0 is None else np.broadcast_to(h0, b.shape[1:])
    h = np.zeros(b.shape, np.result_type(a, b, state))
    for t in reversed(range(len(b))) if reverse else range(len(b)):
        factor = a if a.ndim < b.ndim else a[t] if len(a) > 1 else a[0]
        cut = t + 1 < len(b) and starts[t + 1] if reverse else starts[t]
        state = h[t] = b[t] if cut else factor * state + b[t]
    return h


def _checked(a: Array, b: Array, h0: Array, resets: Array | None, method: str, chunk: int) -> Array:
    """Refuse what does not fit; `a` with a time axis of length `time` or 1."""
    if b.ndim == 0 or b.shape[0] == 0:
        raise InputError(f"linear_scan: b must be (time, ...) with at least one row, found shape {b.shape}.")
    full = a if a.ndim == b.ndim else a.reshape(1, *[1] * (b.ndim - 1 - a.ndim), *a.shape)
    fits = full.ndim == b.ndim and all(found in (1, wanted) for found, wanted in zip(full.shape, b.shape, strict=True))
    if not fits:
        raise InputError(
            f"linear_scan: a has shape {a.shape}, which fits neither (time, ...) = {b.shape} nor, constant in time, "
            f"the features {b.shape[1:]} of b."
        )
    if h0.ndim >= b.ndim or any(n not in (1, m) for n, m in zip(h0.shape[::-1], b.shape[:0:-1], strict=False)):
        raise InputError(f"linear_scan: h0 has shape {h0.shape}, expected the features {b.shape[1:]} of b.")
    if resets is not None and resets.shape != b.shape[:1]:
        raise InputError(f"linear_scan: resets has shape {resets.shape}, expected one flag a row, {b.shape[:1]}.")
    if method != "auto" and method not in _METHODS:
        raise InputError(f"linear_scan: unknown method {method!r}; choose from {['auto', *_METHODS]}.")
    if chunk < 1:
        raise InputError(f"linear_scan: chunk must be at least 1, found {chunk}.")
    return full


@partial(jax.custom_vjp, nondiff_argnums=(3, 4, 5))
def _scan(a: Array, b: Array, h0: Array, reverse: bool, method: str, chunk: int) -> Array:
    return _METHODS[method](a, b, h0, reverse, chunk)


def _forward(a, b, h0, reverse, method, chunk):
    h = _scan(a, b, h0, reverse, method, chunk)
    return h, (a, h, h0)


def _backward(reverse, method, chunk, saved, cotangent):
    a, h, h0 = saved
    if method == "sequential" and a.shape[0] != h.shape[0]:
        return _adjoint_of_constant(a, h, h0, cotangent, reverse)
    if reverse:
        following, previous, first = jnp.roll(a, 1, axis=0), jnp.concatenate([h[1:], h0[None]]), -1
    else:
        following, previous, first = jnp.roll(a, -1, axis=0), jnp.concatenate([h0[None], h[:-1]]), 0
    lam = _compiled(following, cotangent, jnp.zeros_like(h0), not reverse, method, chunk)
    return _sum_to(lam * previous, a.shape), lam, a[first] * lam[first]


_scan.defvjp(_forward, _backward)


def _adjoint_of_constant(a, h, h0, cotangent, reverse):
    """The backward loop for one `a` at all times: da is summed on the way, so that neither a nor h is copied."""

    def body(carry, row):
        lam, da = carry
        g, h_t = row
        return (g + a[0] * lam, da + lam * h_t), g + a[0] * lam

    nothing = jnp.zeros_like(h0)
    (lam, da), db = jax.lax.scan(body, (nothing, nothing), (cotangent, h), reverse=not reverse)
    return _sum_to((da + lam * h0)[None], a.shape), db, a[0] * lam


def _sum_to(x: Array, shape: tuple[int, ...]) -> Array:
    """The transpose of broadcasting from `shape`: sums over the axes that were of length one."""
    axes = tuple(i for i, (found, wanted) in enumerate(zip(x.shape, shape, strict=True)) if found != wanted)
    return jnp.sum(x, axis=axes, keepdims=True)


def _sequential(a: Array, b: Array, h0: Array, reverse: bool, chunk: int) -> Array:
    # Not unrolled: XLA fuses each of the unrolled outputs with all the steps before it and computes them again.
    if a.shape[0] == b.shape[0]:
        return jax.lax.scan(lambda h, ab: (ab[0] * h + ab[1],) * 2, h0, (a, b), reverse=reverse)[1]
    return jax.lax.scan(lambda h, b_t: (a[0] * h + b_t,) * 2, h0, b, reverse=reverse)[1]


def _associative(a: Array, b: Array, h0: Array, reverse: bool, chunk: int) -> Array:
    a = jnp.broadcast_to(a, (b.shape[0], *a.shape[1:]))
    decay, response = jax.lax.associative_scan(_compose, (a, b), reverse=reverse)
    return decay * h0 + response


def _compose(first: tuple[Array, Array], then: tuple[Array, Array]) -> tuple[Array, Array]:
    """One step h -> a h + b after another."""
    return then[0] * first[0], then[0] * first[1] + then[1]


def _chunked(a: Array, b: Array, h0: Array, reverse: bool, chunk: int) -> Array:
    length = b.shape[0]
    chunk = min(chunk, length)
    # Padding goes where the recurrence ends, so that no real row comes after it.
    fill = (-length % chunk, 0) if reverse else (0, -length % chunk)
    a = jnp.broadcast_to(a, (length, *a.shape[1:]))
    a, b = (jnp.pad(v, [fill] + [(0, 0)] * (v.ndim - 1)).reshape(-1, chunk, *v.shape[1:]) for v in (a, b))

    def body(h, rows):
        a, b = rows
        out = _associative(a, b, h, reverse, chunk)
        return out[0 if reverse else -1], out

    out = jax.lax.scan(body, h0, (a, b), reverse=reverse)[1]
    return out.reshape(-1, *out.shape[2:])[fill[0] : fill[0] + length]


# Compiled by itself, so that a call outside jit does not build its loop anew each time.
_compiled = jax.jit(_scan, static_argnums=(3, 4, 5))

_METHODS: dict[str, Callable[[Array, Array, Array, bool, int], Array]] = {
    "sequential": _sequential,
    "associative": _associative,
    "chunked": _chunked,
}
