"""Which rows of each series a cut takes, and the arrays of only those rows."""

from typing import Any

import numpy as np
from jaxtyping import Int

from alternax.core.errors import InputError
from alternax.data.times import parse_time, shown

ROWWISE = ("x", "observed", "valid", "times", "controls", "targets", "labelled")
NO_TIME = {"M": np.datetime64("NaT", "ns"), "f": np.nan}


def gather(
    arrays: dict[str, np.ndarray], starts: Int[np.ndarray, "series"], counts: Int[np.ndarray, "series"]
) -> dict[str, np.ndarray]:
    """`counts` rows from row `starts` on of each series, left-aligned, padded like a `Sequences`."""
    step = np.arange(max(counts.max(), 1))
    valid = step < counts[:, None]
    index = np.where(valid, starts[:, None] + step, 0)

    def moved(name: str, array: np.ndarray) -> np.ndarray:
        rows = valid.reshape(*valid.shape, *(1,) * (array.ndim - 2))
        padding = NO_TIME[array.dtype.kind] if name == "times" else np.zeros((), array.dtype)
        return np.where(rows, np.take_along_axis(array, index.reshape(rows.shape), axis=1), padding)

    return {name: moved(name, array) for name, array in arrays.items()}


def first_row(data: Any, at: Any, time: Any) -> Int[np.ndarray, "series"]:
    """The first row after a split of a `Sequences` by date, fraction, row or numeric time."""
    if (at is None) == (time is None):
        raise InputError("split: expected either at= (a date, a fraction or a row) or time= (a number).")
    first = _first_at(data, at) if time is None else _first_from(data, time)
    for side, count in (("before", first), ("from", data.lengths - first)):
        if not count.any():
            present = data.times[data.valid]
            raise InputError(
                f"split: no rows {side} {(at if time is None else time)!r}; the data have {data.lengths.max()} rows, "
                f"from {shown(present.min())} to {shown(present.max())}."
            )
    return first


def _first_at(data: Any, at: Any) -> np.ndarray:
    if isinstance(at, float):
        if not 0 < at < 1:
            raise InputError(
                f"split: expected a fraction between 0 and 1, found {at}; a row is an integer, a numeric time is time=."
            )
        return np.floor(at * data.lengths + 1e-9).astype(int)
    if isinstance(at, int | np.integer):
        return np.clip(at if at >= 0 else data.lengths + at, 0, data.lengths)
    return _first_from(data, at)


def _first_from(data: Any, time: Any) -> np.ndarray:
    """The first row of each series at or after a time."""
    dates, number = data.schema.time_kind == "datetime", isinstance(time, int | float | np.number)
    if dates == number:
        have = "dates" if dates else "numbers"
        raise InputError(f"split: the times of these data are {have}, found {time!r}.")
    limit = parse_time(time, data.schema.timezone) if dates else float(time)
    return (data.valid & (data.times < limit)).sum(axis=1)
