"""The variational recurrent network: a latent at every row whose prior depends on the past (`vrnn_cell`).

    log p(x) >= sum_t E_q [ log p(x_t | z_t, h_{t-1}) - KL(q(z_t | x_{<=t}) | p(z_t | h_{t-1})) ]

As everywhere in the study the mean is the change since the last row, and a series may be scaled by its context.
"""

from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from rivals.training import Plan, context_scale, divergence, log_normal, sample_paths, train
from rivals.vrnn_cell import VRNNCell


class VRNN(eqx.Module):
    """A VRNN of one GRU.

    Args:
        dim: Columns.
        control_dim: Controls of every row.
        width: Of the GRU and of every network.
        latent_dim: Length of z.
        context: Rows that set the scale, if `scaled`; they are read and not counted in the loss then.
        window: Rows of a training window.
        scaled: Whether series are scaled by their context.
        key: Key of the initial weights.
    """

    cell: VRNNCell
    dim: int = eqx.field(static=True)
    context: int = eqx.field(static=True)
    window: int = eqx.field(static=True)
    scaled: bool = eqx.field(static=True)

    def __init__(
        self, dim: int, control_dim: int, *, width: int, latent_dim: int, context: int, window: int, scaled: bool,
        key: Array,
    ):  # fmt: skip
        keys = iter(jax.random.split(key, 6))
        self.cell = VRNNCell(dim, dim, control_dim, width=width, latent_dim=latent_dim, keys=keys)
        self.dim, self.context, self.window, self.scaled = dim, context, window, scaled

    def fit(self, x: np.ndarray, controls: np.ndarray, plan: Plan) -> tuple[Self, float]:
        """Trained on one series, and the loss on its held-out rows."""
        return train(self, x, controls, plan)

    def sample(self, context: Array, horizon: int, samples: int, key: Array, *, controls: Array) -> Array:
        """Joint paths `(sample, origin, horizon, dim)`; the controls are those of context and horizon."""
        return sample_paths(self, context, controls, horizon, samples, key)

    def loss(self, x: Array, controls: Array, *, key: Array) -> Array:
        """Negative bound per counted entry."""
        _, terms = self.bound(x, controls, key)
        return -terms[self.context if self.scaled else 0 :].mean() / self.dim

    def bound(
        self, x: Float[Array, "rows dim"], controls: Float[Array, "rows controls"], key: Array
    ) -> tuple[Array, Float[Array, "rows"]]:
        """State after the last row, and the one-sample bound on the log density of every row."""
        mean, spread = context_scale(x[: self.context], self.scaled)
        cell, shown = self.cell, (x - mean) / spread
        last = jnp.concatenate([jnp.zeros((1, self.dim)), shown[:-1]])

        def row(hidden, inputs):
            x_t, last_t, control, row_key = inputs
            read = cell.read(x_t)
            p, q = cell.prior(hidden, control), cell.posterior(read, hidden, control)
            seen = cell.read_latent(q[0] + q[1] * jax.random.normal(row_key, q[0].shape))
            location, scale = cell.emission(seen, hidden, control, last_t)
            term = log_normal(x_t, location, scale).sum() - divergence(q, p)
            return cell.step(read, seen, hidden), term

        hidden, terms = jax.lax.scan(row, cell.start(), (shown, last, controls, jax.random.split(key, len(x))))
        return hidden, terms - jnp.log(spread).sum()

    def paths(self, x: Array, controls: Array, horizon: int, samples: int, key: Array) -> Array:
        """Paths after one context: its rows through the posterior, those ahead from the prior."""
        return jax.vmap(lambda k: self._path(x, controls, horizon, k))(jax.random.split(key, samples))

    def _path(self, x: Array, controls: Array, horizon: int, key: Array) -> Array:
        cell, (past_key, ahead_key) = self.cell, jax.random.split(key)
        mean, spread = context_scale(x, self.scaled)
        hidden, _ = self.bound(x, controls[: len(x)], past_key)

        def row(carry, inputs):
            hidden, last = carry
            control, row_key = inputs
            latent_key, noise_key = jax.random.split(row_key)
            centre, width = cell.prior(hidden, control)
            seen = cell.read_latent(centre + width * jax.random.normal(latent_key, centre.shape))
            location, scale = cell.emission(seen, hidden, control, last)
            x_t = location + scale * jax.random.normal(noise_key, last.shape)
            return (cell.step(cell.read(x_t), seen, hidden), x_t), x_t

        keys, ahead = jax.random.split(ahead_key, horizon), controls[len(x) : len(x) + horizon]
        drawn = jax.lax.scan(row, (hidden, (x[-1] - mean) / spread), (ahead, keys))[1]
        return mean + spread * drawn
