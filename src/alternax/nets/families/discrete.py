"""Families of counts, of yes or no, and of categories."""

import math
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float, PRNGKeyArray
from numpyro.distributions import constraints

from alternax.core.errors import InputError
from alternax.nets.families.family import Family
from alternax.nets.families.real import positive

UNSEEN = 1e-6


class Counts(Family):
    """What families of counts share: logarithms are shown, and the mean is gain times softplus of an output."""

    kinds: ClassVar[tuple[str, ...]] = ("count", "binary")
    unit: ClassVar[str] = "level"

    def shown(self, x: Array, location: Array, gain: Array) -> Array:
        """log(1 + x / gain)."""
        return jnp.log1p(jnp.maximum(x, 0.0) / gain)[..., None]


class Poisson(Counts):
    """Counts whose variance is their mean."""

    @property
    def width(self) -> int:
        """The mean."""
        return 1

    def law(self, raw: Array, base: Array, location: Array, gain: Array) -> dist.Distribution:
        """See `Family.law`."""
        return dist.Poisson(gain * positive(raw[..., 0], 1.0))


class NegativeBinomial(Counts):
    """Counts that vary more than Poisson's: variance m + m^2 / r, with mean m and r > 0 from the network."""

    @property
    def width(self) -> int:
        """Mean and concentration."""
        return 2

    def law(self, raw: Array, base: Array, location: Array, gain: Array) -> dist.Distribution:
        """See `Family.law`."""
        return dist.NegativeBinomial2(gain * positive(raw[..., 0], 1.0), positive(raw[..., 1], 1.0))


class Bernoulli(Family):
    """0 or 1, the logit from the network."""

    kinds: ClassVar[tuple[str, ...]] = ("binary",)
    unit: ClassVar[str] = "one"

    @property
    def width(self) -> int:
        """The logit."""
        return 1

    def shown(self, x: Array, location: Array, gain: Array) -> Array:
        """As it is."""
        return x[..., None]

    def law(self, raw: Array, base: Array, location: Array, gain: Array) -> dist.Distribution:
        """See `Family.law`."""
        return dist.Bernoulli(logits=raw[..., 0])


class Categorical(Family):
    """One of some categories, shown to a network as a symbol each, which its first weights embed.

    Args:
        codes: The integer codes of the categories, or how many there are: 0, 1, ... Any other code in the data is
            read as one further symbol, of probability 1e-6; where it is drawn it is the largest code plus 1.
    """

    codes: tuple[int, ...] = eqx.field(static=True)
    kinds: ClassVar[tuple[str, ...]] = ("category", "binary")
    unit: ClassVar[str] = "one"

    def __init__(self, codes: int | tuple[int, ...]):
        codes = tuple(range(codes)) if isinstance(codes, int) else tuple(sorted(int(code) for code in codes))
        if not codes or len(set(codes)) != len(codes):
            raise InputError(f"Categorical needs at least one code, each once; found {codes!r}.")
        self.codes = codes

    @property
    def width(self) -> int:
        """A score for every category."""
        return len(self.codes)

    @property
    def shown_width(self) -> int:
        """One for every category and one for all others."""
        return len(self.codes) + 1

    def shown(self, x: Array, location: Array, gain: Array) -> Array:
        """1 at the category, else 0."""
        return jax.nn.one_hot(coded(x, self.codes), self.shown_width, dtype=x.dtype)

    def law(self, raw: Array, base: Array, location: Array, gain: Array) -> dist.Distribution:
        """See `Family.law`."""
        known = jax.nn.log_softmax(raw) + math.log1p(-UNSEEN)
        other = jnp.full((*raw.shape[:-1], 1), math.log(UNSEEN), raw.dtype)
        return Coded(jnp.concatenate([known, other], axis=-1), self.codes)


class Coded(dist.Distribution):
    """A law over integer codes, and one symbol behind the last of them for all other numbers.

    Args:
        log_probs: Logarithms of the probabilities, the last that of the other numbers.
        codes: The codes, ascending.
    """

    arg_constraints = {"log_probs": constraints.real_vector}  # noqa: RUF012 (numpyro reads it from the class)
    pytree_data_fields = ("log_probs",)
    pytree_aux_fields = ("codes",)
    support = constraints.real

    def __init__(self, log_probs: Float[Array, "*batch symbols"], codes: tuple[int, ...], *, validate_args: Any = None):
        self.log_probs, self.codes = log_probs, codes
        super().__init__(jnp.shape(log_probs)[:-1], (), validate_args=validate_args)

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Array:
        """Codes, as floats."""
        symbol = jax.random.categorical(key, self.log_probs, shape=(*sample_shape, *self.batch_shape))
        return self._values()[symbol]

    def log_prob(self, value: Array, intermediates: Any = None) -> Array:
        """Log probability of codes."""
        symbol = coded(value, self.codes)
        shape = jnp.broadcast_shapes(symbol.shape, self.batch_shape)
        probs = jnp.broadcast_to(self.log_probs, (*shape, self.log_probs.shape[-1]))
        return jnp.take_along_axis(probs, jnp.broadcast_to(symbol, shape)[..., None], axis=-1)[..., 0]

    @property
    def mean(self) -> Array:
        """Mean of the codes, of use where they are ordered."""
        return (jnp.exp(self.log_probs) * self._values()).sum(-1)

    @property
    def variance(self) -> Array:
        """Variance of the codes, likewise."""
        return (jnp.exp(self.log_probs) * (self._values() - self.mean[..., None]) ** 2).sum(-1)

    def _values(self) -> Array:
        return jnp.asarray((*self.codes, self.codes[-1] + 1), self.log_probs.dtype)


def coded(x: Array, codes: tuple[int, ...]) -> Array:
    """Place of every value among the codes, and their number for any other."""
    known = jnp.asarray(codes)
    value = jnp.round(x).astype(known.dtype)
    place = jnp.clip(jnp.searchsorted(known, value), 0, len(codes) - 1)
    return jnp.where(known[place] == value, place, len(codes))
