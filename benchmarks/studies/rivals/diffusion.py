"""A conditional diffusion forecaster: the whole horizon at once, drawn by taking noise away in steps.

    y_n = sqrt(abar_n) y_0 + sqrt(1 - abar_n) e,   e ~ N(0, I)          v = sqrt(abar_n) e - sqrt(1 - abar_n) y_0
    loss |v - net(y_n, n, context)|^2          e expected in y_n:  e_n = sqrt(1 - abar_n) y_n + sqrt(abar_n) net
    y_{n-1} = (y_n - (1 - a_n) / sqrt(1 - abar_n) e_n) / sqrt(a_n) + sqrt(1 - a_n) e,   no noise at the last step

y_0 is the change of all columns over the horizon since the last row of the context, each entry over its spread in the
training rows. The net mixes rows and columns in turn; it is shown the controls ahead and the context, whose rows are
embedded and mapped onto those ahead. Steps n = 1..50 with 1 - a_n the squares of a line from .01 to sqrt(.5) (CSDI);
paths are drawn over every second of them, a_n there being the ratio of the two abar.

References: Ho et al., "Denoising Diffusion Probabilistic Models", arXiv 2006.11239, equations 4, 11 and 14, of its two
variances the one that is exact for y_0 ~ N(0, I); Rasul et al. (TimeGrad), arXiv 2101.12072; Tashiro et al. (CSDI),
arXiv 2107.03502; for v in place of e, which starts from the law N(0, I) of y_0, Salimans and Ho, arXiv 2202.00512.
"""

from collections.abc import Callable
from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from rivals.training import Plan, context_scale, sample_paths, train

from alternax.core.fixed import Fixed

STEPS, DRAWS = 50, 4
BETA = np.linspace(np.sqrt(1e-4), np.sqrt(0.5), STEPS) ** 2
KEPT = np.cumprod(1.0 - BETA)
USED = np.arange(1, STEPS, 2)


def remove_noise(
    noise: Callable[[Array, Array], Array], shape: tuple[int, ...], key: Array
) -> Float[Array, "*shape"]:  # fmt: skip
    """One draw of y_0: from N(0, I) down the steps `USED`, `noise(y, n)` being the noise expected in y at step n."""
    start_key, step_key = jax.random.split(key)
    kept = jnp.asarray(KEPT[USED], float)
    beta = 1.0 - kept / jnp.concatenate([jnp.ones(1), kept[:-1]])
    spread = jnp.sqrt(beta).at[0].set(0.0)

    def step(y, inputs):
        i, n, fresh_key = inputs
        mean = (y - beta[i] / jnp.sqrt(1.0 - kept[i]) * noise(y, n)) / jnp.sqrt(1.0 - beta[i])
        return mean + spread[i] * jax.random.normal(fresh_key, shape), None

    down = jnp.arange(len(USED))[::-1], jnp.asarray(USED)[::-1], jax.random.split(step_key, len(USED))
    return jax.lax.scan(step, jax.random.normal(start_key, shape), down)[0]


class Mixing(eqx.Module):
    """Rows mixed, then columns, each around a skip; every network's input is normalised row by row."""

    rows: eqx.nn.Linear
    first: eqx.nn.Linear
    second: eqx.nn.Linear
    norms: tuple[eqx.nn.LayerNorm, eqx.nn.LayerNorm]

    def __init__(self, horizon: int, width: int, *, key: Array):
        keys = jax.random.split(key, 3)
        self.rows = eqx.nn.Linear(horizon, horizon, key=keys[0])
        self.first, self.second = eqx.nn.Linear(width, width, key=keys[1]), eqx.nn.Linear(width, width, key=keys[2])
        self.norms = (eqx.nn.LayerNorm(width), eqx.nn.LayerNorm(width))

    def __call__(self, u: Float[Array, "horizon width"], shift: Float[Array, "width"]) -> Array:
        mixed = jax.vmap(self.norms[0])(u) + shift
        u = u + jax.vmap(self.rows, in_axes=1, out_axes=1)(mixed)
        hidden = jax.nn.gelu(jax.vmap(self.first)(jax.vmap(self.norms[1])(u)))
        return u + jax.vmap(self.second)(hidden)


