"""Tables whose content is known without any door, and the same table as every door takes it."""

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import xarray as xr
from hypothesis import strategies as st

from alternax.data import Sequences

ALPHABET = "aZ_ éß\u0301\u05e9\u0639\U0001f600,;\"'\n\t|[]{}%#."
NAMES = st.one_of(
    st.sampled_from(
        ["y", "sea level", "a,b", 'say "x"', "two\nlines", "שלום", "عمق", "e\u0301", "é", "温度", "👩‍🔬", "x;y"]
    ),
    st.text(ALPHABET, min_size=1, max_size=6),
).filter(lambda name: name == name.strip() != "")
ZONES = (None, "UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata", "Pacific/Apia")
# Around the change of clocks in spring and autumn, the end of a year, a leap day, and both ends of what dates can hold.
STARTS = ("2024-03-30T22:30", "2024-10-26T22:30", "2023-12-31T12", "2024-02-28", "1700-06-01", "2255-01-01")
STEPS = tuple(pd.Timedelta(step) for step in ("1us", "1min", "30min", "1h", "1D", "31D"))
SIZES = st.floats(min_value=1e-30, max_value=1e30)
VALUES = st.one_of(st.integers(-5, 5).map(float), SIZES, SIZES.map(lambda size: -size))

Truth = dict[Any, dict[Any, dict[str, float]]]


@dataclass(frozen=True)
class Row:
    """One row of one series; `cells` holds only what was observed."""

    series: str
    time: Any
    cells: dict[str, Any]


@dataclass(frozen=True)
class Table:
    """Rows in the order in which they stand in a frame.

    Args:
        rows: Rows of all series, those of a series in order of time.
        columns: Names of the values.
        time: Name of the time column.
        id: Name of the column of series, None for a single series.
        zone: Zone of the time stamps.
    """

    rows: tuple[Row, ...]
    columns: tuple[str, ...]
    time: str
    id: str | None
    zone: str | None

    @property
    def series(self) -> list[str]:
        """Series in order of appearance."""
        return list(dict.fromkeys(row.series for row in self.rows))

    @property
    def stamps(self) -> list[Any]:
        """The time of every row: in its zone, where dates are meant."""
        if not isinstance(self.rows[0].time, pd.Timestamp) or self.zone is None:
            return [row.time for row in self.rows]
        return [row.time.tz_localize("UTC").tz_convert(self.zone) for row in self.rows]

    def truth(self) -> Truth:
        """What was observed, by series, time and column."""
        return {s: {row.time: row.cells for row in self.rows if row.series == s} for s in self.series}

    def column(self, name: str, missing: Any = np.nan) -> list[Any]:
        """One column of values, top to bottom."""
        return [row.cells.get(name, missing) for row in self.rows]

    def spoilt(self, index: int, **changes: Any) -> "Table":
        """The table with something else in one row."""
        rows = list(self.rows)
        rows[index] = replace(rows[index], **changes)
        return replace(self, rows=tuple(rows))


@st.composite
def tables(draw: st.DrawFn, *, series: int = 3, least: int = 1, values: st.SearchStrategy = VALUES) -> Table:
    """Ragged series with gaps on irregular times; every column is observed somewhere."""
    count = draw(st.integers(1, series))
    width = draw(st.integers(1, 4))
    names = draw(st.lists(NAMES, min_size=width + 2 + count, max_size=width + 2 + count, unique=True))
    columns, time, id, ids = tuple(names[:width]), names[width], names[width + 1], names[width + 2 :]
    dated, unit = draw(st.booleans()), draw(st.sampled_from((1, 0.25, 1e-20, 1e20)))
    lengths = draw(st.lists(st.integers(least, 6), min_size=count, max_size=count))
    rows = [
        Row(name, stamp, {c: draw(values) for c in columns if draw(st.integers(0, 3))})
        for name, length in zip(ids, lengths, strict=True)
        for stamp in draw(_dates(length) if dated else _numbers(length, unit))
    ]
    rows[0] = replace(rows[0], cells={c: draw(values) for c in columns})
    if draw(st.booleans()):  # series take turns, as in a table sorted by time
        rows.sort(key=lambda row: row.time)
    zone = draw(st.sampled_from(ZONES)) if dated else None
    return Table(tuple(rows), columns, time, id if count > 1 else None, zone)


@st.composite
def _dates(draw: st.DrawFn, length: int) -> list[pd.Timestamp]:
    steps = draw(st.lists(st.sampled_from(STEPS), min_size=length, max_size=length))
    first = pd.Timestamp(draw(st.sampled_from(STARTS)))
    return [first + sum(steps[:i], pd.Timedelta(0)) for i in range(length)]


