"""`fit`: train any model on any sequences and hand back something that can be used."""

import sys
import warnings
from dataclasses import replace
from functools import cache
from numbers import Real

import jax
import numpy as np
import optax

from alternax.core.errors import InputError
from alternax.core.model import Classifier, LatentModel, Model
from alternax.core.record import TrainingRecord
from alternax.data.sequences import Sequences
from alternax.data.transforms import Identity, Scale, Transform
from alternax.fit.objectives import Objective, default_objective
from alternax.fit.progress import progress_bar
from alternax.fit.split import by_rows, by_series, judged_like
from alternax.fit.train import Plan, train
from alternax.fitted import Fitted

TAIL_ROWS = 1024


def fit(
    model: Model,
    data: Sequences,
    *,
    objective: Objective | None = None,
    transform: Transform | None = None,
    target_transform: Transform | None = None,
    steps: int = 2000,
    batch: int = 32,
    window: int | None = None,
    learning_rate: float = 1e-3,
    weight_decay: float = 1e-4,
    clip: float = 1.0,
    average: float | None = None,
    valid: float | Sequences | None = 0.1,
    every: int = 50,
    patience: int | None = 20,
    seed: int = 0,
    progress: bool | None = None,
) -> Fitted:
    """Train a model on windows of the data with AdamW under a cosine schedule, and keep the best parameters.

    Args:
        model: Any `Model`, with the data's widths.
        data: Training series; gaps are the normal case.
        objective: What to minimise; default: evidence bound plus rollout CRPS 12 rows ahead for a latent model, or
            plus what the model decodes or classifies instead; otherwise the model's own loss.
        transform: Elementwise transform, fitted here on `data` and inverted on every result. Default
            `Scale(per="column")`.
        target_transform: The same for the targets.
        steps: Optimiser steps.
        batch: Windows per step.
        window: Rows per window; default the context and some horizons, or 256 rows.
        learning_rate: Peak learning rate, reached after 5 % of the steps.
        weight_decay: Decoupled weight decay.
        clip: Largest norm of the gradient.
        average: Judge and keep an exponential moving average of the parameters with this factor (0.99 averages over
            about 100 steps) instead of the parameters themselves: less noise where training overfits; None does not.
        valid: Rows at the end of every series held out to choose the best parameters, as a share of the shortest
            series, or other sequences, or None. Where the held-out part is shorter than a window, so are the
            windows that are judged; where it cannot hold the horizon, nothing is held out and the record says so.
            An objective that reads whole series (`Classify`) has that share of the series of every class held out.
        every: Steps per dispatch to the device; losses are looked at and progress shown in between.
        patience: Stop after this many dispatches without a better validation loss; None never stops early.
        seed: Seed of windows and noise: same seed, same result, bit for bit on one machine.
        progress: Show a progress bar; default only on a terminal.

    Returns:
        The trained model behind its transforms.

    Raises:
        InputError: If model, data and objective do not fit together, with what was expected and found.
        TypeError: If one of them is something else altogether.

    Example:
        >>> fitted = fit(model, train, objective=Elbo() + RolloutScore("crps", horizon=6), seed=0)
    """
    _check(model, data, steps=steps, batch=batch, every=every)
    _check_settings(objective, transform, target_transform, learning_rate, average, valid, patience)
    objective = default_objective(model, _default_horizon(data, model.context)) if objective is None else objective
    objective.check(model, data.schema)
    transform = (Scale(per="column") if transform is None else transform).fit(data)
    target_transform = _fit_targets(target_transform, data)
    scaled = _scale(transform, target_transform, data)
    least = (model.context or 0) + objective.horizon + 1
    if isinstance(valid, Sequences):
        valid = _scale(transform, target_transform, judged_like(valid, data.schema, least))
    if objective.whole:
        split = by_series(scaled, valid, window=window, least=least, seed=seed)
    else:
        split = by_rows(scaled, valid, window=window, context=model.context, horizon=objective.horizon)
    windows = split.windows
    optimiser = _optimiser(learning_rate, weight_decay, clip, steps)
    size = min(batch, int((windows.starts[:, 1] - windows.starts[:, 0] + 1).sum()))
    plan = Plan(steps, every, size, patience, optimiser, average)
    with progress_bar(steps, sys.stderr.isatty() if progress is None else progress) as report:
        outcome = train(model, windows, split.validation, objective, plan, jax.random.key(seed), report)
    if outcome.stopped.startswith("non-finite"):
        warnings.warn(
            f"training stopped: {outcome.stopped}; the parameters of step {outcome.best_step} are kept. "
            "Lower learning_rate, or look for extreme values in the data.",
            RuntimeWarning,
            stacklevel=2,
        )
    record = TrainingRecord(
        seed=seed, window=windows.length, note=split.note, steps=outcome.steps, best_step=outcome.best_step,
        stopped=outcome.stopped, seconds=outcome.seconds,
        train_loss=tuple(outcome.train_loss), valid_loss=tuple(outcome.valid_loss),
        checked_at=tuple(outcome.checked_at),
    )  # fmt: skip
    tail = data.tail(max(TAIL_ROWS, model.context or 0))
    return Fitted(outcome.model, transform, target_transform, data.schema, record, tail)


