"""From flat rows, each with the number of its series, to padded arrays: the one place where numbers are checked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, Shaped

from alternax.core.errors import InputError
from alternax.data.calendar import check_calendar
from alternax.data.schema import Schema
from alternax.data.sequences import Sequences
from alternax.data.steps import infer_step
from alternax.data.times import shown

LONGEST = 1e30  # usual steps between two rows; single precision ends at 3e38


@dataclass(frozen=True)
class Rows:
    """All rows of all series, one below the other.

    Args:
        x: Observations, NaN where missing; the caller's own copy, which is used up.
        times: UTC datetime64[ns] or numbers.
        series: Number of the series of each row.
        labels: What a row is called in an error: its number in the frame or in the series.
        controls: User controls.
        targets: Targets, NaN where unlabelled; a copy like x.
        static: Values per series, one row a series.
        classes: Number of the class of each series, -1 where it is not known.
    """

    x: Float[np.ndarray, "rows obs_dim"]
    times: Shaped[np.ndarray, "rows"]
    series: Int[np.ndarray, "rows"]
    labels: Int[np.ndarray, "rows"]
    controls: Float[np.ndarray, "rows controls"]
    targets: Float[np.ndarray, "rows target_dim"]
    static: Float[np.ndarray, "series static"]
    classes: Int[np.ndarray, "series"]


RULES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "positive": (lambda x: x <= 0, "a number above 0"),
    "count": (lambda x: (x < 0) | (x != np.rint(x)), "a count 0, 1, 2, ..."),
    "binary": (lambda x: (x != 0) & (x != 1), "0 or 1"),
    "category": (lambda x: (x < 0) | (x != np.rint(x)), "a category number 0, 1, 2, ..."),
}


def assemble(rows: Rows, schema: Schema, *, batched: bool) -> Sequences:
    """Check everything, infer the usual step, and lay the rows out series by series."""
    if rows.x.shape[1] == 0:
        raise InputError("Expected at least one column of values, found none.")
    lengths = np.bincount(rows.series, minlength=len(schema.ids))
    if lengths.min() == 0:
        empty = "the data" if len(lengths) < 2 else f"series {schema.ids[lengths.argmin()]!r}"
        raise InputError(f"Expected at least one row, but {empty} has none.")
    if (np.diff(rows.series) < 0).any():
        order = np.argsort(rows.series, kind="stable")
        by_row = ("x", "times", "series", "labels", "controls", "targets")
        rows = replace(rows, **{name: getattr(rows, name)[order] for name in by_row})
    follows = rows.series[1:] == rows.series[:-1]
    _check_times(rows, schema, follows)
    _check_numbers(rows, schema)
    _check_kinds(rows, schema)
    check_calendar(schema.calendar, schema.time_kind)
    schema = replace(schema, step=infer_step(rows.times, follows, schema.timezone))
    _check_elapsed(rows, schema, follows)
    return _lay_out(rows, lengths, schema, batched)


def _lay_out(rows: Rows, lengths: np.ndarray, schema: Schema, batched: bool) -> Sequences:
    starts = np.cumsum(lengths) - lengths
    place = (rows.series, np.arange(len(rows.series)) - starts[rows.series])
    shape = (len(lengths), lengths.max())

    def padded(flat: np.ndarray, fill: object) -> np.ndarray:
        if len(lengths) == 1:
            return flat[None]
        out = np.full((*shape, *flat.shape[1:]), fill, dtype=flat.dtype)
        out[place] = flat
        return out

    dates = rows.times.dtype.kind == "M"
    observed, labelled = np.isfinite(rows.x), np.isfinite(rows.targets)
    for array, known in ((rows.x, observed), (rows.targets, labelled)):
        array[~known] = 0.0  # in place: the largest arrays there are, made by the door for this
    return Sequences(
        x=padded(rows.x, 0.0),
        observed=padded(observed, False),
        valid=padded(np.ones(len(rows.x), bool), False),
        times=padded(rows.times.astype("M8[ns]" if dates else float), np.datetime64("NaT") if dates else np.nan),
        controls=padded(rows.controls, 0.0),
        targets=padded(rows.targets, 0.0),
        labelled=padded(labelled, False),
        static=rows.static,
        labels=rows.classes,
        schema=schema,
        batched=batched,
    )


def _where(rows: Rows, schema: Schema, row: int | np.integer) -> str:
    series = f"series {schema.ids[rows.series[row]]!r}, " if len(schema.ids) > 1 else ""
    stamp = rows.times[row]
    time = "" if schema.time_kind == "index" or stamp != stamp else f" (time {shown(stamp)})"
    return f"{series}row {rows.labels[row]}{time}"


def _check_times(rows: Rows, schema: Schema, follows: np.ndarray) -> None:
    missing = ~np.isfinite(rows.times)
    if missing.any():
        raise InputError(
            f"Missing time stamp at {_where(rows, schema, missing.argmax())}: every row needs a time; drop the row."
        )
    _check_distances(rows, schema, follows)
    backward = follows & ~(rows.times[1:] > rows.times[:-1])
    if not backward.any():
        return
    row = backward.argmax() + 1
    if rows.times[row] == rows.times[row - 1]:
        several = (
            ""
            if len(schema.ids) > 1 or schema.layout != "wide"
            else " If the rows belong to several series, name their column with id=."
        )
        raise InputError(
            f"Duplicate time stamp at {_where(rows, schema, row)}: "
            f"times must increase within a series; drop or average the others.{several}"
        )
    raise InputError(
        f"Unsorted time stamps: {_where(rows, schema, row)} comes after {shown(rows.times[row - 1])}; "
        "sort the rows by time first."
    )


def _check_distances(rows: Rows, schema: Schema, follows: np.ndarray) -> None:
    """Refuse a gap that cannot be measured: above 292 years in nanoseconds, or beyond all numbers."""
    with np.errstate(over="ignore"):
        gaps = np.diff(rows.times)
    later = follows & (rows.times[1:] > rows.times[:-1])
    immense = later & (gaps < np.timedelta64(0) if rows.times.dtype.kind == "M" else np.isinf(gaps))
    if immense.any():
        row = immense.argmax() + 1
        limit = "292 years" if rows.times.dtype.kind == "M" else "the largest number"
        raise InputError(
            f"Time stamp at {_where(rows, schema, row)}: more than {limit} after the row before, "
            f"{shown(rows.times[row - 1])}; give the parts as series of their own."
        )


def _check_elapsed(rows: Rows, schema: Schema, follows: np.ndarray) -> None:
    """Refuse numeric gaps of so many usual steps that a model could not take them in."""
    if rows.times.dtype.kind == "M" or not follows.any():
        return
    with np.errstate(over="ignore"):
        steps = np.where(follows, np.diff(rows.times) / schema.step, 0.0)
    row = steps.argmax() + 1
    if steps[row - 1] > LONGEST:
        raise InputError(
            f"Time stamp at {_where(rows, schema, row)}: {steps[row - 1]:g} usual steps (of {schema.step:g}) after the "
            f"row before; expected at most {LONGEST:g}."
        )


def _check_numbers(rows: Rows, schema: Schema) -> None:
    for what, names, array in (("column", schema.values, rows.x), ("target", schema.targets, rows.targets)):
        _refuse(rows, schema, np.isinf(array), array, what, names, "expected a finite number or NaN for missing")
    _refuse(
        rows,
        schema,
        ~np.isfinite(rows.controls),
        rows.controls,
        "control",
        schema.controls,
        "controls must be known in every row: expected a finite number",
    )
    bad = np.argwhere(~np.isfinite(rows.static))
    if len(bad):
        series, column = bad[0]
        raise InputError(
            f"Static value {schema.static[column]!r} of series {schema.ids[series]!r}: "
            f"expected a finite number, found {rows.static[series, column]}."
        )
    silent = np.isnan(rows.x).all(axis=0)
    if silent.any():
        raise InputError(
            f"Column {schema.values[silent.argmax()]!r} has no observed value at all "
            f"(all {len(rows.x)} rows are missing): leave it out."
        )


def _check_kinds(rows: Rows, schema: Schema) -> None:
    for kind, (wrong, expected) in RULES.items():
        columns = np.flatnonzero([k == kind for k in schema.kinds])
        if len(columns):
            x, names = rows.x[:, columns], [schema.values[i] for i in columns]
            _refuse(rows, schema, wrong(x) & ~np.isnan(x), x, f"{kind} column", names, f"expected {expected}")


def _refuse(
    rows: Rows, schema: Schema, wrong: np.ndarray, array: np.ndarray, what: str, names: Sequence[str], expected: str
) -> None:
    """Raise for the first marked entry, in order of rows."""
    bad = np.argwhere(wrong)
    if len(bad):
        row, column = bad[0]
        raise InputError(
            f"{what.capitalize()} {names[column]!r}, {_where(rows, schema, row)}: "
            f"{expected}, found {array[row, column]:g}."
        )
