"""How the rivals are trained and asked: as `ax.fit` does it, so that only the model differs.

Random windows of the training rows, AdamW under a cosine schedule with warm-up, gradients clipped, a moving average of
the parameters, and of these the ones that did best on windows of the held-out rows at the end.

A rival is an equinox module with `loss(x, controls, key=)` of one window of `window` rows and `paths(x, controls,
horizon, samples, key)` of one context, where x is `(rows, dim)` and the controls reach on over the horizon.
"""

from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from alternax.core.fixed import trainable

JUDGED, CLIP, ORIGINS = 32, 1.0, 16


class Rival(Protocol):
    """What `train` and `sample_paths` ask of a model."""

    context: int
    window: int

    def loss(self, x: Array, controls: Array, *, key: Array) -> Array: ...

    def paths(self, x: Array, controls: Array, horizon: int, samples: int, key: Array) -> Array: ...


R = TypeVar("R", bound=Rival)


@dataclass(frozen=True)
class Plan:
    """Settings of a training; the names are those of `ax.fit`, `held_out` are rows at the end that only judge."""

    steps: int
    held_out: int
    batch: int = 16
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    average: float = 0.98
    every: int = 20
    seed: int = 0


def train(model: R, x: np.ndarray, controls: np.ndarray, plan: Plan) -> tuple[R, float]:
    """The model with the best parameters, and its loss on the held-out rows."""
    params, rest = eqx.partition(model, trainable(model))
    rows = (jnp.asarray(x, float), jnp.asarray(controls, float))
    first = len(x) - plan.held_out - model.context
    judged = jnp.unique(jnp.linspace(first, len(x) - model.window, JUDGED).round().astype(int))
    room = len(x) - plan.held_out - model.window + 1
    step_key, judge_key = jax.random.split(jax.random.key(plan.seed))
    carry = params, params, _rule().init(params)
    best, best_loss = params, np.inf
    rates = jnp.asarray([plan.learning_rate, plan.weight_decay, plan.average, plan.steps])
    for start in range(0, plan.steps, plan.every):
        at = jnp.arange(start, start + plan.every)
        carry = _steps(rest, carry, rows, room, plan.batch, rates, at, jax.random.fold_in(step_key, start))
        found = float(_judge(rest, carry[1], rows, judged, judge_key))
        if found < best_loss:
            best, best_loss = carry[1], found
    return eqx.combine(best, rest), best_loss


@eqx.filter_jit
def sample_paths(
    model: Rival, context: Array, controls: Array, horizon: int, samples: int, key: Array
) -> Float[Array, "sample origin horizon dim"]:
    """Sample paths after every context `(origin, rows, dim)`, given controls `(origin, rows + horizon, controls)`."""
    keys = jax.random.split(key, len(context))
    one = lambda args: model.paths(args[0], args[1], horizon, samples, args[2])  # noqa: E731
    return jnp.moveaxis(jax.lax.map(one, (context, controls, keys), batch_size=ORIGINS), 0, 1)


def context_scale(x: Float[Array, "rows dim"], scaled: bool) -> tuple[Float[Array, "dim"], Float[Array, "dim"]]:
    """Mean and spread of the context, with one square of 1 counted beside the others as the library does; else 0, 1."""
    if not scaled:
        return jnp.zeros(x.shape[1]), jnp.ones(x.shape[1])
    mean = x.mean(0)
    return mean, jnp.sqrt((1.0 + ((x - mean) ** 2).sum(0)) / (1.0 + len(x)))


def gaussian(raw: Float[Array, "*rows twice"], start: float) -> tuple[Array, Array]:
    """Mean and standard deviation from the output of a network, `start` where its second half is 0."""
    mean, spread = jnp.split(raw, 2, axis=-1)
    return mean, jax.nn.softplus(spread + jnp.log(jnp.expm1(start))) + 1e-3


def log_normal(x: Array, mean: Array, spread: Array) -> Array:
    """Log density of the Normal law, entry by entry."""
    return -0.5 * ((x - mean) / spread) ** 2 - jnp.log(spread) - 0.5 * jnp.log(2 * jnp.pi)


def divergence(q: tuple[Array, Array], p: tuple[Array, Array]) -> Array:
    """Kullback-Leibler divergence of diagonal Gaussians, each a mean and a standard deviation, summed over entries."""
    ratio = (q[1] / p[1]) ** 2
    return 0.5 * (ratio + ((q[0] - p[0]) / p[1]) ** 2 - 1.0 - jnp.log(ratio)).sum(-1)


def _rule() -> optax.GradientTransformation:
    """Adam without its step size, which is an argument of the compiled step."""
    return optax.chain(optax.clip_by_global_norm(CLIP), optax.scale_by_adam())


def _rate(at: Array) -> Array:
    """Share of the peak learning rate: up over the first 5 % of the steps, down a cosine to 1 %."""
    down = 0.01 + 0.99 * 0.5 * (1 + jnp.cos(jnp.pi * (at - 0.05) / 0.95))
    return jnp.where(at < 0.05, 0.1 + 0.9 * at / 0.05, down)


def _mean_loss(params: Any, rest: Any, rows: tuple[Array, Array], starts: Array, key: Array) -> Array:
    model = eqx.combine(params, rest)
    cut = lambda start, a: jax.lax.dynamic_slice_in_dim(a, start, model.window)  # noqa: E731
    each = lambda start, k: model.loss(cut(start, rows[0]), cut(start, rows[1]), key=k)  # noqa: E731
    return jax.vmap(each)(starts, jax.random.split(key, len(starts))).mean()


@eqx.filter_jit
def _judge(rest: Any, params: Any, rows: tuple[Array, Array], starts: Array, key: Array) -> Array:
    return _mean_loss(params, rest, rows, starts, key)


@eqx.filter_jit
def _steps(rest: Any, carry: Any, rows: Any, room: int, batch: int, rates: Array, at: Array, key: Array) -> Any:
    """One optimiser step for every entry of `at`, the numbers of the steps."""

    def step(carry, inputs):
        params, mean, state = carry
        number, step_key = inputs
        start_key, loss_key = jax.random.split(step_key)
        starts = jax.random.randint(start_key, (batch,), 0, room)
        grads = jax.grad(_mean_loss)(params, rest, rows, starts, loss_key)
        updates, state = _rule().update(grads, state)
        peak, decay, average, total = rates
        move = lambda p, u: p - peak * _rate(number / total) * (u + decay * p)  # noqa: E731
        params = jax.tree.map(move, params, updates)
        kept = jnp.minimum(average, (1 + number) / (10 + number))
        return (params, jax.tree.map(lambda m, p: kept * m + (1 - kept) * p, mean, params), state), None

    return jax.lax.scan(step, carry, (at, jax.random.split(key, len(at))))[0]
