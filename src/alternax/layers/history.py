"""Layers that read their whole past: the rows taken in so far, and a convolution over them that respects the masks.

With p_t the number of rows taken in before row t and q_j the place of a taken row j, both since the last reset,

    y_t = k_0 x_t + sum_{taken j < t} k_{p_t - q_j} x_j,

so a row that is not taken in leaves no gap. Taken rows are packed to the front, where lags are again distances: without
resets that is one convolution. Between resets the sum is split in halves over and over: from a left half of h rows to
the right half after it, only the rows up to the first reset in the right half are reached, all of them from the same
first row on, which is one circular convolution of length 2h for all pairs of halves together: time * log(time)^2 in
all, and exact.

No finite state holds such a past, so the state is a buffer of `max_length` rows that may fill up only once.
"""

from abc import abstractmethod
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float, Int

from alternax.core.errors import InputError

# Rows over which lags are summed one by one.
BASE = 16


class Past(NamedTuple):
    """The state: rows taken in since the start, zero after the first `count`.

    Attributes:
        rows: One after another, from the first place on.
        count: How many there are.
    """

    rows: Float[Array, "*kept max_length dim"]
    count: Int[Array, "*kept"]


class Taps(eqx.Module):
    """The weights k_0 ... k_{max_length - 1} of a convolution; zero beyond."""

    @property
    @abstractmethod
    def max_length(self) -> int:
        """Number of lags."""

    @abstractmethod
    def convolve(self, x: Float[Array, "time dim"], first: int = 0) -> Float[Array, "time dim"]:
        """The sums of k_{first + lag} x_{t - lag} over lags from 0 on."""

    @abstractmethod
    def at(self, lag: Int[Array, ""], x: Float[Array, "*time dim"]) -> Float[Array, "*time dim"]:
        """The product k_lag x."""

    @abstractmethod
    def weigh(self, past: Float[Array, "max_length dim"]) -> Float[Array, "dim"]:
        """The sum of k_lag past[lag - 1] over lags from 1 on."""

    @abstractmethod
    def after_one(self, spectrum: Complex[Array, "*blocks dim frequencies"], n: int) -> Complex[Array, "..."]:
        """The product with the spectrum of k_1 ... k_n."""


class Packed(NamedTuple):
    """Taken rows one after another, over all resets, those of the state before the call first.

    Attributes:
        rows: The rows, zero after the last.
        first: For each of them, the place of the first row since its reset.
        before: For each row of the call, how many there are before it.
        since: For each row of the call, the place of the first one since the reset before it.
        taken: Which rows of the call are among them.
    """

    rows: Float[Array, "places dim"]
    first: Int[Array, "places"]
    before: Int[Array, "time"]
    since: Int[Array, "time"]
    taken: Bool[Array, "time"]


def empty(max_length: int, dim: int, dtype: jnp.dtype) -> Past:
    """The state before anything was taken in."""
    return Past(jnp.zeros((max_length, dim), dtype), jnp.zeros((), jnp.int32))


def check_length(layer: str, x: Array, max_length: int, *masks: Array | None) -> None:
    """A sequence without masks that cannot fit is refused before anything runs."""
    if x.shape[0] > max_length and all(mask is None for mask in masks):
        raise InputError(f"{layer}: {x.shape[0]} rows are more than max_length={max_length}. {_ADVICE}")


def check_room(layer: str, y: Array, overflow: Array, max_length: int) -> Array:
    """`y`, or an error when it is computed if a row that is taken in finds the buffer full."""
    return eqx.error_if(y, overflow, f"{layer}: more rows were taken in than max_length={max_length}. {_ADVICE}")


def pack(
    x: Float[Array, "time dim"],
    past: Past | None,
    valid: Bool[Array, "time"] | None,
    resets: Bool[Array, "time"] | None,
) -> Packed:
    """Where every row goes."""
    time, dim = x.shape
    taken = jnp.ones(time, bool) if valid is None else valid
    count = jnp.zeros((), jnp.int32) if past is None else past.count
    before = count + jnp.cumsum(taken, dtype=jnp.int32) - taken
    since = jnp.zeros_like(before) if resets is None else jax.lax.cummax(jnp.where(resets, before, 0))
    rows = jnp.zeros((time, dim), x.dtype) if past is None else jnp.pad(past.rows, ((0, time), (0, 0)))
    places = jnp.arange(rows.shape[0], dtype=jnp.int32)
    to = jnp.where(taken, before, rows.shape[0])
    first = jnp.where(places < count, 0, places).at[to].set(since, mode="drop")
    return Packed(rows.at[to].set(x, mode="drop"), first, before, since, taken)


