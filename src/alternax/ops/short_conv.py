"""Short causal convolution, one kernel a channel, with a carry: what selective layers put before their scan.

    y_t = sum_j kernel_j * r_j,    r = (the last width - 1 rows taken in before t, then x_t)       * entry by entry

The carry is those width - 1 rows, the oldest first. A row that is not valid is answered from the carry and not put into
it, and a reset empties the carry, so "the last rows taken in" are found by following, row by row, the nearest earlier
row that was taken in: width - 1 gathers for all rows at once, and plain slices where every row is taken in.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from alternax.core.errors import InputError


def short_conv(
    x: Float[Array, "time dim"],
    kernel: Float[Array, "width dim"],
    carry: Float[Array, "carried dim"] | None = None,
    *,
    valid: Bool[Array, "time"] | None = None,
    resets: Bool[Array, "time"] | None = None,
    keep: Int[Array, "kept"] | None = None,
) -> tuple[Float[Array, "time dim"], Float[Array, "*kept_shape carried dim"]]:
    """Each channel's rows weighed by its own kernel: parallel in time, differentiable in `x`, `kernel` and `carry`.

    Args:
        x: Rows, time first.
        kernel: Weights; the last row of it weighs the current row, the first the oldest one.
        carry: The last width - 1 rows taken in before the first one, oldest first; zeros if None.
        valid: False at rows that see the carry but are not put into it; all True if None.
        resets: True at rows before which the carry is emptied, valid or not.
        keep: Rows after which the carry is wanted, in any order; only that at the end if None.

    Returns:
        y, shaped as `x`, and the carry after the last row, or those after the rows `keep` stacked.

    Raises:
        InputError: shapes that do not fit, a length or width of zero.

    Example:
        >>> short_conv(jnp.arange(3.0)[:, None], jnp.array([[10.0], [1.0]]))[0][:, 0]
        Array([ 0.,  1., 12.], dtype=float32)
    """
    _check(x, kernel, carry, valid, resets)
    length, past = x.shape[0], kernel.shape[0] - 1
    carry = jnp.zeros((past, x.shape[1]), x.dtype) if carry is None else carry
    rows = jnp.concatenate([carry.astype(x.dtype), x])  # the row x_t is rows[past + t]
    segment = None if resets is None else jnp.pad(jnp.cumsum(resets, dtype=jnp.int32), (past, 0))
    newest, previous = _nearest_taken(valid, past, length)
    now = place = past + jnp.arange(length)
    y = kernel[past] * x
    for lag in range(1, past + 1):
        place = previous[place]
        earlier = rows[past - lag : past - lag + length] if valid is None else rows[place]
        y = y + kernel[past - lag] * _since_reset(earlier, segment, place, now)
    last = now[-1] if keep is None else now[keep]
    place, after = newest[last], []
    for _ in range(past):
        after.insert(0, _since_reset(rows[place], segment, place, last))
        place = previous[place]
    return y, jnp.stack(after, axis=-2) if past else jnp.zeros((*last.shape, *carry.shape), x.dtype)


def short_conv_step(
    x_t: Float[Array, "dim"], kernel: Float[Array, "width dim"], carry: Float[Array, "carried dim"]
) -> tuple[Float[Array, "dim"], Float[Array, "carried dim"]]:
    """One row of `short_conv`: its output and the carry with it.

    Example:
        >>> y_t, carry = short_conv_step(jnp.ones(1), jnp.array([[10.0], [1.0]]), jnp.zeros((1, 1)))
    """
    rows = jnp.concatenate([carry, x_t[None]])
    return jnp.sum(kernel * rows, axis=0), rows[1:]


def short_conv_naive(
    x: np.ndarray,
    kernel: np.ndarray,
    carry: np.ndarray | None = None,
    *,
    valid: np.ndarray | None = None,
    resets: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The definition of `short_conv` as a NumPy loop, for tests and for reading; the carries after all rows."""
    carry = np.zeros((len(kernel) - 1, x.shape[1])) if carry is None else carry
    y, carries = [], []
    for t, x_t in enumerate(x):
        if resets is not None and resets[t]:
            carry = np.zeros_like(carry)
        rows = np.concatenate([carry, x_t[None]])
        y.append(np.sum(kernel * rows, axis=0))
        carry = rows[1:] if valid is None or valid[t] else carry
        carries.append(carry)
    return np.stack(y), np.stack(carries)


def _nearest_taken(valid: Array | None, past: int, length: int) -> tuple[Array, Array]:
    """For every row of the carry and of x, where the newest row taken in stands: that row counted, and not counted."""
    place = jnp.arange(past + length)
    if valid is None:
        newest = place
    else:
        taken = jnp.concatenate([jnp.ones(past, bool), valid])
        newest = jax.lax.cummax(jnp.where(taken, place, 0))
    return newest, jnp.concatenate([newest[:1], newest[:-1]])


def _since_reset(rows: Array, segment: Array | None, place: Array, now: Array) -> Array:
    """`rows`, which stand at `place`, where no reset lies between them and the places `now`; zeros elsewhere."""
    if segment is None:
        return rows
    return jnp.where((segment[place] == segment[now])[..., None], rows, 0.0)


def _check(x: Array, kernel: Array, carry: Array | None, valid: Array | None, resets: Array | None) -> None:
    """Refuse what does not fit."""
    if x.ndim != 2 or x.shape[0] == 0:
        raise InputError(f"short_conv: x must be (time, dim) with at least one row, found shape {x.shape}.")
    if kernel.ndim != 2 or kernel.shape[0] == 0 or kernel.shape[1] != x.shape[1]:
        raise InputError(f"short_conv: expected kernel of shape (width, {x.shape[1]}), found {kernel.shape}.")
    wanted = (kernel.shape[0] - 1, x.shape[1])
    if carry is not None and carry.shape != wanted:
        raise InputError(f"short_conv: expected carry of shape (width - 1, dim) = {wanted}, found {carry.shape}.")
    for name, flags in (("valid", valid), ("resets", resets)):
        if flags is not None and flags.shape != x.shape[:1]:
            raise InputError(f"short_conv: {name} has shape {flags.shape}, expected one flag a row, {x.shape[:1]}.")
