"""The loss of Alternator++: the Alternator's, and both noise models matched to the noise there was."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray, Scalar

from alternax.core.model import counted
from alternax.core.sequence import Sequence
from alternax.models.alternator_plus.sequential import Walk, walk

if TYPE_CHECKING:
    from alternax.models.alternator_plus.model import AlternatorPlusPlus

LEAST_SHARE = 1e-3


def noise_matching(model: "AlternatorPlusPlus", seq: Sequence, *, weight: float | Scalar, key: PRNGKeyArray) -> Scalar:
    """Mean over the rows of |z_t - mu_z|^2 / Dz + (sz / sx)^2 |x_t - mu_x|^2 / Dx, and `weight` times the matching.

    The first two are the Alternator's loss (`alternator.cross_entropy`), mu_x given z_{t-1} and mu_z given z_{t-1} and
    x_t along a drawn path; the z-term runs over labelled targets and is left out without them. The matching is the mean
    of |e_psi - n_x|^2 / Dx + |e_nu - n_z|^2 / Dz, with n_x of `noise_of_observations` and n_z of `noise_of_targets`.
    """
    labelled = seq.labelled & seq.valid[:, None]
    known = (seq.targets, labelled) if model.target_dim and model.base.head is None else None
    path = walk(model, seq, model.first(key), key, known_z=known)
    counts, z = counted(seq, model.context), path.trace.z
    ratio = (model.base.sigma_z / model.noise.sigma_x) ** 2
    loss = ratio * _mean_square(_left(path, seq), counts)
    if model.target_dim:
        loss = loss + _mean_square(model.decode(z, jnp.zeros_like(z))[0] - seq.targets, labelled)
    loss = loss + weight * _matching(*noise_of_observations(model, seq, path), counts)
    if known is not None:
        taken = labelled & path.trace.rows.seen[:, None]
        loss = loss + weight * _matching(*noise_of_targets(model, seq, path), taken)
    return loss


def noise_of_observations(model: "AlternatorPlusPlus", seq: Sequence, path: Walk) -> tuple[Array, Array, Array]:
    """The noise n_x that made the observations out of the signal, e_psi, and the share they have in x.

    Both are by column of x in scaled units.

    n_x = (x_t - base_t - sqrt(b_t) f(z_{t-1})) / sqrt(1 - b_t - sx^2), of which e_psi is the mean given z_{t-1} where
    the model is true: then n_x = e_psi + sx / sqrt(1 - b_t - sx^2) e_t.
    """
    operator = model.base.operator
    e_psi = path.e_psi if operator is None else operator.field(path.e_psi)
    _, rest = model.shares(path.trace.rows.step)
    return e_psi + _left(path, seq) / rest, e_psi, rest


def noise_of_targets(model: "AlternatorPlusPlus", seq: Sequence, path: Walk) -> tuple[Array, Array, Array]:
    """The noise n_z that made the targets, being coordinates of z, out of g, e_nu there, and the share they have.

    n_z = (z_t - sqrt(a_t) g_t) / sqrt(1 - a_t - sz^2), of which e_nu is the mean where the model is true. A latent that
    was drawn and not observed has n_z = e_nu + sz / sqrt(1 - a_t - sz^2) n_t by construction: matching it has no
    gradient in the mean, only noise, and is left out.
    """
    width = model.target_dim
    drive, rest = path.code.drive[:, :width], path.code.carry[:, :width]
    return (seq.targets - drive) / rest, path.e_nu[:, :width], rest


def _left(path: Walk, seq: Sequence) -> Array:
    """x_t - mu_x in scaled units."""
    params = path.trace.params
    return (seq.x - params["loc"]) / params["gain"]


def _matching(noise: Array, estimate: Array, share: Array, counts: Array) -> Scalar:
    """Mean square of what the estimate misses; the noise itself is given, and read off x only where it is in x."""
    return _mean_square(estimate - jax.lax.stop_gradient(noise), counts & (share > LEAST_SHARE))


def _mean_square(values: Array, counts: Array) -> Scalar:
    return (jnp.where(counts, values, 0.0) ** 2).sum() / jnp.maximum(counts.sum(), 1)
