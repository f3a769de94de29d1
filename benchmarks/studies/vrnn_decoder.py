"""The variational recurrent network as a decoder: the targets are read off its latent and its past, causally.

    y_t = head(z_t, h_{t-1})          and the rows as in `rivals/vrnn.py`, without controls

Entries that are missing are shown as their last values, and marked, as the library's models have it.
"""

from typing import Any, NoReturn

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array
from rivals.training import divergence, log_normal
from rivals.vrnn_cell import VRNNCell, net

from alternax.core.model import LatentModel, per_entry
from alternax.core.sequence import Sequence
from alternax.core.static import with_static
from alternax.nets.past import Past, past_rows
from alternax.nets.target_scale import spread_reader, target_scale


def _only_decodes(*_: Any, **__: Any) -> NoReturn:
    raise NotImplementedError("this VRNN decodes; as a forecaster it stands in rivals/vrnn.py")


class VRNNDecoder(LatentModel):
    """A VRNN of one GRU, with a head for the targets.

    Args:
        obs_dim: Columns.
        target_dim: Targets.
        width: Of the GRU and of every network.
        latent_dim: Length of z.
        paths: Draws of the latent behind `filter`.
        key: Key of the initial weights.
    """

    cell: VRNNCell
    head: eqx.nn.MLP
    spread: Any
    target_log_scale: Array
    obs_dim: int = eqx.field(static=True)
    target_dim: int = eqx.field(static=True)
    latent_dim: int = eqx.field(static=True)
    paths: int = eqx.field(static=True)
    control_dim: int = eqx.field(static=True, default=0)
    context: int | None = eqx.field(static=True, default=None)

    def __init__(self, obs_dim: int, target_dim: int, *, width: int, latent_dim: int = 32, paths: int = 2, key: Array):
        *first, head_key, recurrence_key, spread_key = jax.random.split(key, 8)
        keys = iter([*first, recurrence_key])
        self.cell = VRNNCell(2 * obs_dim, obs_dim, 0, width=width, latent_dim=latent_dim, keys=keys)
        self.head = net(2 * width, target_dim, width, head_key)
        self.spread = spread_reader("state", 2 * width, target_dim, width, spread_key)
        self.target_log_scale = jnp.zeros(target_dim)
        self.obs_dim, self.target_dim, self.latent_dim = obs_dim, target_dim, 2 * width
        self.paths, self.control_dim, self.context = paths, 0, None

    def loss(self, seq: Sequence, *, key: Array) -> Array:
        """Negative one-sample bound per observed entry."""
        return -per_entry(self._path(seq, key)[1].sum(), seq, None)

    def filter(self, seq: Sequence, *, key: Array, state: Any = None) -> tuple[Array, Array]:
        """Mean and variance, over draws, of what the targets are read off: z_t as it is read, and h_{t-1}."""
        del state
        features = jax.vmap(lambda k: self._path(seq, k)[0])(jax.random.split(key, self.paths))
        return features.mean(0), features.var(0)

    def decode(self, mean: Array, var: Array) -> tuple[Array, Array]:
        """Targets, and the scale of their residuals."""
        return jax.vmap(self.head)(mean), target_scale(self.target_log_scale, self.spread, mean)

    def with_paths(self, paths: int) -> "VRNNDecoder":
        """The same networks with another number of draws behind `filter`."""
        return with_static(self, paths=paths)

    def _path(self, seq: Sequence, key: Array) -> tuple[Array, Array]:
        """Features by row along one draw of the latent, and the terms of the bound."""
        cell, nothing = self.cell, jnp.zeros(0)
        rows = past_rows(seq, Past.none(self.obs_dim, None), jnp.zeros((), jnp.int32), None)
        shown = jnp.concatenate([rows.after.last, 1.0 - rows.observed], axis=1)
        noise = jax.random.normal(key, (len(shown), cell.latent_dim))

        def row(hidden, inputs):
            shown_t, noise_t, last_t = inputs
            read = cell.read(shown_t)
            p, q = cell.prior(hidden, nothing), cell.posterior(read, hidden, nothing)
            seen = cell.read_latent(q[0] + q[1] * noise_t)
            law = cell.emission(seen, hidden, nothing, last_t)
            return cell.step(read, seen, hidden), (jnp.concatenate([seen, hidden]), p, q, law)

        _, (features, p, q, law) = jax.lax.scan(row, cell.start(), (shown, noise, rows.before.last))
        fit = jnp.where(rows.observed, log_normal(seq.x, *law), 0.0).sum(1)
        return features, fit - divergence(q, p)

    init = advance = predict = emission = update = unroll = rollout = _only_decodes
