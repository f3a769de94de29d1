"""The spectral transform unit (Agarwal et al. 2023, arXiv 2312.06837): convolution with fixed spectral filters.

    y_t = sum_{i < input_terms} M^u_i x_{t-i} + sum_{i=1}^{output_terms} M^y_i y_{t-i}
          + sum_k M^+_k sigma_k^{1/4} (phi_k * x)_t + sum_k M^-_k sigma_k^{1/4} (phi^-_k * x)_t

sigma_k and phi_k are the largest eigenvalues and their eigenvectors of the Hankel matrix Z_ij = 2 / ((i+j)^3 - (i+j)),
i, j = 1 ... max_length, which is the integral of mu(a) mu(a)^T over a in [0, 1] with mu(a) = (a - 1) (1, a, a^2, ...):
they span the impulse responses of all linear systems with real eigenvalues in [0, 1] at once, with an error that falls
exponentially in their number. phi^-_k(s) = (-1)^s phi_k(s) does the same for [-1, 0]. Only the matrices M are learned,
and y is linear in them (where output_terms is 0). Here the convolutions start at lag 0.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.signal
import scipy.sparse.linalg
from jaxtyping import Array, Bool, Complex, Float, Int, PRNGKeyArray, Scalar

from alternax.core.errors import InputError
from alternax.core.fixed import Fixed
from alternax.core.layer import Layer
from alternax.layers import history, initial
from alternax.layers.history import Past, Taps
from alternax.layers.inputs import check_row, check_rows, check_size, check_state
from alternax.ops.fft_conv import fast_length


class STUState(NamedTuple):
    """What was taken in and what came out last.

    Attributes:
        past: The rows.
        outputs: The last outputs, latest first.
    """

    past: Past
    outputs: Float[Array, "*kept output_terms dim"]


def spectral_filters(length: int, count: int) -> tuple[Float[np.ndarray, "count"], Float[np.ndarray, "count length"]]:
    """The largest eigenvalues of the Hankel matrix Z, in falling order, and their eigenvectors, one a row.

    Args:
        length: Size of Z.
        count: How many, at most `length`.

    Raises:
        InputError: a length or count below 1, more filters than `length`.

    Example:
        >>> sigma, phi = spectral_filters(256, 16)
    """
    check_size("spectral_filters", length=length, count=count)
    if count > length:
        raise InputError(f"spectral_filters: a length of {length} has only as many filters, found count={count}.")
    s = np.arange(2.0, 2 * length + 1)
    entries = 2 / (s**3 - s)
    if length <= max(64, 2 * count):
        place = np.arange(length)
        sigma, phi = np.linalg.eigh(entries[place[:, None] + place])
    else:
        # Products with Z are correlations; nothing of size length^2 is made.
        product = lambda v: scipy.signal.fftconvolve(entries, v.ravel()[::-1], mode="valid")  # noqa: E731
        operator = scipy.sparse.linalg.LinearOperator((length, length), matvec=product, dtype=float)  # pyright: ignore[reportCallIssue]
        sigma, phi = scipy.sparse.linalg.eigsh(operator, count, v0=np.ones(length))
    sigma, phi = sigma[::-1][:count], phi.T[::-1][:count]
    peak = np.take_along_axis(phi, np.argmax(np.abs(phi), axis=1)[:, None], axis=1)
    return np.maximum(sigma, 0.0), phi * np.sign(peak)


class Bank(Taps):
    """Filters shared by all channels, each followed by a matrix.

    Attributes:
        filters: phi, scaled.
        weights: M.
        near: Further matrices of the first lags.
    """

    filters: Float[Array, "filters max_length"]
    weights: Float[Array, "filters dim dim"]
    near: Float[Array, "input_terms dim dim"]

    @property
    def max_length(self) -> int:
        """Number of lags."""
        return self.filters.shape[1]

    def convolve(self, x: Float[Array, "time dim"], first: int = 0) -> Float[Array, "time dim"]:
        """Transforms of x and y only, for all filters: their matrices act on the spectrum."""
        time = x.shape[0]
        n = fast_length(2 * time - 1)
        return jnp.fft.irfft(self._product(jnp.fft.rfft(x.T, n), n, first, time), n)[:, :time].T

    def at(self, lag: Int[Array, ""], x: Float[Array, "*time dim"]) -> Float[Array, "*time dim"]:
        """See `Taps`."""
        weight = jnp.einsum("f,fed->ed", self.filters.at[:, lag].get(mode="fill", fill_value=0), self.weights)
        return x @ (weight + self.near.at[lag].get(mode="fill", fill_value=0)).T

    def weigh(self, past: Float[Array, "max_length dim"]) -> Float[Array, "dim"]:
        """See `Taps`."""
        filtered = self.filters[:, 1:] @ past[:-1]
        near = self.near[1 : self.max_length]
        return jnp.einsum("fed,fd->e", self.weights, filtered) + jnp.einsum("ied,id->e", near, past[: len(near)])

    def after_one(self, spectrum: Complex[Array, "*blocks dim frequencies"], n: int) -> Complex[Array, "..."]:
        """See `Taps`."""
        return self._product(spectrum, n, 1, n)

    def _product(self, spectrum: Array, n: int, first: int, lags: int) -> Array:
        """Sum over filters of M (phi spectrum), one filter at a time."""

        def body(total, row):
            phi, M = row
            response = jnp.fft.rfft(phi[first : first + lags], n)
            return total + _real_product(M, response * spectrum), None

        total = jax.lax.scan(jax.checkpoint(body), jnp.zeros_like(spectrum), (self.filters, self.weights))[0]
        turn = jnp.exp(-2j * jnp.pi / n * jnp.arange(n // 2 + 1)).astype(spectrum.dtype)
        for lag, M in enumerate(self.near[first : first + lags]):
            total = total + _real_product(M, turn**lag * spectrum)
        return total


class STU(Layer):
    """Spectral transform unit; it counts rows and does not read `dt`. At most `max_length` rows between resets.

    Attributes:
        dim: Width of input and output.
        filters: The fixed filters, those for [0, 1] and then those for [-1, 0], scaled by sigma^{1/4}.
    """

    dim: int = eqx.field(static=True)
    filters: Fixed
    weights: Float[Array, "filters dim dim"]
    input_weights: Float[Array, "input_terms dim dim"]
    output_weights: Float[Array, "output_terms dim dim"]

    def __init__(
        self,
        dim: int,
        *,
        max_length: int = 1024,
        filter_count: int | None = None,
        input_terms: int = 3,
        output_terms: int = 0,
        negative: bool = True,
        key: PRNGKeyArray,
    ):
        """Matrices start normal; those of earlier outputs at zero but for the last, 0.9 times the identity.

        Args:
            dim: Width of input and output.
            max_length: The longest sequence; a longer one is refused.
            filter_count: Number of filters of each sign; None: up to 16.
            input_terms: Number of lags, from 0 on, with a matrix of their own.
            output_terms: Number of earlier outputs that are fed back, 0 for none; makes a loop over rows.
            negative: Filters for negative eigenvalues as well.
            key: JAX random key.

        Raises:
            InputError: sizes below 1, terms below 0, more filters than `max_length`.

        Example:
            >>> y, state = STU(4, max_length=64, key=jax.random.key(0))(jnp.ones((10, 4)))
        """
        filter_count = min(16, max_length) if filter_count is None else filter_count
        check_size("STU", dim=dim, max_length=max_length, filter_count=filter_count)
        if min(input_terms, output_terms) < 0:
            raise InputError(f"STU: expected terms of at least 0, found {input_terms} and {output_terms}.")
        sigma, phi = spectral_filters(max_length, filter_count)
        phi = phi * sigma[:, None] ** 0.25
        phi = np.concatenate([phi, phi * (-1.0) ** np.arange(max_length)]) if negative else phi
        filter_key, input_key = jax.random.split(key)
        self.dim = dim
        self.filters = Fixed(jnp.asarray(phi, dtype=float))
        self.weights = initial.normal((len(phi), dim, dim), dim * len(phi), key=filter_key)
        self.input_weights = initial.normal((input_terms, dim, dim), dim * max(1, input_terms), key=input_key)
        self.output_weights = jnp.zeros((output_terms, dim, dim)).at[-1:].set(0.9 * jnp.eye(dim))

    @property
    def max_length(self) -> int:
        """The longest sequence."""
        return self.filters.value.shape[1]

    def init_state(self) -> STUState:
        """No rows, and outputs of zero before them."""
        dtype = self.weights.dtype
        outputs = jnp.zeros(self.output_weights.shape[:2], dtype)
        return STUState(history.empty(self.max_length, self.dim, dtype), outputs)

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: STUState | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], STUState]:
        """See `Layer`."""
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        if state is not None:
            check_state(self, state)
        past, outputs = (None, self.init_state().outputs) if state is None else state
        y, past = history.run("STU", self._taps(), x, past, valid=valid, resets=resets, keep=keep)
        if len(self.output_weights):
            y, outputs = self._fed_back(y, outputs, valid, resets, keep)
        elif keep is not None:
            outputs = jnp.zeros((*keep.shape, *outputs.shape), outputs.dtype)
        return y, STUState(past, outputs)

    def step(
        self, x_t: Float[Array, "dim"], state: STUState, *, dt: Scalar | None = None, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "dim"], STUState]:
        """See `Layer`."""
        check_row(self, x_t, state)
        y_t, past = history.step("STU", self._taps(), x_t, state.past)
        y_t, outputs = self._feed_back(y_t, state.outputs)
        return y_t, STUState(past, outputs)

    def _taps(self) -> Bank:
        return Bank(self.filters.value, self.weights, self.input_weights)

    def _feed_back(self, y_t: Array, outputs: Array) -> tuple[Array, Array]:
        """The output with the terms of earlier ones, latest first."""
        y_t = y_t + jnp.einsum("ied,id->e", self.output_weights, outputs)
        return y_t, jnp.concatenate([y_t[None], outputs])[: len(outputs)]

    def _fed_back(self, y: Array, outputs: Array, valid: Array | None, resets: Array | None, keep: Array | None):
        def body(before, row):
            y_t, taken, restarted = row
            before = before if restarted is None else jnp.where(restarted, 0.0, before)
            y_t, after = self._feed_back(y_t, before)
            held = after if taken is None else jnp.where(taken, after, before)
            return held, (y_t, None if keep is None else held)

        last, (y, states) = jax.lax.scan(body, outputs, (y, valid, resets))
        return y, last if keep is None else states[keep]


def _real_product(M: Float[Array, "dim dim"], spectrum: Complex[Array, "..."]) -> Complex[Array, "..."]:
    return jax.lax.complex(M @ spectrum.real, M @ spectrum.imag)
