"""The training loop: many optimiser steps a dispatch, best parameters kept, stops that leave a usable result."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
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
from alternax.fit.state import State
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


def begin(model: Model, plan: Plan) -> State:
    """The state before the first step."""
    params, _ = eqx.partition(model, trainable(model))
    # Strongly typed from the first step on, as arrays are that come back from a checkpoint.
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, leaf.dtype), params)
    mean = None if plan.average is None else params
    return State(params=params, safe=params, mean=mean, best=params, opt_state=plan.optimiser.init(params))


def kept(model: Model, state: State) -> Model:
    """The model with the best parameters of the state."""
    return eqx.combine(state.best, eqx.partition(model, trainable(model))[1])


def train(
    model: Model,
    windows: Windows,
    validation: Sequence | None,
    objective: Objective,
    plan: Plan,
    key: PRNGKeyArray,
    state: State,
    report: Callable[[int, float, float | None], None],
    keep: Callable[[State], None],
) -> State:
    """Minimise the objective over random windows, from any state to the end.

    Windows and noise depend on the key and the number of the step alone, so where training began does not matter.
    After every dispatch `report(step, loss, valid)` is called, then `keep(state)`; `keep` also at an interrupt.
    """
    began = time.perf_counter() - state.seconds
    rest = eqx.partition(model, trainable(model))[1]
    settings, keys = (objective, plan.optimiser, plan.batch, plan.average, rest), jax.random.split(key)
    try:
        while not state.stopped:
            after = _dispatch(state, settings, windows, validation, plan, keys)
            advanced = after.steps > state.steps
            # In one assignment: wherever an interrupt falls, `state` is whole.
            state = replace(after, seconds=time.perf_counter() - began)
            if advanced:
                report(state.steps, state.train_loss[-1], state.valid_loss[-1] if state.valid_loss else None)
            keep(state)
    except KeyboardInterrupt:
        state = replace(state, stopped=state.stopped or "interrupted", seconds=time.perf_counter() - began)
        keep(state)
    return state


def _dispatch(
    state: State,
    settings: tuple,
    windows: Windows,
    validation: Sequence | None,
    plan: Plan,
    keys: PRNGKeyArray,
) -> State:
    """Some steps, a look at the losses, and the verdict: what is best now, and whether to stop."""
    objective, rest = settings[0], settings[-1]
    count, first = min(plan.every, plan.steps - state.steps), jnp.asarray(state.steps)
    params, safe, mean, opt_state, losses, finite = _steps(
        settings, state.params, state.safe, state.mean, state.opt_state, windows, keys[0], first, count
    )
    good = int(finite.sum())
    failed, steps, stopped = good < count, state.steps + good, ""
    if failed:
        quantity = "loss" if not jnp.isfinite(losses[good]) else "gradient"
        params, stopped = safe, f"non-finite {quantity} at step {steps + 1}"
    judged = params if plan.average is None else mean
    valid = None if validation is None else float(_judge(objective, rest, judged, validation, keys[1]))
    state = replace(state, params=params, safe=safe, mean=mean, opt_state=opt_state, steps=steps)
    if valid is None or valid < state.best_loss:
        best_loss = state.best_loss if valid is None else valid
        state = replace(state, best=judged, best_loss=best_loss, best_step=max(steps - failed, 0), waited=0)
    else:
        state = replace(state, waited=state.waited + 1)
    if good:
        state = _noted(state, float(losses[:good].mean()), valid)
    return replace(state, stopped=stopped or _verdict(state, valid, plan))


def _noted(state: State, loss: float, valid: float | None) -> State:
    return replace(
        state,
        train_loss=(*state.train_loss, loss),
        valid_loss=state.valid_loss if valid is None else (*state.valid_loss, valid),
        checked_at=(*state.checked_at, state.steps),
    )


def _verdict(state: State, valid: float | None, plan: Plan) -> str:
    """Why to stop now, or nothing."""
    if valid is not None and not math.isfinite(valid):
        return f"non-finite validation loss at step {state.steps}"
    if plan.patience is not None and state.waited >= plan.patience:
        return "early stop"
    return "finished" if state.steps >= plan.steps else ""


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
