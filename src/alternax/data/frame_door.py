"""Frames in, pandas or polars, wide or long."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from numbers import Real
from typing import Any, NoReturn

import narwhals as nw
import numpy as np
import pandas as pd

from alternax.core.errors import InputError
from alternax.data.assemble import Rows, assemble
from alternax.data.checks import as_floats, as_names, first_no_number, known, listed, missing_cells, without_repeats
from alternax.data.classes import Classes, numbered
from alternax.data.schema import Schema, column_kinds
from alternax.data.sequences import Sequences
from alternax.data.times import DECIMAL_COMMA, looks_like_times, parse_times

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
        df = _with_plain_columns(df)
        dated = isinstance(df.index, pd.DatetimeIndex | pd.PeriodIndex)
        if isinstance(df.index, pd.MultiIndex) or dated or (time is not None and df.index.name == time):
            several = isinstance(df.index, pd.MultiIndex)
            names = [str(f"level_{i}" if n is None else n) for i, n in enumerate(df.index.names)]
            names = names if several or df.index.name is not None else ["time"]
            from_index = None if several else names[0]
            without_repeats([*names, *df.columns])
            df = df.reset_index(names=names)
    try:
        return nw.from_native(df, eager_only=True), from_index
    except TypeError as error:
        hints = {"LazyFrame": "collect a lazy frame first", "Series": "make it a frame with to_frame()"}
        hint = hints.get(type(df).__name__, "for arrays use Sequences.from_numpy")
        raise InputError(f"Expected a pandas or polars frame, found {type(df).__name__}; {hint}.") from error


def _with_plain_columns(df: pd.DataFrame) -> pd.DataFrame:
    """The frame with one text for the name of every column."""
    if isinstance(df.columns, pd.MultiIndex):
        raise InputError(
            f"Expected one level of column names, found {df.columns.nlevels}: "
            "join them, for example with df.columns = ['_'.join(map(str, name)) for name in df.columns]."
        )
    if df.columns.hasnans:
        raise InputError(f"Column number {df.columns.isna().argmax()} has no name: give it one, or leave it out.")
    df = df.set_axis([str(name) for name in df.columns], axis=1)
    without_repeats(list(df.columns))
    return df


def _roles(
    frame: nw.DataFrame,
    time: str | None,
    id: str | None,
    label: str | None,
    from_index: str | None,
    named: dict[str, tuple[str, ...]],
) -> Roles:
    available = dict.fromkeys(frame.columns)
    for names in (*named.values(), as_names(time), as_names(id), as_names(label)):
        for name in names:
            known(name, available, "column")
    id = ID_NAME if id is None and ID_NAME in available else id
    taken, covariates = {id, label, *named["controls"], *named["targets"], *named["static"]}, set(named["covariates"])
    time = time or from_index or _guess_time(frame, [c for c in available if c not in taken])
    rest = tuple(c for c in available if c not in taken and c != time)
    values = named["values"] or tuple(c for c in rest if c not in covariates)
    if not values:
        raise InputError(
            f"No column of values is left beside {listed([time, *named['covariates']])}; "
            f"columns: {listed(frame.columns)}."
        )
    given = set(values)
    values += tuple(c for c in named["covariates"] if c not in given)
    others = named["controls"] + named["targets"] + named["static"]
    without_repeats([time, *as_names(id), *as_names(label), *values, *others])
    in_order = values if named["values"] else tuple(c for c in rest if c in given or c in covariates)
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
    types = frame.schema  # of all columns at once, as most are numbers and there may be thousands
    dated = [c for c in columns if not types[c].is_numeric() and _is_dated(frame[c])]
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
        return isinstance(column.to_native().dtype, pd.PeriodDtype | pd.DatetimeTZDtype)
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
    cells = _cells(frame[id])
    try:
        codes, found = pd.factorize(cells)
    except TypeError as error:
        raise InputError(
            f"Column {id!r}: expected texts or whole numbers that tell series apart, found {cells[0]!r}."
        ) from error
    if (codes < 0).any():
        raise InputError(
            f"Column {id!r}, row {(codes < 0).argmax()}: expected the identity of a series, found a missing value."
        )
    ids = tuple(i if isinstance(i, int) else str(i) for i in found.tolist())
    if len(set(ids)) < len(ids):
        raise InputError(
            f"Column {id!r}: series of the types {listed(sorted({type(i).__name__ for i in found}))} read the same as "
            "text; convert the column with astype(str)."
        )
    return codes, ids


def _numbers(frame: nw.DataFrame, names: tuple[str, ...]) -> np.ndarray:
    native, chosen = frame.to_native(), list(names)
    if isinstance(native, pd.DataFrame) and all(_is_plain(dtype) for dtype in native.dtypes[chosen].unique()):
        with np.errstate(over="ignore"):  # what float64 cannot hold becomes infinite, and is refused with its place
            return native[chosen].to_numpy(np.float64, copy=True)
    types = frame.schema
    if frame.implementation.is_polars() and names and all(types[n].is_numeric() for n in names):
        return np.array(frame.select(nw.col(*names).cast(nw.Float64)).to_numpy(), np.float64)
    out = np.empty((len(frame), len(names)))
    for i, name in enumerate(names):
        out[:, i] = column_numbers(frame[name])
    return out


def _is_plain(dtype: Any) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind in "biuf"


def column_numbers(column: nw.Series) -> np.ndarray:
    """A column as float64, missing entries NaN."""
    if column.dtype.is_numeric() or column.dtype == nw.Boolean:
        return column.cast(nw.Float64).to_numpy().astype(np.float64)
    cells = _cells(column)
    if first_no_number(cells) is None:
        return as_floats(cells)
    if column.dtype in TEMPORAL:
        raise InputError(
            f"Column {column.name!r} holds dates, expected numbers: "
            "leave it out with values=[...], or name it with time=."
        )
    _refuse_text(column.name, cells, missing_cells(cells))


def _cells(column: nw.Series) -> np.ndarray:
    """A column as one-dimensional objects, whatever its cells are."""
    return np.fromiter(column.to_list(), dtype=object, count=len(column))


def _refuse_text(name: str, cells: np.ndarray, missing: np.ndarray) -> NoReturn:
    """Name the cell to correct in a column of numbers, or say what to do with a column of text."""
    texts = pd.Series([cell if isinstance(cell, str) else None for cell in cells], dtype=object)
    numbers = np.array([isinstance(cell, Real | Decimal) for cell in cells])
    readable = (~np.isnan(np.asarray(pd.to_numeric(texts, errors="coerce"), np.float64)) | numbers) & ~missing
    wrong = ~readable & ~missing
    row = wrong.argmax() if wrong.any() else (~missing).argmax()
    if all(isinstance(cell, str) and DECIMAL_COMMA.match(cell) for cell in cells[wrong]) and wrong.any():
        cure = "write it with a decimal point (pandas.read_csv(decimal=',') reads such files)"
    elif not wrong.any():
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
    cells = _cells(frame[label])
    missing = missing_cells(cells)
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
