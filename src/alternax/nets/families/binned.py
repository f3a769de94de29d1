"""Continuous values through a histogram: bins with a score each, or a smooth density by a few Fourier coefficients."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float, PRNGKeyArray
from numpyro.distributions import constraints

from alternax.core.errors import InputError
from alternax.nets.families.real import Real

FLOOR = 1e-6


class Binned(Real):
    """A histogram over equal bins of `[low, high]`, in units of the column, with exponential tails beyond.

    With `frequencies` the network puts out Fourier coefficients a_0 ... a_n instead of scores, and the probability of a
    bin with centre u, of [-1, 1], is proportional to |sum_l a_l exp(i pi l u)|^2: neighbouring bins then learn from one
    another, and there are fewer outputs than bins.

    Args:
        bins: Number of bins, at least 3.
        low: Lower end of the bins; values below fall into the first, which has no end.
        high: Upper end, likewise.
        frequencies: n, at least 1; None for a score for every bin.

    Reference: the Fourier head, Gillman et al., arXiv 2410.22269, whose autocorrelation c_k = sum_l a_l conj(a_(l+k))
    are the coefficients of the square above.
    """

    bins: int = eqx.field(static=True)
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)
    frequencies: int | None = eqx.field(static=True)

    def __init__(self, bins: int = 64, low: float = -4.0, high: float = 4.0, frequencies: int | None = 12):
        if not isinstance(bins, int) or bins < 3:
            raise InputError(f"Binned needs bins >= 3; found {bins!r}.")
        if not low < high:
            raise InputError(f"Binned needs low < high; found low = {low:g}, high = {high:g}.")
        if frequencies is not None and (not isinstance(frequencies, int) or frequencies < 1):
            raise InputError(f"Binned needs frequencies >= 1 or None; found {frequencies!r}.")
        self.bins, self.low, self.high, self.frequencies = bins, float(low), float(high), frequencies

    @property
    def width(self) -> int:
        """A score for every bin, or the two parts of every coefficient."""
        return self.bins if self.frequencies is None else 2 * (self.frequencies + 1)

    def law(self, raw: Array, base: Array, location: Array, gain: Array) -> dist.Distribution:
        """See `Family.law`."""
        scores = raw if self.frequencies is None else self._fourier(raw)
        step = gain * ((self.high - self.low) / self.bins)
        return Histogram(jax.nn.log_softmax(scores), location + gain * self.low, step)

    def _fourier(self, raw: Float[Array, "*rows parts"]) -> Float[Array, "*rows bins"]:
        """Log density at the centres of the bins; at the start a_0 is 1 and the others about 0."""
        cosine, sine = jnp.split(raw, 2, axis=-1)
        cosine = cosine.at[..., 0].add(1.0)
        centre = (2.0 * jnp.arange(self.bins) + 1.0) / self.bins - 1.0
        angle = jnp.pi * jnp.arange(cosine.shape[-1])[:, None] * centre
        waves = jnp.concatenate([jnp.cos(angle), jnp.sin(angle)]).astype(raw.dtype)
        # The sum is (C + iS) with C = a cos - b sin and S = a sin + b cos for a_l = a + ib.
        turned = jnp.concatenate([waves[len(angle) :], -waves[: len(angle)]])
        whole = jnp.concatenate([cosine, -sine], axis=-1)
        square = (whole @ waves) ** 2 + (whole @ turned) ** 2
        return jnp.log(square + FLOOR * (1.0 + jnp.sum(whole**2, axis=-1, keepdims=True)))


class Histogram(dist.Distribution):
    """Uniform within equal bins; the first and the last fall off exponentially, by a bin's width, and have no end.

    Args:
        log_probs: Logarithms of the probabilities of the bins.
        low: Where the first would begin.
        step: Width of a bin.
    """

    arg_constraints = {  # noqa: RUF012 (numpyro reads it from the class)
        "log_probs": constraints.real_vector, "low": constraints.real, "step": constraints.positive,
    }  # fmt: skip
    pytree_data_fields = ("log_probs", "low", "step")
    support = constraints.real

    def __init__(self, log_probs: Float[Array, "*batch bins"], low: Array, step: Array, *, validate_args: Any = None):
        self.log_probs, self.low, self.step = log_probs, low, step
        batch = jnp.broadcast_shapes(jnp.shape(log_probs)[:-1], jnp.shape(low), jnp.shape(step))
        super().__init__(batch, (), validate_args=validate_args)

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Array:
        """A bin, and a place in it."""
        shape, last = (*sample_shape, *self.batch_shape), self.log_probs.shape[-1] - 1
        choice_key, place_key = jax.random.split(key)
        bin_ = jax.random.categorical(choice_key, self.log_probs, shape=shape)
        uniform = jax.random.uniform(place_key, shape, self.log_probs.dtype)
        beyond = -jnp.log1p(-uniform)
        place = jnp.where(bin_ == 0, 1.0 - beyond, jnp.where(bin_ == last, last + beyond, bin_ + uniform))
        return self.low + self.step * place

    def log_prob(self, value: Array, intermediates: Any = None) -> Array:
        """Log density."""
        last = self.log_probs.shape[-1] - 1
        place = (value - self.low) / self.step
        bin_ = jnp.clip(jnp.floor(place), 0, last).astype(jnp.int32)
        probs = jnp.broadcast_to(self.log_probs, (*place.shape, last + 1))
        weight = jnp.take_along_axis(probs, bin_[..., None], axis=-1)[..., 0]
        beyond = jnp.where(bin_ == 0, 1.0 - place, jnp.where(bin_ == last, place - last, 0.0))
        return weight - jnp.log(self.step) - beyond

    @property
    def mean(self) -> Array:
        """The mean; a tail's is where its bin would end."""
        return self.low + self.step * (jnp.exp(self.log_probs) * self._places()).sum(-1)

    @property
    def variance(self) -> Array:
        """The variance: a twelfth of a squared width within a bin, a whole one in a tail."""
        weight, place = jnp.exp(self.log_probs), self._places()
        within = jnp.full(place.shape, 1.0 / 12.0, place.dtype).at[jnp.array([0, -1])].set(1.0)
        centre = (weight * place).sum(-1, keepdims=True)
        return self.step**2 * (weight * (within + (place - centre) ** 2)).sum(-1)

    def _places(self) -> Array:
        bins = self.log_probs.shape[-1]
        middle = jnp.arange(bins, dtype=self.log_probs.dtype) + 0.5
        return middle.at[0].set(0.0).at[-1].set(float(bins))
