"""The latent of an Alternator given the rows: the FTN moves it, linear in z; the OTN weighs it.

    z_t | u_t, x_t ~ N(c_t u_t + sqrt(a_t) g(x_{1:t}), sz^2 I)        x_t | u_t ~ OTN(u_t, past)

u_t is z_{t-1} after the time up to row t. g, a_t and everything the OTN sees beside z are the same for all particles.
With an affine OTN and Gaussian noise of a scale that does not depend on z the chain is linear, whatever g is.
"""

from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from alternax.core.chain import LatentChain, Particle, Step
from alternax.core.emission import observed_log_prob
from alternax.core.errors import InputError
from alternax.core.model import where_tree
from alternax.core.sequence import Sequence
from alternax.models.alternator.parallel import Encoded, encode, flowed_spread
from alternax.models.checks import check_sequence
from alternax.nets.body import Pointwise
from alternax.nets.noise import Noise
from alternax.nets.past import Past

if TYPE_CHECKING:
    from alternax.models.alternator.model import Alternator


class Given(eqx.Module):
    """A row as the chain needs it.

    Args:
        carry: c_t per dimension; 1 where nothing was observed.
        drive: sqrt(a_t) g_t; 0 where nothing was observed.
        x: The row.
        counted: Entries that weigh: observed, and past the rows that set the scale.
        seen: Whether anything was observed.
        control: Its controls.
        past: The past of the row at its time.
    """

    carry: Float[Array, "*rows latent_dim"]
    drive: Float[Array, "*rows latent_dim"]
    x: Float[Array, "*rows obs_dim"]
    counted: Bool[Array, "*rows obs_dim"]
    seen: Bool[Array, "*rows"]
    control: Float[Array, "*rows control_dim"]
    past: Past


class AlternatorChain(LatentChain):
    """The chain of one observed series under `gap="hold"`."""

    steps: Step
    first: Float[Array, "latent_dim"]
    model: "Alternator"
    linear: bool = eqx.field(static=True)

    def empty(self) -> Any:
        """The state of the OTN's body."""
        return self.model.otn.init_state()

    def weigh(self, step: Step, particle: Particle) -> tuple[Array, Any]:
        """The OTN's density of the row."""
        model, row = self.model, step.given
        asked = model.otn_input(particle.u, row.past, row.control)
        raw, memory = model.otn.step(asked, particle.memory, dt=model.layer_dt(row.past.elapsed))
        weight = observed_log_prob(model.emission(model.law(raw, row.past)), row.x, row.counted)
        return weight, where_tree(row.seen, memory, particle.memory)

    def mean(self, step: Step, u: Array) -> Array:
        """The FTN's jump."""
        return step.given.carry * u + step.given.drive


def alternator_chain(model: "Alternator", seq: Sequence, key: Array) -> tuple[AlternatorChain, Encoded]:
    """The chain, and the sequence as it is taken in: one batched call of g, nothing of z.

    Raises:
        InputError: If the latent depends on draws of what is missing, or its jumps on those of its past.
    """
    check_sequence(model, seq)
    _check_chained(model)
    code = encode(model, seq, model.first(key))
    rows, counted = code.rows, code.rows.observed
    if model.scaling is not None:
        counted = counted & model.scaling.warmed(rows.before.scale)[:, None]
    diffusion = jnp.zeros_like(code.flow) if code.diffusion is None else code.diffusion
    steps = Step(
        jump=jnp.where(rows.seen, model.sigma_z, 0.0).astype(code.drive.dtype),
        flow=jnp.concatenate([code.flow[1:], jnp.ones_like(code.flow[:1])]),
        diffusion=jnp.concatenate([diffusion[1:], jnp.zeros_like(diffusion[:1])]),
        fresh=jnp.concatenate([rows.starts[1:], jnp.zeros_like(rows.starts[:1])]),
        given=Given(code.carry, code.drive, seq.x, counted, rows.seen, seq.controls, rows.before),
    )
    first = flowed_spread(code.flow[0], diffusion[0], jnp.ones((), code.flow.dtype))
    return AlternatorChain(steps, first, model, chain_kind(model) == "linear"), code


def _check_chained(model: "Alternator") -> None:
    """Refuse a model whose latent is no chain."""
    if model.gap == "draw":
        raise InputError(
            "with gap='draw' the latent depends on draws of what is missing as well: use the same networks with "
            "fitted.with_model(fitted.model.with_gap('hold'))."
        )
    if model.alpha.drawn:
        raise InputError(
            "with an alpha over latents a jump of the latent depends on those before it, for which there is neither "
            "smoothing nor a filter other than method='encoder': train a model with alpha=ax.Vendi(over='rows')."
        )


def chain_kind(model: "Alternator") -> str | None:
    """See `ChainModel.chain_kind`."""
    if model.sequential:
        return None
    if not isinstance(model.otn, Pointwise):
        return "path" if jax.tree.leaves(model.otn.init_state()) else "markov"
    gaussian = isinstance(model.noise, Noise) and model.noise.kind in ("paper", "learned", "lowrank")
    return "linear" if gaussian and isinstance(model.otn.net, eqx.nn.Linear) else "markov"
