"""Arrays in: `(time, feature)`, `(series, time, feature)`, or a list of `(time, feature)` arrays of any lengths."""

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np

from alternax.core.errors import InputError
from alternax.data.assemble import Rows, assemble
from alternax.data.checks import as_floats, as_names, first_no_number, known, without_repeats
from alternax.data.classes import numbered
from alternax.data.schema import Schema, column_kinds
from alternax.data.sequences import Sequences
from alternax.data.times import parse_times, shared_zone


def from_numpy(
    x: Any,
    *,
    targets: Any = None,
    controls: Any = None,
    times: Any = None,
    static: Any = None,
    labels: Any = None,
    kinds: Mapping[str, str] | Sequence[str] | None = None,
    covariates: Sequence[str | int] | None = None,
    names: Sequence[str] | None = None,
    target_names: Sequence[str] | None = None,
    calendar: Sequence[str] = (),
) -> Sequences:
    """See `Sequences.from_numpy`."""
    series, batched = _series_of(x)
    lengths = [len(part) for part in series]
    flat_targets = _companion(targets, "targets", lengths, batched)
    flat_controls = _companion(controls, "controls", lengths, batched)
    stamps, zone, time_kind = _times(times, lengths, batched)
    static_values = _static(static, len(series), batched)
    class_numbers, classes = numbered(labels, len(series), batched=batched)
    values = _names(names, series[0].shape[1], "x", "names")
    target_columns = _names(target_names, flat_targets.shape[1], "target", "target_names")
    without_repeats(values + target_columns)
    schema = Schema(
        values=values,
        kinds=column_kinds(kinds, values),
        covariates=_covariates(covariates, values),
        controls=_names(None, flat_controls.shape[1], "control", "controls"),
        targets=target_columns,
        static=_names(None, static_values.shape[1], "static", "static"),
        calendar=as_names(calendar),
        ids=tuple(str(i) for i in range(len(series))),
        time_kind=time_kind,
        timezone=zone,
        classes=classes,
    )
    rows = Rows(
        x=np.concatenate(series),
        times=stamps,
        series=np.repeat(np.arange(len(series)), lengths),
        labels=np.concatenate([np.arange(n) for n in lengths]),
        controls=flat_controls,
        targets=flat_targets,
        static=static_values,
        classes=class_numbers,
    )
    return assemble(rows, schema, batched=batched)


def as_numbers(values: Any, what: str) -> np.ndarray:
    """A float64 array; None becomes NaN, anything that is not a number is refused."""
    if nw.dependencies.is_into_dataframe(values):
        raise InputError(f"{what}: expected an array, found a frame; use Sequences.from_frame.")
    if isinstance(values, np.ma.MaskedArray):
        return np.where(np.ma.getmaskarray(values), np.nan, as_numbers(values.data, what))
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InputError(
            f"{what}: expected a rectangular array; give series of different lengths as a list of 2-D arrays ({error})."
        ) from error
    if array.dtype.kind == "O":
        wrong = first_no_number(array.ravel())
        if wrong is not None:
            place = [int(i) for i in np.unravel_index(wrong[0], array.shape)]
            raise InputError(f"{what}{place or ''}: expected a number, found {wrong[1]!r}.")
        return as_floats(array.ravel()).reshape(array.shape)
    if array.dtype.kind not in "biuf":
        raise InputError(f"{what}: expected real numbers, found dtype {array.dtype}.")
    with np.errstate(over="ignore"):  # what float64 cannot hold becomes infinite, and is refused with its place
        return array.astype(np.float64)


def _series_of(x: Any) -> tuple[list[np.ndarray], bool]:
    """The series as 2-D arrays, and whether there were several to begin with."""
    if isinstance(x, list | tuple) and x and not isinstance(x[0], list | tuple) and np.ndim(x[0]) == 2:
        series = [as_numbers(part, f"x[{i}]") for i, part in enumerate(x)]
        for i, part in enumerate(series):
            if part.ndim != 2 or part.shape[1] != series[0].shape[1]:
                raise InputError(f"x[{i}]: expected shape (time, {series[0].shape[1]}) as in x[0], found {part.shape}.")
        return series, True
    array = as_numbers(x, "x")
    if array.ndim not in (2, 3):
        hint = "; for a single column pass x[:, None]" if array.ndim == 1 else ""
        raise InputError(f"x: expected shape (time, feature) or (series, time, feature), found {array.shape}{hint}.")
    if 0 in array.shape:
        raise InputError(f"x: expected at least one series, row and column, found shape {array.shape}.")
    return (list(array), True) if array.ndim == 3 else ([array], False)