@st.composite
def _numbers(draw: st.DrawFn, length: int, unit: float) -> list[float]:
    counted = sorted(draw(st.lists(st.integers(-(2**40), 2**40), min_size=length, max_size=length, unique=True)))
    return counted if unit == 1 else [number * unit for number in counted]


def held(data: Sequences, table: Table) -> Truth:
    """What a container holds, in the words of the truth; series without identities count in order."""
    assert np.isfinite(data.x).all() and not data.x[~data.observed].any()
    names = table.series if data.schema.ids == tuple(map(str, range(data.series))) else list(data.schema.ids)
    return {
        name: {
            _plain(data.times[s, row]): {
                column: data.x[s, row, i] for i, column in enumerate(data.schema.values) if data.observed[s, row, i]
            }
            for row in range(data.lengths[s])
        }
        for s, name in enumerate(names)
    }


def _plain(time: Any) -> Any:
    return pd.Timestamp(time) if isinstance(time, np.datetime64) else float(time)


def pandas_frame(table: Table, dtype: Any = None, missing: Any = np.nan) -> pd.DataFrame:
    """Long for several series, wide for one."""
    ids = {} if table.id is None else {table.id: [row.series for row in table.rows]}
    cells = {c: pd.Series(table.column(c, missing), dtype=dtype) for c in table.columns}
    return pd.DataFrame(ids | {table.time: pd.Series(table.stamps)} | cells)


def polars_frame(table: Table, missing: Any = None) -> pl.DataFrame:
    """Long for several series, wide for one."""
    ids = {} if table.id is None else {table.id: [row.series for row in table.rows]}
    cells = {c: pl.Series(table.column(c, missing), dtype=pl.Float64) for c in table.columns}
    if not isinstance(table.rows[0].time, pd.Timestamp):
        return pl.DataFrame(ids | {table.time: [row.time for row in table.rows]} | cells)
    time = pl.Series([None if pd.isna(row.time) else row.time for row in table.rows], dtype=pl.Datetime("us"))
    time = time if table.zone is None else time.dt.replace_time_zone("UTC").dt.convert_time_zone(table.zone)
    return pl.DataFrame(ids | {table.time: time} | cells)


def by_numpy(table: Table) -> Sequences:
    """A list of matrices with times of their own, or one matrix."""
    places = [[i for i, row in enumerate(table.rows) if row.series == name] for name in table.series]
    x = np.array([table.column(c) for c in table.columns], dtype=object).T
    parts, times = [x[i] for i in places], [[table.stamps[i] for i in place] for place in places]
    if table.id is None:
        return Sequences.from_numpy(parts[0], times=times[0], names=table.columns)
    return Sequences.from_numpy(parts, times=times, names=table.columns)


def by_frame(frame: Any, table: Table) -> Sequences:
    """Any frame of the table."""
    return Sequences.from_frame(frame, time=table.time, id=table.id)


def by_csv(table: Table, folder: Path, separator: str = ",") -> Sequences:
    """A file, written by hand: pandas must not read what pandas wrote."""
    path = folder / "table.csv"
    ids = [] if table.id is None else [table.id]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=separator, lineterminator="\n")
        writer.writerow([*ids, table.time, *table.columns])
        for row, stamp in zip(table.rows, table.stamps, strict=True):
            text = _iso(stamp) if isinstance(stamp, pd.Timestamp) else repr(stamp)
            cells = [repr(row.cells[c]) if c in row.cells else "" for c in table.columns]
            writer.writerow([*([row.series] if ids else []), text, *cells])
    return Sequences.from_csv(path, time=table.time, id=table.id)


def _iso(stamp: pd.Timestamp) -> str:
    """ISO 8601 knows no offsets of seconds, as clocks had before there were zones."""
    odd = stamp.tz is not None and stamp.utcoffset().total_seconds() % 60
    return (stamp.tz_convert("UTC") if odd else stamp).isoformat()


def by_xarray(table: Table) -> Sequences:
    """One variable a column; only for a single series."""
    times = [row.time for row in table.rows]
    stamps = pd.DatetimeIndex(times) if isinstance(times[0], pd.Timestamp) else np.array(times)
    cells = {c: (table.time, np.array(table.column(c))) for c in table.columns}
    return Sequences.from_xarray(xr.Dataset(cells, coords={table.time: stamps}), time=table.time)


FRAMES: dict[str, Callable[[Table], Any]] = {
    "pandas": pandas_frame,
    "pandas objects": lambda table: pandas_frame(table, object, None),
    "pandas nullable": lambda table: pandas_frame(table, "Float64", pd.NA),
    "polars null": polars_frame,
    "polars NaN": lambda table: polars_frame(table, np.nan),
}
