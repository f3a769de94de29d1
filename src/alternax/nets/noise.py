"""The noise of an observation around its mean: fixed, learned per column, state-dependent, heavy-tailed, or low rank.

A model's network puts out the mean of the next row and, behind it, the `out_dim` raw scales that the kind asks for.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float, PRNGKeyArray

from alternax.core.errors import InputError
from alternax.core.fixed import Fixed
from alternax.nets.context_scale import ContextScale
from alternax.nets.operator import Operator
from alternax.nets.past import Past
from alternax.nets.residual import Residual

KINDS = ("paper", "learned", "state", "student", "lowrank")
SCALE_FLOOR = 1e-3
LEAST_FREEDOM, START_FREEDOM = 2.0, 10.0


class Noise(eqx.Module):
    """Noise in the model's scaled units; `gain`, the context scale per column, times it in data units.

    "paper": N(sqrt(1-sx^2) f, sx^2 I) of the Alternator's paper, sx fixed. "learned": one learned scale per column.
    "state": the network puts out the scales. "student": the same with Student-t tails, their degrees of freedom learned
    per column and above 2, so that mean and variance exist. "lowrank": learned scales plus `rank` common factors (with
    an observation operator: its patterns, each with a learned standard deviation, so that the noise is diagonal in
    pattern coordinates plus a diagonal remainder).
    """

    log_scale: Float[Array, "obs_dim"]
    factor: Float[Array, "obs_dim rank"] | Float[Array, "patterns"] | None
    patterns: Fixed
    kind: str = eqx.field(static=True)
    sigma_x: float = eqx.field(static=True)
    log_freedom: Float[Array, "obs_dim"] | None = None

    def __init__(
        self, kind: str, obs_dim: int, sigma_x: float, rank: int, operator: Operator | None, key: PRNGKeyArray
    ):
        if kind not in KINDS:
            raise InputError(f"noise={kind!r} is not known: choose one of {', '.join(KINDS)}.")
        if kind == "paper" and not 0.0 < sigma_x**2 < 1.0:
            raise InputError(
                f"noise='paper' needs 0 < sigma_x^2 < 1; found sigma_x = {sigma_x:g}. Choose "
                "noise='learned' for larger noise."
            )
        if sigma_x <= 0.0:
            raise InputError(f"sigma_x must be positive; found {sigma_x:g}.")
        if kind == "lowrank" and operator is None and not 1 <= rank <= obs_dim:
            raise InputError(f"noise='lowrank' needs 1 <= rank <= obs_dim = {obs_dim}; found rank = {rank}.")
        self.kind, self.sigma_x = kind, sigma_x
        self.log_scale = jnp.full(obs_dim, math.log(max(sigma_x - SCALE_FLOOR, SCALE_FLOOR)), dtype=float)
        self.factor, self.patterns, self.log_freedom = None, Fixed(None), None
        if kind == "student":
            self.log_freedom = jnp.full(obs_dim, math.log(START_FREEDOM - LEAST_FREEDOM), dtype=float)
        if kind == "lowrank" and operator is not None:
            self.patterns = Fixed(operator.basis.value)
            self.factor = jnp.full(operator.count, math.log(sigma_x), dtype=float)
        elif kind == "lowrank":
            self.factor = 0.1 * sigma_x * jax.random.normal(key, (obs_dim, rank))

    @property
    def out_dim(self) -> int:
        """Outputs that the network must supply beside the mean."""
        return self.log_scale.shape[0] if self.kind in ("state", "student") else 0

    @property
    def mean_factor(self) -> float:
        """The paper's sqrt(1 - sx^2), dropped for every other kind."""
        return math.sqrt(1.0 - self.sigma_x**2) if self.kind == "paper" else 1.0

    def scale(self, raw: Float[Array, "*rows out"]) -> Float[Array, "*rows obs_dim"]:
        """Scale per column (of the diagonal part for "lowrank"), given the network's extra outputs."""
        rows = raw.shape[:-1]
        if self.kind == "paper":
            return jnp.full((*rows, *self.log_scale.shape), self.sigma_x)
        if self.out_dim:
            bias = jnp.log(jnp.expm1(jnp.exp(self.log_scale)))
            return jax.nn.softplus(raw + bias) + SCALE_FLOOR
        return jnp.broadcast_to(jnp.exp(self.log_scale) + SCALE_FLOOR, (*rows, *self.log_scale.shape))

    def shown(self, past: Past, scaling: ContextScale | None, operator: Operator | None) -> Float[Array, "*rows shown"]:
        """The last values as a network is shown them: scaled, or the operator's coordinates."""
        last = past.last
        if scaling is not None:
            location, spread = scaling.location_scale(past.scale)
            last = (last - location) / spread
        return last if operator is None else operator.coordinates(last)

    def params(
        self,
        raw: Float[Array, "*rows out_dim"],
        past: Past,
        residual: Residual,
        scaling: ContextScale | None,
        operator: Operator | None,
    ) -> dict[str, Float[Array, "*rows obs_dim"]]:
        """What `emission` needs, in data units, from a predictor's output and the past of the row."""
        location, gain = jnp.zeros_like(past.last), jnp.ones_like(past.last)
        if scaling is not None:
            location, gain = scaling.location_scale(past.scale)
        split = raw.shape[-1] - self.out_dim
        mean = self.mean_factor * raw[..., :split]
        mean = mean if operator is None else operator.field(mean)
        mean = mean + residual((past.last - location) / gain, past.age, operator)
        return {"loc": location + gain * mean, "scale": self.scale(raw[..., split:]), "gain": gain}

    def emission(self, loc: Array, scale: Array, gain: Array) -> dist.Distribution:
        """The law of x in data units; `gain` is the context scale per column."""
        if self.log_freedom is not None:
            return dist.StudentT(LEAST_FREEDOM + jnp.exp(self.log_freedom), loc, gain * scale).to_event(1)
        if self.factor is None:
            return dist.Normal(loc, gain * scale).to_event(1)
        factor = self.factor if self.patterns.value is None else self.patterns.value.T * jnp.exp(self.factor)
        return dist.LowRankMultivariateNormal(loc, gain[..., None] * factor, (gain * scale) ** 2)
