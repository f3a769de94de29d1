"""What training sees and what it is judged on: windows of rows, or whole series where an objective asks for them."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from alternax.core.errors import InputError
from alternax.core.sequence import Sequence
from alternax.data.classes import UNKNOWN
from alternax.data.schema import Schema
from alternax.data.sequences import Sequences
from alternax.fit.windows import Windows, training_windows, validation_batch, window_length

JUDGED_SERIES = 256


@dataclass(frozen=True)
class Split:
    """Training windows and, if anything is held out, the batch that training is judged on.

    Args:
        windows: Where training draws from.
        validation: Held-out sequences; None without validation.
        note: Why there is no validation although it was asked for.
    """

    windows: Windows
    validation: Sequence | None
    note: str = ""


def by_rows(
    data: Sequences, valid: float | Sequences | None, *, window: int | None, context: int | None, horizon: int
) -> Split:
    """Windows of every series, its last rows held out, or other series to be judged on."""
    lengths, arrays = np.asarray(data.lengths), data.arrays()
    length = window_length(window, lengths, context, horizon)
    if isinstance(valid, Sequences):
        others = np.asarray(valid.lengths)
        judged = validation_batch(valid.arrays(), others, others, length, context)
        return Split(training_windows(arrays, lengths, 0, length), judged)
    held_out, note = _held_out_rows(valid, lengths, length, horizon)
    judged = validation_batch(arrays, lengths, held_out, length, context) if held_out else None
    return Split(training_windows(arrays, lengths, held_out, length), judged, note)


def by_series(data: Sequences, valid: float | Sequences | None, *, window: int | None, least: int, seed: int) -> Split:
    """Whole series, a share of those of every class held out, or other series to be judged on."""
    if window is not None:
        raise InputError(f"window={window}: the objective reads whole series, so leave window out.")
    if data.lengths.max() < least:
        raise InputError(
            f"a series must hold the context and the objective's horizon, {least} rows; the longest has "
            f"{data.lengths.max()}. Give longer series, or a shorter context or horizon."
        )
    if isinstance(valid, Sequences):
        return Split(_whole(data.arrays()), valid.arrays())
    held_out = _held_out_series(valid or 0.0, data.labels, seed)
    if valid and not held_out.any():
        return Split(
            _whole(data.arrays()), None, f"no validation: no class has a series to spare at a share of {valid:g}"
        )
    arrays = data.arrays()
    part = lambda rows: jax.tree.map(lambda a: a[rows], arrays)  # noqa: E731
    judged = part(np.flatnonzero(held_out)[:JUDGED_SERIES]) if held_out.any() else None
    return Split(_whole(part(np.flatnonzero(~held_out))), judged)


def judged_like(valid: Sequences, schema: Schema, least: int) -> Sequences:
    """The validation series read as the training series, those left out that have fewer than `least` rows."""
    valid = valid.like(schema)
    long_enough = np.flatnonzero(valid.lengths >= least)
    if len(long_enough) == 0:
        raise InputError(
            f"valid: a series must hold the context and the objective's horizon, {least} rows; "
            f"the longest has {valid.lengths.max()}."
        )
    return valid.take(long_enough.tolist())


def _whole(series: Sequence) -> Windows:
    """One window a series, as long as the longest."""
    return Windows(series, jnp.zeros((series.x.shape[0], 2), int), series.length)


def _held_out_rows(valid: float | None, lengths: np.ndarray, length: int, horizon: int) -> tuple[int, str]:
    """Rows to hold out at the end of every series, or none and the reason."""
    if not valid:
        return 0, ""
    shortest = int(lengths.min())
    rows = int(valid * shortest)
    if rows > horizon and shortest - rows >= length:
        return rows, ""
    return 0, f"no validation: {valid:g} of {shortest} rows is too little for windows of {length} rows"


def _held_out_series(share: float, labels: np.ndarray, seed: int) -> np.ndarray:
    """Which series to hold out: the same share of every class, at random, one of each class kept at the least."""
    held_out, rng = np.zeros(len(labels), bool), np.random.default_rng(seed)
    for label in np.unique(labels[labels != UNKNOWN]):
        members = rng.permutation(np.flatnonzero(labels == label))
        held_out[members[: min(round(share * len(members)), len(members) - 1)]] = True
    return held_out
