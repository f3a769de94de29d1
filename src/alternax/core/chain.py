"""The latent of an observed series as a chain of its own: what particle and exact inference of any model run on.

Given the rows only the latent is random. Row t finds u_t, is predicted from it, and leaves z_t; then time passes:

    log w_t = log p(x_t | u_t)        z_t | u_t, x_t ~ N(mean_t(u_t), j_t^2 I)        u_{t+1} ~ N(f_t z_t, d_t)

Everything that does not depend on the latent is computed once for all particles, over the whole series.
"""

import math
from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Scalar

_LOG_2PI = math.log(2 * math.pi)


class Step(eqx.Module):
    """What one row and the time up to the next fix for all particles; a chain holds them stacked.

    Attributes:
        jump: Standard deviation j_t of the noise of the row; 0 where it draws nothing.
        flow: Factor f_t per dimension of the time up to the next row; 1 after the last one.
        diffusion: Variance d_t per dimension that this time adds.
        fresh: True where a new sequence starts before the next row, so that z is N(0, I) again before the flow.
        given: What the chain itself needs of the row.
    """

    jump: Float[Array, "*rows"]
    flow: Float[Array, "*rows latent_dim"]
    diffusion: Float[Array, "*rows latent_dim"]
    fresh: Bool[Array, "*rows"]
    given: Any

    @property
    def spread(self) -> Float[Array, "*rows latent_dim"]:
        """Standard deviation of u_{t+1} given u_t."""
        own = jnp.where(self.fresh, 1.0, self.jump)[..., None]
        return jnp.sqrt((self.flow * own) ** 2 + self.diffusion)

    @property
    def noisy(self) -> Bool[Array, "*rows"]:
        """Whether copies of one particle part between this row and the next."""
        return (self.spread > 0).any(-1)


class Particle(eqx.Module):
    """One value of the latent as a row finds it, and what predicting the rows before it has left behind.

    Attributes:
        u: The latent.
        memory: State of a predictor that remembers earlier latents; without leaves where p(x_t | u_t) needs u_t alone.
    """

    u: Float[Array, "*particles latent_dim"]
    memory: Any


class LatentChain(eqx.Module):
    """The latent of ONE observed series; abstract.

    Attributes:
        steps: What the rows fix, stacked over time.
        first: Standard deviation per dimension of u_0, whose mean is 0.
        linear: Whether every mean is linear in u and every p(x_t | u) Gaussian with a mean linear in u and a covariance
            that does not depend on it: then filtering, smoothing and likelihood are exact.
    """

    steps: eqx.AbstractVar[Step]
    first: eqx.AbstractVar[Float[Array, "latent_dim"]]
    linear: eqx.AbstractVar[bool]

    @abstractmethod
    def empty(self) -> Any:
        """The memory of a particle that has predicted nothing."""

    @abstractmethod
    def weigh(self, step: Step, particle: Particle) -> tuple[Scalar, Any]:
        """log p(x_t | u_t) of what was observed of the row, and the memory with the row in it."""

    @abstractmethod
    def mean(self, step: Step, u: Float[Array, "latent_dim"]) -> Float[Array, "latent_dim"]:
        """Mean of z after the row given the latent that it found."""

    def transition_log_prob(
        self, step: Step, before: Float[Array, "latent_dim"], after: Float[Array, "latent_dim"]
    ) -> Scalar:
        """log p(u_{t+1} | u_t, x_t), where the step is noisy."""
        return normal_log_prob(after, ahead(step, self.mean(step, before)), step.spread)


def ahead(step: Step, mean: Float[Array, "*particles latent_dim"]) -> Float[Array, "*particles latent_dim"]:
    """Mean of u_{t+1} from the mean of z_t: it flows, or is drawn anew."""
    return jnp.where(step.fresh, 0.0, step.flow * mean)


def normal_log_prob(
    value: Float[Array, "*#shape latent_dim"],
    mean: Float[Array, "*#shape latent_dim"],
    spread: Float[Array, "latent_dim"],
) -> Float[Array, "..."]:
    """log N(value; mean, diag(spread^2)), dimensions without noise left out."""
    some = spread > 0
    scale = jnp.where(some, spread, 1.0)
    square = jnp.where(some, (value - mean) / scale, 0.0) ** 2
    return -0.5 * square.sum(-1) - (some * (jnp.log(scale) + 0.5 * _LOG_2PI)).sum(-1)
