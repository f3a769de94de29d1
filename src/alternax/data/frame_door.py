"""Frames in, pandas or polars, wide or long."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import narwhals as nw
import numpy as np
import pandas as pd

from alternax.core.errors import InputError
from alternax.data.assemble import Rows, assemble
from alternax.data.checks import as_names, first_no_number, known, listed, without_repeats
from alternax.data.classes import Classes, numbered
from alternax.data.schema import Schema, column_kinds
from alternax.data.sequences import Sequences
from alternax.data.times import looks_like_times, parse_times

TIME_NAME, ID_NAME = "ds", "unique_id"
TEMPORAL = (nw.Datetime, nw.Date)


@dataclass(frozen=True)
class Roles:
    """Which column is what."""

    time: str
    id: str | None
    values: tuple[str, ...]
    covariates: tuple[str, ...]
    controls: tuple[str, ...]
    targets: tuple[str, ...]
    static: tuple[str, ...]
    label: str | None
    time_in_index: bool = field(default=False)


def from_frame(
    df: Any,
    *,
    time: str | None,
    id: str | None,
    label: str | None,
    kinds: Mapping[str, str] | Sequence[str] | None,
    calendar: Sequence[str],
    **named: str | Sequence[str] | None,
) -> Sequences:
    """See `Sequences.from_frame`."""
    frame, from_index = open_frame(df, time)
    roles = _roles(frame, time, id, label, from_index, {role: as_names(names) for role, names in named.items()})
    if len(frame) == 0:
        raise InputError(f"The frame has no rows (columns: {listed(frame.columns)}).")
    times, zone = column_times(frame, roles.time)
    series, ids = _series(frame, roles.id)
    class_numbers, classes = _classes(frame, roles.label, series, ids)
    schema = Schema(
        values=roles.values,
        kinds=column_kinds(kinds, roles.values),
        covariates=roles.covariates,
        controls=roles.controls,
        targets=roles.targets,
        static=roles.static,
        calendar=as_names(calendar),
        ids=ids,
        layout="wide" if roles.id is None else "long",
        time_name=roles.time,
        id_name=roles.id or "series",
        time_kind="datetime" if times.dtype.kind == "M" else "number",
        timezone=zone,
        backend="polars" if frame.implementation.is_polars() else "pandas",
        time_in_index=roles.time_in_index,
        classes=classes,
        label_name=roles.label,
    )
    rows = Rows(
        x=_numbers(frame, roles.values),
        times=times,
        series=series,
        labels=np.arange(len(frame)),
        controls=_numbers(frame, roles.controls),
        targets=_numbers(frame, roles.targets),
        static=_constant(_numbers(frame, roles.static), series, ids, roles.static),
        classes=class_numbers,
    )
    return assemble(rows, schema, batched=roles.id is not None)


def open_frame(df: Any, time: str | None) -> tuple[nw.DataFrame, str | None]:
    """The frame with a meaningful index turned into columns, and the name of a time index."""
    from_index = None
    if isinstance(df, pd.DataFrame):
        df = df.rename(columns=str)
        without_repeats(list(df.columns))
        dated = isinstance(df.index, pd.DatetimeIndex | pd.PeriodIndex)
        if isinstance(df.index, pd.MultiIndex) or dated or (time is not None and df.index.name == time):
            from_index = None if isinstance(df.index, pd.MultiIndex) else df.index.name or "time"
            names = [n or f"level_{i}" for i, n in enumerate(df.index.names)] if from_index is None else [from_index]
            df = df.reset_index(names=names)
    try:
        return nw.from_native(df, eager_only=True), from_index
    except TypeError as error:
        hint = (
            "collect a lazy frame first" if "LazyFrame" in type(df).__name__ else "for arrays use Sequences.from_numpy"
        )
        raise InputError(f"Expected a pandas or polars frame, found {type(df).__name__}; {hint}.") from error


def _roles(
    frame: nw.DataFrame,
    time: str | None,
    id: str | None,
    label: str | None,
    from_index: str | None,
    named: dict[str, tuple[str, ...]],
) -> Roles:
    for names in (*named.values(), as_names(time), as_names(id), as_names(label)):
        for name in names:
            known(name, frame.columns, "column")
    id = ID_NAME if id is None and ID_NAME in frame.columns else id
    taken = {id, label, *named["controls"], *named["targets"], *named["static"]}
    time = time or from_index or _guess_time(frame, [c for c in frame.columns if c not in taken])
    rest = tuple(c for c in frame.columns if c not in taken | {time})
    values = named["values"] or tuple(c for c in rest if c not in named["covariates"])
    if not values:
        raise InputError(
            f"No column of values is left beside {listed([time, *named['covariates']])}; "
            f"columns: {listed(frame.columns)}."
        )
    values += tuple(c for c in named["covariates"] if c not in values)
    others = named["controls"] + named["targets"] + named["static"]
    without_repeats([time, *as_names(id), *as_names(label), *values, *others])
    in_order = values if named["values"] else tuple(c for c in rest if c in values)
    return Roles(
        time,
        id,
        in_order,
        named["covariates"],
        named["controls"],
        named["targets"],
        named["static"],
        label,
        time == from_index,
    )


def _guess_time(frame: nw.DataFrame, columns: list[str]) -> str:
    """`ds`, or the only column of dates; never one among several."""
    if TIME_NAME in columns:
        return TIME_NAME
    dated = [c for c in columns if _is_dated(frame[c])]
    if len(dated) == 1:
        return dated[0]
    if dated:
        raise InputError(f"More than one possible time column: {listed(dated)}; name it with time=.")
    raise InputError(
        f"No time column found: none of the columns {listed(columns)} holds dates; "
        "name it with time= (numbers are allowed)."
    )


def _is_dated(column: nw.Series) -> bool:
    if column.dtype in TEMPORAL:
        return True
    if column.dtype == nw.Unknown:
        return isinstance(column.to_native().dtype, pd.PeriodDtype)
    return column.dtype in (nw.String, nw.Object, nw.Categorical) and looks_like_times(column.to_list())


def column_times(frame: nw.DataFrame, name: str) -> tuple[np.ndarray, str | None]:
    """The time stamps in UTC (or numbers), and their zone."""
    column = frame[name]
    if isinstance(column.to_native(), pd.Series):
        return parse_times(column.to_native(), f"column {name!r}")
    zone = column.dtype.time_zone if isinstance(column.dtype, nw.Datetime) else None
    if zone is not None:
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    stamps, own = parse_times(
        column.to_numpy() if column.dtype.is_numeric() or column.dtype in TEMPORAL else column.to_list(),
        f"column {name!r}",
    )
    return stamps, zone or own


def _series(frame: nw.DataFrame, id: str | None) -> tuple[np.ndarray, tuple[str | int, ...]]:
    """The number of the series of each row, and their identities in order of appearance."""
    if id is None:
        return np.zeros(len(frame), int), ("0",)
    codes, found = pd.factorize(np.array(frame[id].to_list(), dtype=object))
    if (codes < 0).any():
        raise InputError(
            f"Column {id!r}, row {(codes < 0).argmax()}: expected the identity of a series, found a missing value."
        )
    return codes, tuple(i if isinstance(i, int) else str(i) for i in found.tolist())


def _numbers(frame: nw.DataFrame, names: tuple[str, ...]) -> np.ndarray:
    out = np.empty((len(frame), len(names)))
    for i, name in enumerate(names):
        out[:, i] = column_numbers(frame[name])
    return out


def column_numbers(column: nw.Series) -> np.ndarray:
    """A column as float64, missing entries NaN."""
    if column.dtype.is_numeric() or column.dtype == nw.Boolean:
        return column.cast(nw.Float64).to_numpy().astype(np.float64)
    cells = np.empty(len(column), dtype=object)
    cells[:] = column.to_list()
    missing = pd.isna(cells)
    wrong = first_no_number(cells)
    if wrong is None:
        return np.where(missing, np.nan, cells).astype(np.float64)
    if column.dtype in TEMPORAL:
        raise InputError(
            f"Column {column.name!r} holds dates, expected numbers: "
            "leave it out with values=[...], or name it with time=."
        )
    _refuse_text(column.name, cells, missing)


def _refuse_text(name: str, cells: np.ndarray, missing: np.ndarray) -> NoReturn:
    """Name the cell to correct in a column of numbers, or say what to do with a column of text."""
    readable = ~np.isnan(np.asarray(pd.to_numeric(pd.Series(map(str, cells)), errors="coerce"), np.float64))
    wrong = ~readable & ~missing
    row = wrong.argmax() if wrong.any() else (~missing).argmax()
    if not wrong.any():
        cure = "convert the column with astype(float)"
    elif readable.any():
        cure = "correct the cell"
    else:
        cure = f"leave the column out with values=[...], or name it with id={name!r} if it tells series apart"
    raise InputError(f"Column {name!r}, row {row}: expected a number, found {cells[row]!r}; {cure}.")


def _classes(frame: nw.DataFrame, label: str | None, series: np.ndarray, ids: tuple) -> tuple[np.ndarray, Classes]:
    """The class of each series, from a column that must not vary within it."""
    if label is None:
        return numbered(None, len(ids), batched=True)
    cells = np.empty(len(frame), dtype=object)
    cells[:] = frame[label].to_list()
    missing = pd.isna(cells)
    cells[missing] = None
    first = cells[np.unique(series, return_index=True)[1]]
    varies = (cells != first[series]) & ~missing
    if varies.any():
        row = int(varies.argmax())
        raise InputError(
            f"Label column {label!r}, row {row}: expected {first[series[row]]!r} as in the first row of series "
            f"{ids[series[row]]!r}, found {cells[row]!r}; a column that varies belongs in targets=."
        )
    return numbered(first, len(ids), batched=True, what=f"column {label!r}")


def _constant(flat: np.ndarray, series: np.ndarray, ids: tuple, names: tuple[str, ...]) -> np.ndarray:
    """One row a series of columns that must not vary within a series."""
    first = np.unique(series, return_index=True)[1]
    static = flat[first]
    varies = np.argwhere((flat != static[series]) & ~np.isnan(flat))
    if len(varies):
        row, column = varies[0]
        raise InputError(
            f"Static column {names[column]!r}, row {row}: expected {static[series[row], column]:g} as in the first row "
            f"of series {ids[series[row]]!r}, found {flat[row, column]:g}; "
            "a column that varies belongs in controls= or covariates=."
        )
    return static
