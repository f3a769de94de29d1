"""The training loop: many optimiser steps a dispatch, best parameters kept, stops that leave a usable result."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
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
    average: float | None = None


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
    settings, safe, mean = (objective, plan.optimiser, plan.batch, plan.average, rest), params, params
    try:
        while outcome.steps < plan.steps:
            count = min(plan.every, plan.steps - outcome.steps)
            first = jnp.asarray(outcome.steps)
            params, safe, mean, opt_state, losses, finite = _steps(
                settings, params, safe, mean, opt_state, windows, step_key, first, count
            )
            good = int(finite.sum())
            failed = good < count
            outcome.steps += good
            if failed:
                quantity = "loss" if not jnp.isfinite(losses[good]) else "gradient"
                params, outcome.stopped = safe, f"non-finite {quantity} at step {outcome.steps + 1}"
            judged = params if plan.average is None else mean
            valid = None if validation is None else float(_judge(objective, rest, judged, validation, valid_key))
            if valid is None or valid < best_loss:
                best, waited, outcome.best_step = judged, 0, max(outcome.steps - failed, 0)
                best_loss = best_loss if valid is None else valid
            else:
                waited += 1
            if good:
                _note(outcome, float(losses[:good].mean()), valid, report)
            if valid is not None and not math.isfinite(valid) and not failed:
                failed, outcome.stopped = True, f"non-finite validation loss at step {outcome.steps}"
            if failed:
                break
            if plan.patience is not None and waited >= plan.patience:
                outcome.stopped = "early stop"
                break
    except KeyboardInterrupt:
        outcome.stopped = "interrupted"
    outcome.model = eqx.combine(best, rest)
    outcome.seconds = time.perf_counter() - started
    return outcome


def _note(outcome: Outcome, loss: float, valid: float | None, report: Callable) -> None:
    outcome.train_loss.append(loss)
    outcome.checked_at.append(outcome.steps)
    if valid is not None:
        outcome.valid_loss.append(valid)
    report(outcome.steps, loss, valid)


def _mean_loss(objective: Objective, rest: Any, params: Any, batch: Sequence, key: PRNGKeyArray) -> jax.Array:
    model = eqx.combine(params, rest)
    keys = jax.random.split(key, batch.x.shape[0])
    return jax.vmap(lambda seq, k: objective(model, seq, key=k))(batch, keys).mean()


_judge = eqx.filter_jit(_mean_loss)


@eqx.filter_jit
def _steps(
    settings: tuple,
    params: Any,
    safe: Any,
    mean: Any,
    opt_state: Any,
    windows: Windows,
    key: PRNGKeyArray,
    first: Any,
    count: int,
):
    """`count` optimiser steps; from the first non-finite loss or gradient on, nothing changes any more.

    `safe` are the last parameters whose loss and gradient were seen to be finite, one update behind `params`; `mean` is
    their moving average. Compiled once for all trainings of the same model, objective and settings.
    """
    objective, optimiser, size, average, rest = settings

    def body(carry, step):
        params, safe, mean, opt_state, alive = carry
        window_key, loss_key = jax.random.split(jax.random.fold_in(key, step))
        batch = windows.draw(size, window_key)
        loss, grads = jax.value_and_grad(lambda p: _mean_loss(objective, rest, p, batch, loss_key))(params)
        alive &= jnp.isfinite(loss) & jnp.isfinite(optax.tree.norm(grads))
        updates, new_state = optimiser.update(grads, opt_state, params)
        new_params = eqx.apply_updates(params, updates)
        keep = lambda new, old: jax.tree.map(lambda a, b: jnp.where(alive, a, b), new, old)  # noqa: E731
        if average is not None:
            mean = keep(_averaged(mean, params, step, average), mean)
        carry = keep(new_params, params), keep(params, safe), mean, keep(new_state, opt_state), alive
        return carry, (loss, alive)

    (params, safe, mean, opt_state, _), (losses, finite) = jax.lax.scan(
        body, (params, safe, mean, opt_state, jnp.asarray(True)), first + jnp.arange(count)
    )
    return params, safe, mean, opt_state, losses, finite


def _averaged(mean: Any, params: Any, step: jax.Array, average: float) -> Any:
    """The moving average with `params` taken in; young averages forget faster, so that the start does not linger."""
    kept = jnp.minimum(average, (1 + step) / (10 + step))
    return jax.tree.map(lambda m, p: kept.astype(m.dtype) * m + (1 - kept).astype(m.dtype) * p, mean, params)
