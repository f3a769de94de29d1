"""Families of continuous columns: Normal, Student-t, log-normal and mixtures of Normals."""

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array

from alternax.core.errors import InputError
from alternax.nets.families.family import Family

SCALE_FLOOR = 1e-3
START_SCALE = 0.3
LEAST_FREEDOM, START_FREEDOM = 2.0, 10.0


class Real(Family):
    """A family of real columns, which are shown in units of their spread."""

    kinds: ClassVar[tuple[str, ...]] = ("real", "positive")

    def shown(self, x: Array, location: Array, gain: Array) -> Array:
        """In units of the column."""
        return ((x - location) / gain)[..., None]


class Normal(Real):
    """N(location + gain m, (gain s)^2), s > 0: a mean and a standard deviation from the network."""

    persistent: ClassVar[bool] = True
    smooth: ClassVar[bool] = True

    @property
    def width(self) -> int:
        """Mean and scale."""
        return 2

    def law(self, raw: Array, base: Array, location: Array, gain: Array) -> dist.Distribution:
        """See `Family.law`."""
        return dist.Normal(location + gain * (raw[..., 0] + base), gain * positive(raw[..., 1]))


class StudentT(Normal):
    """The same with Student-t tails, its degrees of freedom (above 2: a variance exists) from the network."""

    @property
    def width(self) -> int:
        """Mean, scale, degrees of freedom."""
        return 3

    def law(self, raw: Array, base: Array, location: Array, gain: Array) -> dist.Distribution:
        """See `Family.law`."""
        freedom = LEAST_FREEDOM + positive(raw[..., 2], START_FREEDOM - LEAST_FREEDOM)
        return dist.StudentT(freedom, location + gain * (raw[..., 0] + base), gain * positive(raw[..., 1]))


class LogNormal(Family):
    """log(x / gain) is Normal, with mean and standard deviation from the network: positive values."""

    kinds: ClassVar[tuple[str, ...]] = ("positive",)
    unit: ClassVar[str] = "level"
    persistent: ClassVar[bool] = True
    smooth: ClassVar[bool] = True

    @property
    def width(self) -> int:
        """Mean and scale of the logarithm."""
        return 2

    def shown(self, x: Array, location: Array, gain: Array) -> Array:
        """The logarithm in units of the level; 0 where nothing was observed yet."""
        some = x > 0.0
        return jnp.where(some, jnp.log(jnp.where(some, x, 1.0) / gain), 0.0)[..., None]

    def law(self, raw: Array, base: Array, location: Array, gain: Array) -> dist.Distribution:
        """See `Family.law`."""
        return dist.LogNormal(jnp.log(gain) + raw[..., 0] + base, positive(raw[..., 1]))


class Mixture(Real):
    """A mixture of Normals: several values are likely, or the law is skew.

    Args:
        components: Number of Normals, at least 2.
    """

    components: int = eqx.field(static=True)
    persistent: ClassVar[bool] = True

    def __init__(self, components: int = 3):
        if not isinstance(components, int) or components < 2:
            raise InputError(f"Mixture needs components >= 2; found {components!r}.")
        self.components = components

    @property
    def width(self) -> int:
        """A weight, a mean and a scale for every component."""
        return 3 * self.components

    def law(self, raw: Array, base: Array, location: Array, gain: Array) -> dist.Distribution:
        """See `Family.law`; the means start apart, one standard deviation over all, else none would ever part."""
        logits, mean, scale = jnp.split(raw, 3, axis=-1)
        apart = jnp.linspace(-0.5, 0.5, self.components, dtype=raw.dtype)
        centre = location[..., None] + gain[..., None] * (mean + apart + base[..., None])
        return dist.MixtureSameFamily(
            dist.Categorical(logits=logits), dist.Normal(centre, gain[..., None] * positive(scale))
        )


def positive(raw: Array, start: float = START_SCALE) -> Array:
    """A positive number that is `start` where a network puts out 0 and grows linearly in its outputs."""
    return jax.nn.softplus(raw + math.log(math.expm1(start - SCALE_FLOOR))) + SCALE_FLOOR