def _check(model: Model, data: Sequences, **counts: int) -> None:
    if not isinstance(model, Model):
        raise TypeError(f"expected an alternax Model, found {type(model).__name__}.")
    if not isinstance(data, Sequences):
        raise TypeError(
            f"expected alternax Sequences, found {type(data).__name__}: make them with "
            "Sequences.from_frame, from_numpy or from_xarray."
        )
    for name in ("obs_dim", "control_dim"):
        expected, found = getattr(data, name), getattr(model, name)
        if expected != found:
            raise InputError(
                f"the data have {name}={expected}, the model was built with {found}: give "
                f"{name}=data.{name} when building it."
            )
    if isinstance(model, LatentModel) and model.target_dim not in (0, data.target_dim):
        raise InputError(
            f"the data have target_dim={data.target_dim}, the model was built with "
            f"{model.target_dim}: give target_dim=data.target_dim."
        )
    if isinstance(model, Classifier) and model.class_count not in (0, data.class_count):
        raise InputError(
            f"the data have class_count={data.class_count}, the model was built with "
            f"{model.class_count}: give class_count=data.class_count."
        )
    for name, value in counts.items():
        if not isinstance(value, int) or value < 1:
            raise InputError(f"{name} must be an integer of at least 1; found {value!r}.")


def _check_settings(objective, transform, target_transform, learning_rate, average, valid, patience) -> None:
    """Refuse settings of another type or out of range, before anything is computed."""
    for name, value, kind in (
        ("objective", objective, Objective),
        ("transform", transform, Transform),
        ("target_transform", target_transform, Transform),
    ):
        if value is not None and not isinstance(value, kind):
            found = value.__name__ if isinstance(value, type) else type(value).__name__
            raise TypeError(f"{name} must be an alternax {kind.__name__}, found {found}.")
    try:
        hash(objective)
    except TypeError as error:
        raise TypeError(
            f"objective {type(objective).__name__} cannot be hashed: make it a dataclass(frozen=True)."
        ) from error
    if not (isinstance(learning_rate, Real) and 0 < learning_rate < float("inf")):
        raise InputError(f"learning_rate must be a positive number; found {learning_rate!r}.")
    if average is not None and not (isinstance(average, Real) and 0 < average < 1):
        raise InputError(f"average must be a factor between 0 and 1, or None; found {average!r}.")
    if patience is not None and (not isinstance(patience, int) or patience < 1):
        raise InputError(f"patience must be an integer of at least 1, or None; found {patience!r}.")
    if not (valid is None or isinstance(valid, Sequences) or (isinstance(valid, Real) and 0 <= valid < 1)):
        found = repr(valid) if isinstance(valid, Real) else type(valid).__name__
        raise InputError(f"valid must be a fraction from 0 to below 1, Sequences, or None; found {found}.")


def _default_horizon(data: Sequences, context: int | None) -> int:
    """12 rows, less where the series are short."""
    return max(1, min(12, (int(data.lengths.min()) - (context or 0)) // 4))


def _fit_targets(given: Transform | None, data: Sequences) -> Transform:
    if data.target_dim == 0:
        return Identity()
    return (Scale(per="column") if given is None else given).fit(_targets_as_x(data))


def _targets_as_x(data: Sequences) -> Sequences:
    schema = replace(
        data.schema, values=data.schema.targets, kinds=("real",) * data.target_dim, covariates=(), targets=()
    )
    none = np.zeros((*data.targets.shape[:2], 0))
    return replace(
        data, x=data.targets, observed=data.labelled, targets=none, labelled=none.astype(bool), schema=schema
    )


def _scale(transform: Transform, target_transform: Transform, data: Sequences) -> Sequences:
    scaled = transform.apply(data)
    if data.target_dim == 0:
        return scaled
    return replace(scaled, targets=target_transform.apply(_targets_as_x(data)).x)


@cache
def _optimiser(learning_rate: float, weight_decay: float, clip: float, steps: int) -> optax.GradientTransformation:
    warmup = max(1, steps // 20)
    schedule = optax.warmup_cosine_decay_schedule(
        0.1 * learning_rate, learning_rate, warmup, max(steps, warmup + 1), 0.01 * learning_rate
    )
    return optax.chain(optax.clip_by_global_norm(clip), optax.adamw(schedule, weight_decay=weight_decay))