class Diffusion(eqx.Module):
    """A denoising diffusion of the joint horizon.

    Args:
        dim: Columns.
        control_dim: Controls of every row.
        width: Of the net.
        depth: Blocks of the net.
        context: Rows that are shown.
        horizon: Rows drawn.
        scaled: Whether series are scaled by their context.
        key: Key of the initial weights.
    """

    embed: eqx.nn.Linear
    ahead: eqx.nn.Linear
    controls: eqx.nn.Linear
    noisy: eqx.nn.Linear
    steps: Array
    blocks: tuple[Mixing, ...]
    out: eqx.nn.Linear
    spread: Fixed
    dim: int = eqx.field(static=True)
    context: int = eqx.field(static=True)
    window: int = eqx.field(static=True)
    scaled: bool = eqx.field(static=True)

    def __init__(
        self, dim: int, control_dim: int, *, width: int, depth: int = 3, context: int, horizon: int, scaled: bool,
        key: Array,
    ):  # fmt: skip
        keys = jax.random.split(key, 6)
        self.embed = eqx.nn.Linear(dim + control_dim, width, key=keys[0])
        self.ahead = eqx.nn.Linear(context, horizon, key=keys[1])
        self.controls = eqx.nn.Linear(control_dim, width, key=keys[2])
        self.noisy = eqx.nn.Linear(dim, width, key=keys[3])
        phase = jnp.arange(STEPS)[:, None] / STEPS * jnp.arange(1, width // 2 + 1) * jnp.pi
        self.steps = jnp.concatenate([jnp.cos(phase), jnp.sin(phase)], 1)
        self.blocks = tuple(Mixing(horizon, width, key=k) for k in jax.random.split(keys[4], depth))
        out = eqx.nn.Linear(width, dim, key=keys[5])
        self.out = eqx.tree_at(lambda m: (m.weight, m.bias), out, replace_fn=jnp.zeros_like)
        self.spread = Fixed(jnp.ones((horizon, dim)))
        self.dim, self.context, self.window, self.scaled = dim, context, context + horizon, scaled

    def fit(self, x: np.ndarray, controls: np.ndarray, plan: Plan) -> tuple[Self, float]:
        """Trained on one series, and the loss on its held-out rows."""
        starts = jnp.arange(len(x) - plan.held_out - self.window + 1)
        rows = jnp.asarray(x, float)
        cut = lambda start: self._change(jax.lax.dynamic_slice_in_dim(rows, start, self.window))  # noqa: E731
        spread = jnp.sqrt((jax.vmap(cut)(starts) ** 2).mean(0))
        return train(eqx.tree_at(lambda m: m.spread.value, self, spread), x, controls, plan)

    def sample(self, context: Array, horizon: int, samples: int, key: Array, *, controls: Array) -> Array:
        """Joint paths `(sample, origin, horizon, dim)`; the controls are those of context and horizon."""
        return sample_paths(self, context, controls, horizon, samples, key)

    def loss(self, x: Array, controls: Array, *, key: Array) -> Array:
        """Squared error of v, over some draws of step and noise that share the reading of the context."""
        shown, y = self.condition(x[: self.context], controls), self._change(x) / self.spread.value

        def draw(k):
            step_key, noise_key = jax.random.split(k)
            n = jax.random.randint(step_key, (), 0, STEPS)
            kept, e = jnp.asarray(KEPT, float)[n], jax.random.normal(noise_key, y.shape)
            signal, spread = jnp.sqrt(kept), jnp.sqrt(1.0 - kept)
            return ((signal * e - spread * y - self.velocity(signal * y + spread * e, n, shown)) ** 2).mean()

        return jax.vmap(draw)(jax.random.split(key, DRAWS)).mean()

    def condition(self, past: Array, controls: Array) -> Float[Array, "horizon width"]:
        """What the net is told about every row ahead."""
        mean, spread = context_scale(past, self.scaled)
        rows = jnp.concatenate([(past - mean) / spread, controls[: len(past)]], axis=1)
        read = jax.nn.gelu(jax.vmap(self.embed)(rows))
        return jax.vmap(self.ahead, in_axes=1, out_axes=1)(read) + jax.vmap(self.controls)(controls[len(past) :])

    def noise(self, y: Float[Array, "horizon dim"], n: Int[Array, ""], shown: Float[Array, "horizon width"]) -> Array:
        """The noise expected in y at step n."""
        kept = jnp.asarray(KEPT, float)[n]
        return jnp.sqrt(1.0 - kept) * y + jnp.sqrt(kept) * self.velocity(y, n, shown)

    def velocity(self, y: Array, n: Array, shown: Array) -> Array:
        """The net."""
        u = jax.vmap(self.noisy)(y) + shown
        for block in self.blocks:
            u = block(u, self.steps[n])
        return jax.vmap(self.out)(u)

    def paths(self, x: Array, controls: Array, horizon: int, samples: int, key: Array) -> Array:
        """Paths after one context; the horizon is the one the net was built for."""
        spread = context_scale(x, self.scaled)[1]
        shown = self.condition(x, controls[: len(x) + horizon])
        draw = lambda k: remove_noise(lambda y, n: self.noise(y, n, shown), (horizon, self.dim), k)  # noqa: E731
        drawn = self.spread.value * jax.vmap(draw)(jax.random.split(key, samples))
        return x[-1] + spread * drawn

    def _change(self, x: Array) -> Float[Array, "horizon dim"]:
        spread = context_scale(x[: self.context], self.scaled)[1]
        return (x[self.context :] - x[self.context - 1]) / spread
