"""The evidence bound of an Alternator from the marginal laws of its latent alone: no path has to be drawn.

Given the rows, what row t finds of the latent is Gaussian in closed form, u_t ~ N(m_t, diag(v_t)), and

    ELBO = sum_t E log p(x_t | u_t)

asks for nothing else. Where the OTN is affine and its Gaussian noise does not depend on the latent, log p is quadratic:

    E log N(x; A u + b, S) = log N(x; A m + b, S) - tr(A diag(v) A' S^-1) / 2
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Scalar

from alternax.core.chain import Particle, Step
from alternax.core.errors import InputError
from alternax.core.model import Model, latent_noise, per_entry
from alternax.core.roots import safe_sqrt
from alternax.core.sequence import Sequence
from alternax.data.schema import Schema
from alternax.fit.objectives import Objective
from alternax.models.alternator.model import Alternator
from alternax.models.alternator.parallel import moments_before
from alternax.models.alternator.transition import AlternatorChain, alternator_chain


@dataclass(frozen=True)
class MarginalElbo(Objective):
    """Negative evidence lower bound per counted entry, in nats: the mean of `Elbo()` with less noise.

    With an affine OTN and Gaussian noise of its own ("paper", "learned", "lowrank") it is exact and draws nothing.
    Otherwise every row has draws of its own from the exact law of the latent. They are independent over rows, so that
    their errors average out along a series, where a path carries one error through many rows. Further draws of a row
    are independent too, not antithetic pairs: a pair cancels what is odd in the noise, but what is even keeps the
    variance of a single draw, and the square of an error has both.

    Args:
        draws: Draws of the latent a row, where it is not exact.

    Reference: arXiv 2405.11848, section 2 (the model); the bound in closed form is ours.

    Example:
        >>> fitted = fit(model, train, objective=MarginalElbo() + RolloutScore("crps", horizon=6))
    """

    draws: int = 1

    def check(self, model: Model, schema: Schema) -> None:
        """At least one draw, and a model whose marginals are closed."""
        if self.draws < 1:
            raise InputError(f"MarginalElbo needs draws >= 1; found {self.draws}.")
        _closed(model)

    def __call__(self, model: Model, seq: Sequence, *, key: PRNGKeyArray) -> Scalar:
        """The bound."""
        alternator = _closed(model)
        chain, code = alternator_chain(alternator, seq, key)
        law = moments_before(alternator, alternator.init(key=key), code)
        noise = latent_noise(key, code.rows.step, (self.draws, alternator.latent_dim), code.drive.dtype)
        expected = jax.vmap(lambda *row: _expected_log_prob(chain, *row))(chain.steps, *law, noise)
        return -per_entry(expected.sum(), seq, model.context)


def _expected_log_prob(
    chain: AlternatorChain,
    step: Step,
    mean: Float[Array, "latent_dim"],
    variance: Float[Array, "latent_dim"],
    noise: Float[Array, "draws latent_dim"],
) -> Scalar:
    """E log p(x_t | u) of one row under u ~ N(mean, diag(variance)): in closed form, or from draws."""

    def log_prob(u):
        return chain.weigh(step, Particle(u, chain.empty()))[0]

    if chain.linear:
        # The curvature of the row's own density holds A' S^-1 A of what was observed of it, as in `kalman_filter`.
        return log_prob(mean) + 0.5 * jnp.diagonal(jax.hessian(log_prob)(mean)) @ variance
    return jax.vmap(log_prob)(mean + safe_sqrt(variance) * noise).mean()


def _closed(model: Model) -> Alternator:
    """The model, if the law of its latent given the rows is closed and each row needs its marginal alone."""
    if not isinstance(model, Alternator):
        raise InputError(
            "MarginalElbo needs the law of the latent given the rows in closed form, which an Alternator has; found a "
            f"{type(model).__name__}. Use Elbo(), or ModelLoss() for a model without a latent."
        )
    if model.chain_kind is None:
        cause = "gap='draw'" if model.gap == "draw" else "an alpha over latents"
        raise InputError(
            f"MarginalElbo needs the law of the latent given the rows in closed form; with {cause} it depends on "
            "draws. Use Elbo(), or gap='hold' and an alpha that the rows or their number fix."
        )
    if model.chain_kind == "path":
        raise InputError(
            "MarginalElbo needs an OTN that reads one latent at a time; this one remembers earlier latents, so that "
            "their joint path counts. Use Elbo(), or a memoryless body such as otn='mlp'."
        )
    return model