def kept_rows(packed: Packed, max_length: int, keep: Int[Array, "kept"] | None) -> Past:
    """The states after the rows `keep`, or after the last one."""
    keep = jnp.array(-1) if keep is None else keep
    since = packed.since[keep]
    count = packed.before[keep] + packed.taken[keep] - since
    place = jnp.arange(max_length)
    rows = packed.rows.at[since[..., None] + place].get(mode="fill", fill_value=0)
    return Past(jnp.where((place < count[..., None])[..., None], rows, 0), count)


def run(
    layer: str,
    taps: Taps,
    x: Float[Array, "time dim"],
    past: Past | None,
    *,
    valid: Bool[Array, "time"] | None,
    resets: Bool[Array, "time"] | None,
    keep: Int[Array, "kept"] | None,
) -> tuple[Float[Array, "time dim"], Past]:
    """All outputs and the states to return; `past` None is the empty one, which saves work.

    Args:
        layer: Name for messages.
        taps: The weights.
        x: Rows.
        past: State before the first row.
        valid: As in `Layer`.
        resets: As in `Layer`.
        keep: As in `Layer`.
    """
    time, max_length = x.shape[0], taps.max_length
    check_length(layer, x, max_length, valid, resets)
    packed = pack(x, past, valid, resets)
    if valid is None and resets is None:
        if past is None:
            y = taps.convolve(x)
        else:
            y = jax.lax.dynamic_slice_in_dim(taps.convolve(packed.rows[:max_length]), past.count, time)
    else:
        if resets is None:
            z = taps.convolve(packed.rows[:max_length], 1)
        else:
            z = _since_reset(taps, packed.rows, packed.first)
        fresh = packed.before == packed.since
        y = taps.at(jnp.array(0), x) + jnp.where(fresh[:, None], 0.0, z[packed.before - 1])
    if past is not None or time > max_length:
        overflow = jnp.any(packed.taken & (packed.before - packed.since >= max_length))
        y = check_room(layer, y, overflow, max_length)
    return y, kept_rows(packed, max_length, keep)


def step(layer: str, taps: Taps, x_t: Float[Array, "dim"], past: Past) -> tuple[Float[Array, "dim"], Past]:
    """One row: output and next state."""
    rows, count = past
    back = count - 1 - jnp.arange(taps.max_length)
    y_t = taps.at(jnp.array(0), x_t) + taps.weigh(jnp.where((back >= 0)[:, None], rows[back], 0.0))
    y_t = check_room(layer, y_t, count >= taps.max_length, taps.max_length)
    return y_t, Past(rows.at[count].set(x_t, mode="drop"), count + 1)


def _since_reset(
    taps: Taps, rows: Float[Array, "places dim"], first: Int[Array, "places"]
) -> Float[Array, "places dim"]:
    """The sums over first_m <= j <= m of k_{m - j + 1} rows_j."""
    length = min(BASE, rows.shape[0])
    size = length
    while size < rows.shape[0]:
        size *= 2
    pad = size - rows.shape[0]
    rows, first = jnp.pad(rows, ((0, pad), (0, 0))), jnp.pad(first, (0, pad), constant_values=size)
    z = _near(taps, rows, first, length)
    while length < size:
        z += _across(taps, rows, first, length)
        length *= 2
    return z[: size - pad]


def _near(taps: Taps, rows: Array, first: Array, length: int) -> Array:
    """The part from rows of the same block of `length` rows, lag by lag."""
    place = jnp.arange(rows.shape[0])
    first = jnp.maximum(first, place // length * length)

    def body(z, lag):
        earlier = jnp.where((place - lag >= first)[:, None], jnp.roll(rows, lag, axis=0), 0.0)
        return z + taps.at(lag + 1, earlier), None

    return jax.lax.scan(jax.checkpoint(body), jnp.zeros_like(rows), jnp.arange(length))[0]


def _across(taps: Taps, rows: Array, first: Array, half: int) -> Array:
    """The part from each left half of 2 * `half` rows to its right half."""
    size, dim = rows.shape
    left = rows.reshape(-1, 2, half, dim)[:, 0]
    first = first.reshape(-1, 2, half)[:, 1]
    begin = jnp.arange(0, size, 2 * half)[:, None]
    reached = first < begin + half
    seen = begin + jnp.arange(half) >= first[:, :1]
    spectrum = jnp.fft.rfft(jnp.where(seen[..., None], left, 0.0).swapaxes(1, 2), 2 * half)
    z = jnp.fft.irfft(taps.after_one(spectrum, 2 * half), 2 * half)[..., half:].swapaxes(1, 2)
    right = jnp.where(reached[..., None], z, 0.0)
    return jnp.stack([jnp.zeros_like(right), right], axis=1).reshape(size, dim)


_ADVICE = "This layer reads its whole past and has no state beyond it: build it with a larger max_length, or reset it."