def _companion(values: Any, what: str, lengths: list[int], batched: bool) -> np.ndarray:
    """Flat rows of an array that goes along with x; one 2-D array is shared by all series of equal length."""
    if values is None:
        return np.zeros((sum(lengths), 0))
    if isinstance(values, list | tuple) and batched:
        parts = [as_numbers(part, f"{what}[{i}]") for i, part in enumerate(values)]
    else:
        array = as_numbers(values, what)
        parts = list(array) if batched and array.ndim == 3 else [array] * len(lengths)
    if len(parts) != len(lengths):
        raise InputError(f"{what}: expected {len(lengths)} series as in x, found {len(parts)}.")
    for i, (part, length) in enumerate(zip(parts, lengths, strict=True)):
        where = f"{what}[{i}]" if batched else what
        if part.ndim != 2 or len(part) != length:
            raise InputError(
                f"{where}: expected shape ({length}, features), one row for each row of x, found {part.shape}."
            )
        if part.shape[1] != parts[0].shape[1]:
            raise InputError(
                f"{where}: expected {parts[0].shape[1]} features as in the first series, found {part.shape[1]}."
            )
    return np.concatenate(parts)


def _times(times: Any, lengths: list[int], batched: bool) -> tuple[np.ndarray, str | None, str]:
    if times is None:
        return np.concatenate([np.arange(n) for n in lengths]), None, "index"
    several = isinstance(times, list | tuple) and len(times) > 0 and np.ndim(times[0]) == 1
    own = several or (batched and np.ndim(times) == 2)
    parsed = (
        [parse_times(part, f"times[{i}]") for i, part in enumerate(times)]
        if own
        else [parse_times(times, "times")] * len(lengths)
    )
    if len(parsed) != len(lengths):
        raise InputError(f"times: expected {len(lengths)} series as in x, found {len(parsed)}.")
    for i, ((part, _), length) in enumerate(zip(parsed, lengths, strict=True)):
        if part.shape != (length,):
            where = f"times[{i}]" if batched else "times"
            raise InputError(f"{where}: expected shape ({length},), one time for each row of x, found {part.shape}.")
    dates = {part.dtype.kind == "M" for part, _ in parsed}
    if len(dates) > 1:
        raise InputError("times: expected dates in all series or numbers in all series, found both.")
    zone = shared_zone([zone for _, zone in parsed], "times")
    return np.concatenate([part for part, _ in parsed]), zone, "datetime" if dates == {True} else "number"


def _static(static: Any, series: int, batched: bool) -> np.ndarray:
    if static is None:
        return np.zeros((series, 0))
    array = as_numbers(static, "static")
    array = array[None] if array.ndim == 1 and not batched else array
    if array.ndim != 2 or len(array) != series:
        expected = f"({series}, features), one row a series" if batched else "(features,)"
        raise InputError(f"static: expected shape {expected}, found {array.shape}.")
    return array


def _names(names: Sequence[str] | None, count: int, stem: str, what: str) -> tuple[str, ...]:
    names = [f"{stem}{i}" for i in range(count)] if names is None else as_names(names)
    if len(names) != count:
        raise InputError(f"{what}: expected {count} names, one a column, found {len(names)}.")
    return tuple(str(name) for name in names)


def _covariates(covariates: Sequence[str | int] | None, values: tuple[str, ...]) -> tuple[str, ...]:
    """Covariates by name or by position in x."""
    chosen = [covariates] if isinstance(covariates, str) else list(covariates or ())
    for c in chosen:
        if isinstance(c, int | np.integer) and not -len(values) <= c < len(values):
            raise InputError(f"covariates: x has columns 0 to {len(values) - 1}, found {c}.")
    index = dict.fromkeys(values)
    picked = {values[c] if isinstance(c, int | np.integer) else known(c, index, "covariate") for c in chosen}
    if picked and picked == set(values):
        raise InputError("covariates: expected at least one column that is not a covariate.")
    return tuple(name for name in values if name in picked)
