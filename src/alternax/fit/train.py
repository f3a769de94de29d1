"""The training loop: many optimiser steps a dispatch, best parameters kept, stops that leave a usable result."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import PRNGKeyArray

from alternax.core.fixed import trainable
from alternax.core.model import Model
from alternax.core.sequence import Sequence
from alternax.fit.objectives import Objective
from alternax.fit.windows import Windows


@dataclass(frozen=True)
class Plan:
    """Settings of the loop; see `fit` for their meaning."""

    steps: int
    every: int
    batch: int
    patience: int | None
    optimiser: optax.GradientTransformation


@dataclass
class Outcome:
    """Parameters kept and the history that led there."""

    model: Model
    steps: int = 0
    best_step: int = 0
    stopped: str = "finished"
    seconds: float = 0.0
    train_loss: list[float] | None = None
    valid_loss: list[float] | None = None
    checked_at: list[int] | None = None


def train(
    model: Model,
    windows: Windows,
    validation: Sequence | None,
    objective: Objective,
    plan: Plan,
    key: PRNGKeyArray,
    report: Callable[[int, float, float | None], None],
) -> Outcome:
    """Minimise the objective over random windows; `report(step, loss, valid)` is called after every dispatch."""
    params, rest = eqx.partition(model, trainable(model))
    step_key, valid_key = jax.random.split(key)
    opt_state = plan.optimiser.init(params)
    outcome = Outcome(model, train_loss=[], valid_loss=[], checked_at=[])
    best, best_loss, waited, started = params, float("inf"), 0, time.perf_counter()
    run = jax.jit(partial(_steps, objective, plan, rest), static_argnums=(4,))
    judge = jax.jit(partial(_mean_loss, objective, rest))
    try:
        while outcome.steps < plan.steps:
            count = min(plan.every, plan.steps - outcome.steps)
            params, opt_state, losses, finite = run(
                params, opt_state, windows, (step_key, jnp.asarray(outcome.steps)), count
            )
            good = int(finite.sum())
            loss = float(jnp.where(finite, losses, 0.0).sum() / max(good, 1))
            valid = None if validation is None else float(judge(params, validation, valid_key))
            outcome.steps += good
            outcome.train_loss.append(loss)
            outcome.checked_at.append(outcome.steps)
            if valid is not None:
                outcome.valid_loss.append(valid)
            report(outcome.steps, loss, valid)
            if valid is None or valid < best_loss:
                best, waited, outcome.best_step = params, 0, outcome.steps
                best_loss = best_loss if valid is None else valid
            else:
                waited += 1
            if good < count:
                quantity = "loss" if not jnp.isfinite(losses[good]) else "gradient"
                outcome.stopped = f"non-finite {quantity} at step {outcome.steps + 1}"
                break
            if plan.patience is not None and waited >= plan.patience:
                outcome.stopped = "early stop"
                break
    except KeyboardInterrupt:
        outcome.stopped = "interrupted"
    outcome.model = eqx.combine(best, rest)
    outcome.seconds = time.perf_counter() - started
    return outcome


def _mean_loss(objective: Objective, rest: Any, params: Any, batch: Sequence, key: PRNGKeyArray) -> jax.Array:
    model = eqx.combine(params, rest)
    keys = jax.random.split(key, batch.x.shape[0])
    return jax.vmap(lambda seq, k: objective(model, seq, key=k))(batch, keys).mean()


def _steps(
    objective: Objective, plan: Plan, rest: Any, params: Any, opt_state: Any, windows: Windows, clock: tuple, count: int
):
    """`count` optimiser steps; from the first non-finite loss or gradient on, nothing changes any more."""
    key, first = clock

    def body(carry, step):
        params, opt_state, alive = carry
        window_key, loss_key = jax.random.split(jax.random.fold_in(key, step))
        batch = windows.draw(plan.batch, window_key)
        loss, grads = jax.value_and_grad(partial(_mean_loss, objective, rest))(params, batch, loss_key)
        alive &= jnp.isfinite(loss) & jnp.isfinite(optax.global_norm(grads))
        updates, new_state = plan.optimiser.update(grads, opt_state, params)
        new_params = eqx.apply_updates(params, updates)
        keep = lambda new, old: jax.tree.map(lambda a, b: jnp.where(alive, a, b), new, old)  # noqa: E731
        return (keep(new_params, params), keep(new_state, opt_state), alive), (loss, alive)

    (params, opt_state, _), (losses, finite) = jax.lax.scan(
        body, (params, opt_state, jnp.asarray(True)), first + jnp.arange(count)
    )
    return params, opt_state, losses, finite
