"""CKConv, convolution with a continuous kernel (Romero et al. 2021, arXiv 2102.02611).

    y(t) = sum over taken rows j up to t of k(t - t_j) * x(t_j),      k(s) = W_3 sin(w (W_2 sin(w (W_1 p + b_1)) + b_2))

The kernel of every channel is a small network with sine activations of the relative position p = 2 s / max_length - 1,
so its number of weights does not depend on its length, and it may be read at any time. It is zero from `max_length`
usual steps on. Rows at the usual distance are convolved by FFT; elapsed times that are given, or a state to go on from,
take the sum itself, with the kernel read at every pair of rows (time^2). Channels are mixed by what stands around.
"""

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float, Int, PRNGKeyArray, Scalar

from alternax.core.errors import InputError
from alternax.core.layer import Layer
from alternax.layers import history
from alternax.layers.history import Packed, Past, Taps
from alternax.layers.inputs import check_row, check_rows, check_size, check_state
from alternax.ops import fft_conv


class CKState(NamedTuple):
    """Rows taken in since the start, and when.

    Attributes:
        past: The rows.
        times: When each of them was, in usual steps since the start; zero after the last.
        clock: The time of the last one.
    """

    past: Past
    times: Float[Array, "*kept max_length"]
    clock: Float[Array, "*kept"]


class Channelwise(Taps):
    """One kernel a channel.

    Attributes:
        kernel: Weights by lag.
    """

    kernel: Float[Array, "max_length dim"]

    @property
    def max_length(self) -> int:
        """Number of lags."""
        return self.kernel.shape[0]

    def convolve(self, x: Float[Array, "time dim"], first: int = 0) -> Float[Array, "time dim"]:
        """See `Taps`."""
        return fft_conv(x, jnp.pad(self.kernel[first:], ((0, first), (0, 0))))

    def at(self, lag: Int[Array, ""], x: Float[Array, "*time dim"]) -> Float[Array, "*time dim"]:
        """See `Taps`."""
        return x * self.kernel.at[lag].get(mode="fill", fill_value=0)

    def weigh(self, past: Float[Array, "max_length dim"]) -> Float[Array, "dim"]:
        """See `Taps`."""
        return jnp.sum(self.kernel[1:] * past[:-1], axis=0)

    def after_one(self, spectrum: Complex[Array, "*blocks dim frequencies"], n: int) -> Complex[Array, "..."]:
        """See `Taps`."""
        return spectrum * jnp.fft.rfft(self.kernel[1 : 1 + n].T, n)


