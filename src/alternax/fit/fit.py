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
from alternax.core.model import LatentModel, Model
from alternax.core.record import TrainingRecord
from alternax.data.sequences import Sequences
from alternax.data.transforms import Identity, Scale, Transform
from alternax.fit.objectives import Objective, default_objective
from alternax.fit.progress import progress_bar
from alternax.fit.train import Plan, train
from alternax.fit.windows import training_windows, validation_batch, window_length
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
        objective: What to minimise; default: evidence bound plus rollout CRPS 12 rows ahead for a latent model,
            supervised as well when the model decodes targets, otherwise the model's own loss.
        transform: Elementwise transform, fitted here on `data` and inverted on every result. Default
            `Scale(per="column")`.
        target_transform: The same for the targets.
        steps: Optimiser steps.
        batch: Windows per step.
        window: Rows per window; default the context and some horizons, or 256 rows.
        learning_rate: Peak learning rate, reached after 5 % of the steps.
        weight_decay: Decoupled weight decay.
        clip: Largest norm of the gradient.
        valid: Rows at the end of every series held out to choose the best parameters, as a share of the shortest
            series, or other sequences, or None. Where the held-out part is shorter than a window, so are the
            windows that are judged; where it cannot hold the horizon, nothing is held out and the record says so.
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
    _check_settings(objective, transform, target_transform, learning_rate, valid, patience)
    objective = default_objective(model, _default_horizon(data, model.context)) if objective is None else objective
    objective.check(model, data.target_dim)
    transform = (Scale(per="column") if transform is None else transform).fit(data)
    target_transform = _fit_targets(target_transform, data)
    scaled = _scale(transform, target_transform, data)
    lengths = np.asarray(data.lengths)
    length = window_length(window, lengths, model.context, objective.horizon)
    held_out, note = _held_out(valid, lengths, length, objective.horizon)
    validation = None
    if isinstance(valid, Sequences):
        other = _fitting(valid, data, (model.context or 0) + objective.horizon + 1)
        other_lengths = np.asarray(other.lengths)
        other_arrays = _scale(transform, target_transform, other).arrays()
        validation = validation_batch(other_arrays, other_lengths, other_lengths, length, model.context)
    elif held_out:
        validation = validation_batch(scaled.arrays(), lengths, held_out, length, model.context)
    windows = training_windows(scaled.arrays(), lengths, held_out, length)
    optimiser = _optimiser(learning_rate, weight_decay, clip, steps)
    plan = Plan(
        steps, every, min(batch, int((windows.starts[:, 1] - windows.starts[:, 0] + 1).sum())), patience, optimiser
    )
    with progress_bar(steps, sys.stderr.isatty() if progress is None else progress) as report:
        outcome = train(model, windows, validation, objective, plan, jax.random.key(seed), report)
    if outcome.stopped.startswith("non-finite"):
        warnings.warn(
            f"training stopped: {outcome.stopped}; the parameters of step {outcome.best_step} are kept. "
            "Lower learning_rate, or look for extreme values in the data.",
            RuntimeWarning,
            stacklevel=2,
        )
    record = TrainingRecord(
        seed=seed, window=length, note=note, steps=outcome.steps, best_step=outcome.best_step,
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
    for name, value in counts.items():
        if not isinstance(value, int) or value < 1:
            raise InputError(f"{name} must be an integer of at least 1; found {value!r}.")


def _check_settings(objective, transform, target_transform, learning_rate, valid, patience) -> None:
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
    if patience is not None and (not isinstance(patience, int) or patience < 1):
        raise InputError(f"patience must be an integer of at least 1, or None; found {patience!r}.")
    if not (valid is None or isinstance(valid, Sequences) or (isinstance(valid, Real) and 0 <= valid < 1)):
        found = repr(valid) if isinstance(valid, Real) else type(valid).__name__
        raise InputError(f"valid must be a fraction from 0 to below 1, Sequences, or None; found {found}.")


def _held_out(valid: float | Sequences | None, lengths: np.ndarray, length: int, horizon: int) -> tuple[int, str]:
    """Rows to hold out at the end of every series, or none and the reason."""
    if not valid or isinstance(valid, Sequences):
        return 0, ""
    shortest = int(lengths.min())
    rows = int(valid * shortest)
    if rows > horizon and shortest - rows >= length:
        return rows, ""
    return 0, f"no validation: {valid:g} of {shortest} rows is too little for windows of {length} rows"


def _fitting(valid: Sequences, data: Sequences, least: int) -> Sequences:
    """The validation series read as the training series, those left out that are too short for the objective."""
    valid = valid.like(data.schema)
    long_enough = np.flatnonzero(valid.lengths >= least)
    if len(long_enough) == 0:
        raise InputError(
            f"valid: a series must hold the context and the objective's horizon, {least} rows; "
            f"the longest has {valid.lengths.max()}."
        )
    return valid.take(long_enough.tolist())


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
