"""Particles that no longer stand for a law: named with the series and the row, and what to do."""

import warnings

import numpy as np
from jaxtyping import Float

from alternax.core.errors import InferenceError
from alternax.data.sequences import Sequences

LEAST_EFFECTIVE, LONG = 1.5, 20
MANY, FEW_DISTINCT = 20, 0.02
_ADVICE = "Take more particles, or train with larger observation noise (sigma_x, or the heavy tails of noise='student')"


def check_particles(effective: Float[np.ndarray, "series time"], data: Sequences, particles: int) -> None:
    """Raise where every particle was lost, warn where one alone was left for long.

    Args:
        effective: Effective number of particles at every row; 0 where every weight was 0 or not a number.
        data: The series.
        particles: How many there were.

    Raises:
        InferenceError: Naming the first row at which every particle was lost.
    """
    effective = np.where(data.valid, effective, particles)
    lost = np.argwhere(effective == 0)
    if len(lost):
        series, row = lost[0]
        raise InferenceError(
            f"none of {particles} particles gives what was observed at {_place(data, series, row)} a density above 0 "
            f"that is a number. Look for an outlier there, or weights that are not finite. {_ADVICE}."
        )
    lengths = _runs(effective < LEAST_EFFECTIVE) if particles > LEAST_EFFECTIVE else np.zeros_like(data.valid, int)
    series, end = np.unravel_index(lengths.argmax(), lengths.shape)
    longest = lengths[series, end]
    if longest >= LONG:
        warnings.warn(
            f"for {longest} rows running, from {_place(data, series, end - longest + 1)} on, {particles} particles "
            f"were worth fewer than {LEAST_EFFECTIVE:g}: one path stands for the law there, and its spread is too "
            f"small. {_ADVICE}.",
            RuntimeWarning,
            stacklevel=2,
        )


def check_draws(draws: Float[np.ndarray, "sample series time latent"], data: Sequences) -> None:
    """Warn where many joint draws share few values of the latent."""
    count = len(draws)
    ordered = np.sort(draws[..., 0], axis=0)
    distinct = 1 + (np.diff(ordered, axis=0) != 0).sum(0)
    few = (distinct < max(3, FEW_DISTINCT * count)) & data.valid
    if count >= MANY and few.any():
        series, row = np.argwhere(few)[0]
        warnings.warn(
            f"at {few.sum()} rows, the first {_place(data, series, row)}, {count} draws share {distinct[few].min()} to "
            f"{distinct[few].max()} values: their spread is too small there. Take more particles, for "
            "method='ancestry' a shorter lag, or method='gibbs'.",
            RuntimeWarning,
            stacklevel=2,
        )


def check_finite(values: Float[np.ndarray, "series time *any"], data: Sequences) -> None:
    """Raise at the first row whose exact moments are not finite.

    Raises:
        InferenceError: Naming the row.
    """
    broken = ~np.isfinite(values).reshape(*data.valid.shape, -1).all(-1) & data.valid
    if broken.any():
        series, row = np.argwhere(broken)[0]
        raise InferenceError(
            f"the law of the latent is not finite from {_place(data, series, row)} on: look for values far outside the "
            "training data there, or weights that are not finite."
        )


def check_sum(values: Float[np.ndarray, "series"], data: Sequences) -> None:
    """Raise at the first series whose exact log-probability is not a number.

    That of values so far out that their density is 0 is minus infinity, and leaves the other series theirs.

    Raises:
        InferenceError: Naming the series.
    """
    broken = np.isnan(values) | np.isposinf(values)
    if broken.any():
        name = data.schema.ids[int(np.argmax(broken))]
        raise InferenceError(f"log p(x) of series {name!r} is {values[broken][0]}: the weights are not finite.")


def _place(data: Sequences, series: int | np.integer, row: int | np.integer) -> str:
    name = f"series {data.schema.ids[series]!r}, " if data.batched else ""
    return f"{name}row {row} (time {data.times[series, row]})"


def _runs(low: np.ndarray) -> np.ndarray:
    """How many True in a row end at every entry, along the last axis."""
    count = np.cumsum(low, axis=-1)
    return count - np.maximum.accumulate(np.where(low, 0, count), axis=-1)
