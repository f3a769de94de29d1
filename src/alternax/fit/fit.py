"""`fit`: train any model on any sequences and hand back something that can be used."""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from numbers import Real
from pathlib import Path

import jax
import numpy as np
import optax

from alternax.core.errors import InputError
from alternax.core.model import Classifier, LatentModel, Model, Reader
from alternax.core.precision import check_precision, current_precision
from alternax.core.record import TrainingRecord
from alternax.data.sequences import Sequences
from alternax.data.transforms import Identity, Scale, Transform
from alternax.fit.checkpoint import Checkpoints
from alternax.fit.fingerprint import fingerprint
from alternax.fit.objectives import Objective, default_objective
from alternax.fit.progress import progress_bar
from alternax.fit.split import by_rows, by_series, judged_like
from alternax.fit.state import State
from alternax.fit.train import Plan, begin, kept, train
from alternax.fitted import Fitted
from alternax.models.checks import check_counts
from alternax.nets.families.door import check_kinds, warn_of_unseen

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
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 500,
    resume: bool = False,
) -> Fitted:
    """Train a model on windows of the data with AdamW under a cosine schedule, and keep the best parameters.

    A column that has one value in all training rows, such as a unit that never fires, is not read by the model: its
    weights would stay random, so they are set to zero.

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
        checkpoint: Folder to write checkpoints to, an empty or a new one: at the start, every `checkpoint_every`
            steps, at a better validation score, at an interrupt and at the end. The last two and the best stay.
        checkpoint_every: Steps between two checkpoints, rounded up to whole dispatches.
        resume: Go on from the newest checkpoint in the folder, to the same result bit for bit as without the break;
            start where there is none. Without it a folder with checkpoints is refused, and those of another run
            (other data, model, objective or settings) always are.

    Returns:
        The trained model behind its transforms.

    Raises:
        InputError: If model, data and objective do not fit together, with what was expected and found; if the
            checkpoints are of another run or cannot be written.
        TrainingError: If checkpoints are there but none can be read.
        TypeError: If an argument is something else altogether.

    Example:
        >>> fitted = fit(model, train, objective=Elbo() + RolloutScore("crps", horizon=6), seed=0)
    """
    _check(model, data)
    warn_of_unseen(model, data)
    check_precision(model)
    check_counts(1, steps=steps, batch=batch, every=every, checkpoint_every=checkpoint_every)
    _check_checkpoint(checkpoint, resume)
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
    model = _blind_to_constants(model, windows.constant_columns())
    optimiser = _optimiser(learning_rate, weight_decay, clip, steps)
    size = min(batch, int((windows.starts[:, 1] - windows.starts[:, 0] + 1).sum()))
    plan = Plan(steps, every, size, patience, optimiser, average)
    run = {"model": model, "data": data, "objective": objective, "transform": transform} | {
        "target_transform": target_transform, "steps": steps, "batch": batch, "window": window, "every": every,
        "learning_rate": learning_rate, "weight_decay": weight_decay, "clip": clip, "average": average,
        "valid": valid, "patience": patience, "seed": seed, "precision": current_precision(),
    }  # fmt: skip
    shown = sys.stderr.isatty() if progress is None else progress
    with (
        _checkpoints(checkpoint, checkpoint_every, run, resume, begin(model, plan)) as (state, keep),
        progress_bar(steps, shown, state.steps) as report,
    ):
        state = train(model, windows, split.validation, objective, plan, jax.random.key(seed), state, report, keep)
    if state.stopped.startswith("non-finite"):
        warnings.warn(
            f"training stopped: {state.stopped}; the parameters of step {state.best_step} are kept. "
            "Lower learning_rate, or look for extreme values in the data.",
            RuntimeWarning,
            stacklevel=2,
        )
    note = split.note
    if state.stopped == "finished" and not any(state.train_loss):
        note = "; ".join(filter(None, (note, "nothing was learnt: the loss was 0 at every step")))
        warnings.warn(
            f"{note}. No observed entry counted in any window (the first {model.context or 0} rows with something "
            "observed only set the scale): give a longer window, a shorter context, or data with fewer gaps.",
            RuntimeWarning,
            stacklevel=2,
        )
    record = TrainingRecord(
        seed=seed, window=windows.length, note=note, steps=state.steps, best_step=state.best_step,
        stopped=state.stopped, seconds=state.seconds,
        train_loss=state.train_loss, valid_loss=state.valid_loss, checked_at=state.checked_at,
    )  # fmt: skip
    tail = data.tail(max(TAIL_ROWS, model.context or 0))
    metrics = {"valid_loss": min(record.valid_loss)} if record.valid_loss else {}
    return Fitted(kept(model, state), transform, target_transform, data.schema, record, tail, metrics)


def _check(model: Model, data: Sequences) -> None:
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
    check_kinds(model, data.schema)
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


def _check_checkpoint(checkpoint, resume) -> None:
    if checkpoint is not None and not isinstance(checkpoint, str | Path):
        raise TypeError(f"checkpoint must be a folder, found {type(checkpoint).__name__}.")
    if not isinstance(resume, bool):
        raise TypeError(f"resume must be True or False, found {resume!r}; the folder goes to checkpoint.")
    if resume and checkpoint is None:
        raise InputError("resume=True needs the folder to go on from: give checkpoint.")


def _blind_to_constants(model: Model, columns: np.ndarray) -> Model:
    """Columns that no window shows to vary teach nothing: zero weight keeps what they do later from any answer."""
    return model.blind_to(columns) if isinstance(model, Reader) and columns.any() else model


@contextmanager
def _checkpoints(
    folder: str | Path | None, every: int, run: dict, resume: bool, state: State
) -> Iterator[tuple[State, Callable[[State], None]]]:
    """The state to go on from, and what takes the later ones."""
    if folder is None:
        yield state, lambda later: None
        return
    with Checkpoints(folder, every, fingerprint(**run), resume=resume) as checkpoints:
        yield checkpoints.start(state), checkpoints.keep


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
