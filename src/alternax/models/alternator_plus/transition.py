"""The latent of an Alternator++ given the rows: the FTN and e_nu move it, the OTN and e_psi weigh it.

    z_t | u_t, x_t ~ N(sqrt(a_t) g(x_{1:t}) + sqrt(1 - a_t - sz^2) e_nu(u_t, x_t), sz^2 I)

u_t is z_{t-1} after the time up to row t. What the Alternator inside fixes for all particles it fixes here too.
"""

from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from alternax.core.chain import LatentChain, Particle, Step
from alternax.core.emission import observed_log_prob
from alternax.core.model import where_tree
from alternax.core.sequence import Sequence
from alternax.models.alternator.transition import Given, alternator_chain, chain_kind
from alternax.models.checks import check_sequence

if TYPE_CHECKING:
    from alternax.models.alternator_plus.model import AlternatorPlusPlus


class Shown(eqx.Module):
    """A row as the chain needs it.

    Args:
        row: As the chain of the Alternator inside needs it.
        shown: What e_nu is shown of it.
        step: Its absolute step, by which its share of signal goes.
    """

    row: Given
    shown: Float[Array, "*rows width"]
    step: Int[Array, "*rows"]


class PlusChain(LatentChain):
    """The chain of one observed series under `gap="hold"`."""

    steps: Step
    first: Float[Array, "latent_dim"]
    model: "AlternatorPlusPlus"
    linear: bool = eqx.field(static=True)

    def empty(self) -> Any:
        """The state of f's body."""
        return self.model.base.otn.init_state()

    def weigh(self, step: Step, particle: Particle) -> tuple[Array, Any]:
        """The density of the row under the OTN and its noise model."""
        model, base, row = self.model, self.model.base, step.given.row
        asked = base.otn_input(particle.u, row.past, row.control)
        raw, memory = base.otn.step(asked, particle.memory, dt=base.layer_dt(row.past.elapsed))
        params = model.law(raw, model.observation_noise(asked), row.past, step.given.step)
        weight = observed_log_prob(model.emission(params), row.x, row.counted)
        return weight, where_tree(row.seen, memory, particle.memory)

    def mean(self, step: Step, u: Array) -> Array:
        """The jump of the FTN and its noise model; none where nothing was observed."""
        row = step.given.row
        return jnp.where(row.seen, row.drive + row.carry * self.model.nu(u, step.given.shown), u)


def plus_chain(model: "AlternatorPlusPlus", seq: Sequence, key: Array) -> PlusChain:
    """One batched call of g, and of the half of e_nu that sees rows; nothing of z.

    Raises:
        InputError: See `alternator_chain`.
    """
    check_sequence(model, seq)
    held, code = alternator_chain(model.base, seq, key)
    given = Shown(held.steps.given, model.nu.shown(code.taken), code.rows.step)
    steps = eqx.tree_at(lambda s: s.given, held.steps, given)
    return PlusChain(steps, held.first, model, plus_kind(model) == "linear")


def plus_kind(model: "AlternatorPlusPlus") -> str | None:
    """That of the Alternator inside; "linear" needs affine noise models too."""
    kind = chain_kind(model.base)
    return "markov" if kind == "linear" and model.nu.later else kind
