"""The latent ordinary differential equation: a Gaussian state at the origin, and a flow that carries it on.

    q(z_0 | context) = N(posterior(GRU(context)))          dz/dt = field(z, c(t))
    x_t ~ N(x_0 + emission(z_t, c_t))                      x_0 the last row of the context
    log p(x ahead) >= E_q [ sum_t log p(x_t | z_t) ] - KL(q(z_0 | context) | N(0, I))

as in the extrapolation of the paper, with the state at the origin of the forecast and noise whose scale is learned. The
flow is solved by the classical Runge-Kutta rule with steps of fixed size; controls run linearly between rows.

Reference: Rubanova, Chen and Duvenaud, "Latent ODEs for Irregularly-Sampled Time Series", arXiv 1907.03907, section 3.
"""

from collections.abc import Callable
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from rivals.training import Plan, context_scale, divergence, gaussian, log_normal, sample_paths, train


def flow(
    field: Callable[[Array, Array], Array], start: Float[Array, "latent"], controls: Float[Array, "knots controls"],
    substeps: int,
) -> Float[Array, "rows latent"]:  # fmt: skip
    """States at all rows but the first of the controls, which stand one unit of time apart, by the Runge-Kutta rule."""
    size = 1.0 / substeps

    def substep(z, ends):
        before, after = ends
        middle = 0.5 * (before + after)
        k1 = field(z, before)
        k2 = field(z + 0.5 * size * k1, middle)
        k3 = field(z + 0.5 * size * k2, middle)
        k4 = field(z + size * k3, after)
        z = z + size / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
        return z, z

    share = jnp.arange(substeps + 1)[:, None] * size
    line = controls[:-1, None] + share * (controls[1:, None] - controls[:-1, None])
    ends = (line[:, :-1].reshape(-1, controls.shape[1]), line[:, 1:].reshape(-1, controls.shape[1]))
    return jax.lax.scan(substep, start, ends)[1][substeps - 1 :: substeps]


class LatentODE(eqx.Module):
    """A latent ODE with a GRU as encoder.

    Args:
        dim: Columns.
        control_dim: Controls of every row.
        width: Of the GRU and of every network.
        latent_dim: Length of z.
        context: Rows that are encoded.
        horizon: Rows ahead that the loss counts.
        scaled: Whether series are scaled by their context.
        substeps: Runge-Kutta steps from row to row.
        key: Key of the initial weights.
    """

    cell: Any
    posterior: Any
    field: Any
    emission: Any
    dim: int = eqx.field(static=True)
    width: int = eqx.field(static=True)
    context: int = eqx.field(static=True)
    window: int = eqx.field(static=True)
    scaled: bool = eqx.field(static=True)
    substeps: int = eqx.field(static=True)

    def __init__(
        self, dim: int, control_dim: int, *, width: int, latent_dim: int, context: int, horizon: int, scaled: bool,
        substeps: int = 1, key: Array,
    ):  # fmt: skip
        keys = jax.random.split(key, 4)
        self.cell = eqx.nn.GRUCell(dim + control_dim, width, key=keys[0])
        self.posterior = eqx.nn.Linear(width, 2 * latent_dim, key=keys[1])
        self.field = eqx.nn.MLP(latent_dim + control_dim, latent_dim, width, 2, activation=jnp.tanh, key=keys[2])
        self.emission = eqx.nn.MLP(
            latent_dim + control_dim, 2 * dim, width, 1, activation=jax.nn.gelu, key=keys[3]
        )  # fmt: skip
        self.dim, self.width, self.context, self.window = dim, width, context, context + horizon
        self.scaled, self.substeps = scaled, substeps

    def fit(self, x: np.ndarray, controls: np.ndarray, plan: Plan) -> tuple[Self, float]:
        """Trained on one series, and the loss on its held-out rows."""
        return train(self, x, controls, plan)

    def sample(self, context: Array, horizon: int, samples: int, key: Array, *, controls: Array) -> Array:
        """Joint paths `(sample, origin, horizon, dim)`; the controls are those of context and horizon."""
        return sample_paths(self, context, controls, horizon, samples, key)

    def loss(self, x: Array, controls: Array, *, key: Array) -> Array:
        """Negative bound per entry of the rows ahead."""
        return -self.bound(x, controls, key) / (self.dim * (len(x) - self.context))

    def bound(self, x: Float[Array, "rows dim"], controls: Float[Array, "rows controls"], key: Array) -> Array:
        """One-sample bound on the log density of the rows after the context."""
        past, ahead = x[: self.context], x[self.context :]
        mean, spread = context_scale(past, self.scaled)
        q = self.encode(past, controls)
        z = q[0] + q[1] * jax.random.normal(key, q[0].shape)
        location, scale = self.decode(z, past, controls)
        fit = log_normal((ahead - mean) / spread, location, scale).sum() - len(ahead) * jnp.log(spread).sum()
        return fit - divergence(q, (jnp.zeros_like(q[0]), jnp.ones_like(q[0])))

    def encode(self, past: Array, controls: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the state at the origin."""
        mean, spread = context_scale(past, self.scaled)
        rows = jnp.concatenate([(past - mean) / spread, controls[: len(past)]], axis=1)
        hidden = jax.lax.scan(lambda h, row: (self.cell(row, h), None), jnp.zeros(self.width), rows)[0]
        return gaussian(self.posterior(hidden), 1.0)

    def decode(self, z: Array, past: Array, controls: Array) -> tuple[Array, Array]:
        """Means and standard deviations of the rows that the controls reach beyond the past, in scaled units."""
        mean, spread = context_scale(past, self.scaled)
        knots = controls[len(past) - 1 :]
        states = flow(lambda z, c: self.field(jnp.concatenate([z, c])), z, knots, self.substeps)
        raw = jax.vmap(self.emission)(jnp.concatenate([states, knots[1:]], axis=1))
        change, scale = gaussian(raw, 0.3)
        return (past[-1] - mean) / spread + change, scale

    def paths(self, x: Array, controls: Array, horizon: int, samples: int, key: Array) -> Array:
        """Paths after one context: a state each, carried on, and noise."""
        q = self.encode(x, controls)
        mean, spread = context_scale(x, self.scaled)

        def path(k):
            state_key, noise_key = jax.random.split(k)
            z = q[0] + q[1] * jax.random.normal(state_key, q[0].shape)
            location, scale = self.decode(z, x, controls[: len(x) + horizon])
            return mean + spread * (location + scale * jax.random.normal(noise_key, location.shape))

        return jax.vmap(path)(jax.random.split(key, samples))
