"""The variational recurrent network as a decoder: the targets are read off its latent and its past, causally.

    z_t ~ N(prior(h_{t-1}))          x_t ~ N(x_{t-1} + emission(z_t, h_{t-1}))          y_t = head(z_t, h_{t-1})
    q(z_t | x_{<=t}) = N(posterior(x_t, h_{t-1}))          h_t = GRU(x_t, z_t, h_{t-1})
    log p(x) >= sum_t E_q [ log p(x_t | z_t, h_{t-1}) - KL(q(z_t | x_{<=t}) | p(z_t | h_{t-1})) ]

x and z are read through networks of their own before they are used; entries that are missing are shown as their last
values, and marked, as the library's models have it.

Reference: Chung et al., "A Recurrent Latent Variable Model for Sequential Data", arXiv 1506.02216, equations 5 to 11.
"""

import copy
from typing import Any, NoReturn

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array
from rivals.training import divergence, gaussian, log_normal

from alternax.core.model import LatentModel, per_entry
from alternax.core.sequence import Sequence
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

    read: eqx.nn.MLP
    read_latent: eqx.nn.MLP
    prior: eqx.nn.MLP
    posterior: eqx.nn.MLP
    emission_net: eqx.nn.MLP
    cell: eqx.nn.GRUCell
    head: eqx.nn.MLP
    spread: Any
    target_log_scale: Array
    obs_dim: int = eqx.field(static=True)
    target_dim: int = eqx.field(static=True)
    latent_dim: int = eqx.field(static=True)
    width: int = eqx.field(static=True)
    paths: int = eqx.field(static=True)
    control_dim: int = eqx.field(static=True, default=0)
    context: int | None = eqx.field(static=True, default=None)

    def __init__(self, obs_dim: int, target_dim: int, *, width: int, latent_dim: int = 32, paths: int = 2, key: Array):
        keys = iter(jax.random.split(key, 8))
        net = lambda size, out: eqx.nn.MLP(size, out, width, 1, activation=jax.nn.gelu, key=next(keys))  # noqa: E731
        self.read, self.read_latent = net(2 * obs_dim, width), net(latent_dim, width)
        self.prior, self.posterior = net(width, 2 * latent_dim), net(2 * width, 2 * latent_dim)
        self.emission_net, self.head = net(2 * width, 2 * obs_dim), net(2 * width, target_dim)
        self.cell = eqx.nn.GRUCell(2 * width, width, key=next(keys))
        self.spread = spread_reader("state", 2 * width, target_dim, width, next(keys))
        self.target_log_scale = jnp.zeros(target_dim)
        self.obs_dim, self.target_dim, self.latent_dim = obs_dim, target_dim, 2 * width
        self.width, self.paths, self.control_dim, self.context = width, paths, 0, None

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
        changed = copy.copy(self)
        object.__setattr__(changed, "paths", paths)
        return changed

    def _path(self, seq: Sequence, key: Array) -> tuple[Array, Array]:
        """Features by row along one draw of the latent, and the terms of the bound."""
        rows = past_rows(seq, Past.none(self.obs_dim, None), jnp.zeros((), jnp.int32), None)
        shown = jnp.concatenate([rows.after.last, 1.0 - rows.observed], axis=1)
        noise = jax.random.normal(key, (len(shown), self.posterior.out_size // 2))

        def row(hidden, inputs):
            shown_t, noise_t = inputs
            read = self.read(shown_t)
            q = gaussian(self.posterior(jnp.concatenate([read, hidden])), 1.0)
            seen = self.read_latent(q[0] + q[1] * noise_t)
            return self.cell(jnp.concatenate([read, seen]), hidden), (jnp.concatenate([seen, hidden]), q)

        _, (features, q) = jax.lax.scan(row, jnp.zeros(self.width), (shown, noise))
        p = gaussian(jax.vmap(self.prior)(features[:, self.width :]), 1.0)
        change, scale = gaussian(jax.vmap(self.emission_net)(features), 0.3)
        fit = jnp.where(rows.observed, log_normal(seq.x, rows.before.last + change, scale), 0.0).sum(1)
        return features, fit - divergence(q, p)

    init = advance = predict = emission = update = unroll = rollout = _only_decodes
