"""The trajectory cross-entropy of the Alternator's paper, fed by data or by the model's own samples."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray, Scalar

from alternax.core.model import counted, draw_key, restart, where_tree
from alternax.core.sequence import Sequence
from alternax.models.alternator.parallel import encode, moments, run
from alternax.nets.noise import Noise

if TYPE_CHECKING:
    from alternax.models.alternator.model import Alternator


def cross_entropy(model: "Alternator", seq: Sequence, *, feed: str, key: PRNGKeyArray) -> Scalar:
    """Mean over the rows of |z_t - mu_z|^2 / Dz + (sz / sx)^2 |x_t - mu_x|^2 / Dx.

    This is the paper's loss divided by Dz, so that it does not grow with the width. The z-term runs over labelled
    targets and is left out without them, where it is a constant; mu_z runs free, being the mean path that decoding
    uses. mu_x is given z_{t-1}: a draw, or with `decode="latent"` the target where it is known, for then z is observed.

    Reference: arXiv 2405.11848, section 2 (objective) and Algorithm 1 (`feed="own"`).
    """
    assert isinstance(model.noise, Noise)
    labelled = seq.labelled & seq.valid[:, None]
    if feed == "data":
        start = model.first(key)
        encoded = encode(model, seq, start)
        known_z = (seq.targets, labelled) if model.target_dim and model.head is None else None
        params = run(model, seq, start, key, encoded=encoded, known_z=known_z).params
        mean, gain = params["loc"], params["gain"]
        decoded = model.decode(*moments(model, start, encoded))[0] if model.target_dim else None
    else:
        mean, gain, decoded = _own_samples(model, seq, key)
    counts = counted(seq, model.context)
    error = jnp.where(counts, (seq.x - mean) / gain, 0.0)
    ratio = (model.sigma_z / model.noise.sigma_x) ** 2
    loss = ratio * (error**2).sum() / jnp.maximum(counts.sum(), 1)
    if decoded is not None:
        loss = loss + jnp.where(labelled, (decoded - seq.targets) ** 2, 0.0).sum() / jnp.maximum(labelled.sum(), 1)
    return loss


def _own_samples(model: "Alternator", seq: Sequence, key: PRNGKeyArray) -> tuple[Array, Array, Array | None]:
    """Algorithm 1 as printed: at every step the FTN takes in what the OTN has just drawn."""
    everything = jnp.ones(model.obs_dim, bool)

    def body(state, row):
        control, dt, valid, reset = row
        state = where_tree(reset, restart(model, state, key), state)
        moved = model.advance(state, dt, control=control, key=key)
        params = model.predict(moved, control=control)
        x = model.emission(params).sample(draw_key(key, moved.step))
        updated, _ = model.update(moved, x, everything, control=control, key=key)
        after = where_tree(valid, updated, state)
        return after, (params["loc"], params["gain"], after.z)

    _, (mean, gain, z) = jax.lax.scan(body, model.init(key=key), (seq.controls, seq.dt, seq.valid, seq.starts))
    decoded = model.decode(z, jnp.zeros_like(z))[0] if model.target_dim else None
    return mean, gain, decoded
