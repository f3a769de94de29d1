"""Causal convolution with a long kernel by the fast Fourier transform: y_t = sum_{s <= t} k_s x_{t-s} in each channel.

Both are padded with zeros to a length n of at least time + kernel_time - 1 that is a product of twos, threes and fives;
there the product of their real transforms is that of a convolution that does not wrap around. A kernel much shorter
than the sequence meets it in blocks whose tails are added to the next one ("overlap"): n then follows the kernel.

The gradients are correlations, dx_t = sum_s k_s g_{t+s} and dk_s = sum_t g_t x_{t-s}: products with the conjugate
spectra, which JAX finds by itself with no transform more than needed. Spectra are computed again in the backward pass
and not kept, so that nothing but x and the kernel is stored; on a CPU a few channels at a time go through all of it,
which stays in the cache and needs little fresh memory (the greater part of the time otherwise).

A transform spreads rounding errors over all rows alike: the error of EVERY row, earlier ones included, is about 1e-7 in
single precision times the norms of x and of k, however small the row itself is.
"""

from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from alternax.core.errors import InputError

Method = Literal["auto", "whole", "overlap"]

# What is worked on at once on a CPU: so many entries, but no fewer channels than fill the registers.
_ENTRIES, _CHANNELS = 2**16, 8


def fft_conv(
    x: Float[Array, "time dim"],
    kernel: Float[Array, "kernel_time dim"],
    *,
    method: Method = "auto",
    channels: int | None = None,
) -> Float[Array, "time dim"]:
    """The causal convolution y_t = sum over s <= t of kernel_s x_{t-s}, each channel with its own kernel.

    The cost is time * log(time) a channel. Differentiable any number of times, in forward mode too.

    Args:
        x: The sequence, zero before its first row.
        kernel: Its weights by lag, from lag 0 on; shorter than the sequence, or longer, and then not all of it is read.
        method: "whole" transforms the sequence in one piece, "overlap" in blocks of a few kernel lengths; "auto" takes
            blocks for a kernel of at most a quarter of the sequence.
        channels: How many channels to work on at once; None: as many as are fast on a CPU, all of them elsewhere.

    Returns:
        y, shaped as `x`, in the promoted dtype of the arguments. Half precision is worked on in single precision.

    Raises:
        InputError: shapes that do not fit, no rows, an unknown method, `channels` below 1.

    Example:
        >>> fft_conv(jnp.array([[1.0], [0.0], [2.0]]), jnp.array([[1.0], [0.5]])).round(3)[:, 0]
        Array([1. , 0.5, 2. ], dtype=float32)
    """
    _check(x, kernel, method, channels)
    kernel = kernel[: x.shape[0]]
    out = jnp.result_type(x, kernel)
    dtype = jnp.promote_types(out, jnp.float32)
    if method == "auto":
        method = "overlap" if 4 * kernel.shape[0] <= x.shape[0] else "whole"
    return _by_channels(x.astype(dtype), kernel.astype(dtype), method, channels).astype(out)


def fft_conv_naive(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """The definition of `fft_conv` as a NumPy loop, for tests and for reading."""
    x, kernel = np.asarray(x), np.asarray(kernel)
    y = np.zeros(x.shape, np.result_type(x, kernel))
    for t in range(len(x)):
        for s in range(min(t + 1, len(kernel))):
            y[t] += kernel[s] * x[t - s]
    return y


def fast_length(least: int) -> int:
    """The smallest even product of twos, threes and fives that is at least `least`: transforms of it are fast.

    Args:
        least: A length of at least 1.

    Example:
        >>> fast_length(8191), fast_length(8193)
        (8192, 8640)
    """
    best = 2 ** max(1, (least - 1).bit_length())
    fives = 1
    while fives < best:
        odd = fives
        while odd < best:
            best = min(best, odd * 2 ** max(1, (-(-least // odd) - 1).bit_length()))
            odd *= 3
        fives *= 5
    return best


def _check(x: Array, kernel: Array, method: str, channels: int | None) -> None:
    if x.ndim != 2 or kernel.ndim != 2 or x.shape[1] != kernel.shape[1]:
        raise InputError(
            f"fft_conv: expected x (time, dim) and kernel (kernel_time, dim) of one dim, "
            f"found {x.shape} and {kernel.shape}."
        )
    if 0 in x.shape or 0 in kernel.shape:
        raise InputError(f"fft_conv: expected at least one row and channel, found {x.shape} and {kernel.shape}.")
    if method not in ("auto", "whole", "overlap"):
        raise InputError(f"fft_conv: unknown method {method!r}; choose from 'auto', 'whole', 'overlap'.")
    if channels is not None and channels < 1:
        raise InputError(f"fft_conv: channels must be at least 1, found {channels}.")


@partial(jax.jit, static_argnums=(2, 3))
def _by_channels(x: Array, kernel: Array, method: str, channels: int | None) -> Array:
    """The convolution, a few channels at a time, with time as the last axis inside."""
    time, dim = x.shape
    convolve, n = _whole, fast_length(time + kernel.shape[0] - 1)
    if method == "overlap":
        convolve, n = _overlap, fast_length(4 * kernel.shape[0])
    if channels is None:
        channels = max(_CHANNELS, _ENTRIES // max(n, time)) if jax.default_backend() == "cpu" else dim
    groups = -(-dim // channels)
    channels = -(-dim // groups)
    x, kernel = (
        jnp.pad(v, ((0, 0), (0, groups * channels - dim))).reshape(-1, groups, channels).transpose(1, 2, 0)
        for v in (x, kernel)
    )
    body = jax.checkpoint(lambda _, rows: (None, convolve(rows[0], rows[1], n)))
    y = jax.lax.scan(body, None, (x, kernel))[1]
    return y.transpose(2, 0, 1).reshape(time, -1)[:, :dim]


def _whole(x: Array, kernel: Array, n: int) -> Array:
    spectrum = jnp.fft.rfft(x, n) * jnp.fft.rfft(kernel, n)
    return jnp.fft.irfft(spectrum, n)[:, : x.shape[1]]


def _overlap(x: Array, kernel: Array, n: int) -> Array:
    """Blocks of rows next to each other, each with the tail of the one before it."""
    width, time = x.shape
    block = n - kernel.shape[1] + 1
    x = jnp.pad(x, ((0, 0), (0, -time % block))).reshape(width, -1, block)
    y = jnp.fft.irfft(jnp.fft.rfft(x, n) * jnp.fft.rfft(kernel, n)[:, None], n)
    tails = jnp.pad(y[:, :-1, block:], ((0, 0), (1, 0), (0, 2 * block - n)))
    return (y[..., :block] + tails).reshape(width, -1)[:, :time]