class CKConv(Layer):
    """Convolution with a continuous kernel, read at elapsed times. At most `max_length` rows between resets.

    Attributes:
        dim: Width of input and output.
        max_length: Length of the kernel and of the longest sequence.
        frequency: w, the factor inside the sines.
    """

    dim: int = eqx.field(static=True)
    max_length: int = eqx.field(static=True)
    frequency: float = eqx.field(static=True)
    input_weight: Float[Array, "hidden"]
    input_bias: Float[Array, "hidden"]
    hidden_weight: Float[Array, "hidden hidden"]
    hidden_bias: Float[Array, "hidden"]
    output_weight: Float[Array, "dim hidden"]

    def __init__(
        self, dim: int, *, max_length: int = 1024, hidden: int = 32, frequency: float = 30.0, key: PRNGKeyArray
    ):
        """The network starts as in Sitzmann et al. 2020 (arXiv 2006.09661), scaled so that y is as large as white x.

        Args:
            dim: Width of input and output.
            max_length: Length of the kernel in usual steps, and the most rows a sequence may have.
            hidden: Width of the kernel's network.
            frequency: Factor inside the sines, w_0 in the papers; the larger, the rougher the kernel.
            key: JAX random key.

        Raises:
            InputError: sizes below 1, a frequency that is not positive.

        Example:
            >>> y, state = CKConv(4, max_length=64, key=jax.random.key(0))(jnp.ones((10, 4)))
        """
        check_size("CKConv", dim=dim, max_length=max_length, hidden=hidden)
        if not 0 < frequency < math.inf:
            raise InputError(f"CKConv: expected a positive frequency, found {frequency}.")
        keys = jax.random.split(key, 5)
        inner = math.sqrt(6 / hidden) / frequency
        self.dim, self.max_length, self.frequency = dim, max_length, frequency
        self.input_weight = jax.random.uniform(keys[0], (hidden,), minval=-1, maxval=1)
        self.input_bias = jax.random.uniform(keys[1], (hidden,), minval=-1, maxval=1)
        self.hidden_weight = jax.random.uniform(keys[2], (hidden, hidden), minval=-inner, maxval=inner)
        self.hidden_bias = jax.random.uniform(keys[3], (hidden,), minval=-1, maxval=1)
        self.output_weight = jax.random.normal(keys[4], (dim, hidden)) * math.sqrt(2 / (hidden * max_length))

    def kernel(self, elapsed: Float[Array, "*rows"]) -> Float[Array, "*rows dim"]:
        """The kernel at elapsed times of at least 0, in usual steps.

        Args:
            elapsed: Times; where they reach `max_length` the kernel is zero.
        """
        inside = elapsed < self.max_length
        position = 2 * jnp.where(inside, elapsed, 0.0) / self.max_length - 1
        h = jnp.sin(self.frequency * (position[..., None] * self.input_weight + self.input_bias))
        h = jnp.sin(self.frequency * (h @ self.hidden_weight.T + self.hidden_bias))
        return jnp.where(inside[..., None], h @ self.output_weight.T, 0.0)

    def init_state(self) -> CKState:
        """No rows."""
        dtype = self.output_weight.dtype
        past = history.empty(self.max_length, self.dim, dtype)
        return CKState(past, jnp.zeros(self.max_length, dtype), jnp.zeros((), dtype))

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: CKState | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], CKState]:
        """See `Layer`; `dt` is the time since the row before, 1 everywhere if None."""
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        if state is None and dt is None:
            return self._regular(x, valid, resets, keep)
        history.check_length("CKConv", x, self.max_length, valid, resets)
        if state is not None:
            check_state(self, state)
        dt = jnp.ones(len(x), x.dtype) if dt is None else dt
        now, clock = _clocks(jnp.zeros((), x.dtype) if state is None else state.clock, dt, valid, resets)
        past = None if state is None else Past(_with_times(*state[:2]), state.past.count)
        packed = history.pack(jnp.concatenate([x, now[:, None]], axis=1), past, valid, resets)
        y = self._summed(x, now, packed)
        if state is not None or len(x) > self.max_length:
            overflow = jnp.any(packed.taken & (packed.before - packed.since >= self.max_length))
            y = history.check_room("CKConv", y, overflow, self.max_length)
        rows, count = history.kept_rows(packed, self.max_length, keep)
        return y, CKState(Past(rows[..., :-1], count), rows[..., -1], clock[-1] if keep is None else clock[keep])

    def step(
        self, x_t: Float[Array, "dim"], state: CKState, *, dt: Scalar | None = None, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "dim"], CKState]:
        """See `Layer`."""
        check_row(self, x_t, state)
        (rows, count), times, clock = state
        now = clock + (1.0 if dt is None else dt)
        y_t = self._row(x_t, now, rows, times, jnp.arange(self.max_length) < count)
        y_t = history.check_room("CKConv", y_t, count >= self.max_length, self.max_length)
        after = Past(rows.at[count].set(x_t, mode="drop"), count + 1)
        return y_t, CKState(after, times.at[count].set(now, mode="drop"), now)

    def _regular(self, x: Array, valid: Array | None, resets: Array | None, keep: Array | None):
        """Rows one usual step apart, from the start."""
        dtype = self.output_weight.dtype
        reached = min(len(x), self.max_length)
        kernel = self.kernel(jnp.arange(reached, dtype=dtype))
        taps = Channelwise(jnp.pad(kernel, ((0, self.max_length - reached), (0, 0))))
        y, past = history.run("CKConv", taps, x, None, valid=valid, resets=resets, keep=keep)
        place, count = jnp.arange(self.max_length), past.count[..., None]
        return y, CKState(past, jnp.where(place < count, place + 1, 0).astype(dtype), past.count.astype(dtype))

    def _summed(self, x: Array, now: Array, packed: Packed) -> Array:
        """All outputs by the sum, row by row."""
        rows, times, place = packed.rows[:, :-1], packed.rows[:, -1], jnp.arange(len(packed.rows))

        def one(row):
            x_t, now_t, before, since = row
            return self._row(x_t, now_t, rows, times, (place >= since) & (place < before))

        return jax.lax.map(jax.checkpoint(one), (x, now, packed.before, packed.since))

    def _row(self, x_t: Array, now: Array, rows: Array, times: Array, seen: Array) -> Array:
        """k(0) x_t and the sum over the rows seen."""
        weights = self.kernel(jnp.where(seen, now - times, 0.0))
        here = self.kernel(jnp.zeros((), now.dtype)) * x_t
        return here + jnp.sum(jnp.where(seen[:, None], weights * rows, 0.0), axis=0)


def _with_times(past: Past, times: Array) -> Array:
    return jnp.concatenate([past.rows, times[:, None]], axis=1)


def _clocks(clock: Array, dt: Array, valid: Array | None, resets: Array | None) -> tuple[Array, Array]:
    """The time of every row, and the clock after it: only rows that are taken in move it."""

    def body(clock, row):
        dt_t, taken, restarted = row
        clock = clock if restarted is None else jnp.where(restarted, 0.0, clock)
        now = clock + dt_t
        clock = now if taken is None else jnp.where(taken, now, clock)
        return clock, (now, clock)

    return jax.lax.scan(body, clock, (dt, valid, resets))[1]
