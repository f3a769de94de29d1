"""One thing wrong somewhere in a good table: every door names the place, and raises nothing but InputError."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr
from data.tables import FRAMES, by_csv, by_frame, by_numpy, by_xarray, pandas_frame, tables
from hypothesis import given
from hypothesis import strategies as st

from alternax.core.errors import InputError
from alternax.data import Sequences

DOORS = {
    "numpy": lambda table, folder: by_numpy(table),
    "csv": by_csv,
    "xarray": lambda table, folder: by_xarray(table),
    **{kind: lambda table, folder, kind=kind: by_frame(FRAMES[kind](table), table) for kind in FRAMES},
}


@st.composite
def spoilt(draw, kinds):
    """A door, a table with one fault, and what the message must say."""
    door = draw(st.sampled_from([*DOORS]))
    table = draw(tables(series=1 if door == "xarray" else 3, least=2))
    name = draw(st.sampled_from(table.series))
    own = [i for i, row in enumerate(table.rows) if row.series == name]
    place = draw(st.integers(1, len(own) - 1))
    index, before = own[place], table.rows[own[place - 1]]
    column = draw(st.sampled_from(table.columns))
    row = rf"row {place if door == 'numpy' else index}\b"
    fault = draw(st.sampled_from(kinds))
    if fault == "duplicate":
        return door, table.spoilt(index, time=before.time), rf"Duplicate time stamp at .*{row}"
    if fault == "unsorted":
        swapped = table.spoilt(own[place - 1], time=table.rows[index].time).spoilt(index, time=before.time)
        return door, swapped, rf"Unsorted time stamps: .*{row}"
    if fault == "missing time":
        gone = pd.NaT if isinstance(before.time, pd.Timestamp) else np.nan
        return door, table.spoilt(index, time=gone), rf"Missing time stamp at .*{row}"
    if fault == "silent":
        empty = tuple({c: v for c, v in r.cells.items() if c != column} for r in table.rows)
        for i, cells in enumerate(empty):
            table = table.spoilt(i, cells=cells)
        return door, table, rf"{re.escape(repr(column))} has no observed value at all"
    cells = table.rows[index].cells | {column: draw(st.sampled_from((np.inf, -np.inf)))}
    return door, table.spoilt(index, cells=cells), rf"Column {re.escape(repr(column))}, .*{row}.*found -?inf"


def refused(door, table, message, folder):
    with pytest.raises(InputError, match=re.compile(message, re.DOTALL)):
        DOORS[door](table, folder)


@given(case=spoilt(["duplicate", "unsorted", "missing time"]))
def test_times_that_do_not_increase_are_refused_with_their_row(tmp_path_factory, case):
    refused(*case, tmp_path_factory.getbasetemp())


@given(case=spoilt(["infinite", "silent"]))
def test_values_that_are_no_data_are_refused_with_their_place(tmp_path_factory, case):
    refused(*case, tmp_path_factory.getbasetemp())


def read(frame, table, kind, folder):
    """A pandas frame through the door of a frame or a file."""
    if kind == "csv":
        frame.to_csv(folder / "frame.csv", index=False)
        return Sequences.from_csv(folder / "frame.csv", time=table.time, id=table.id)
    columns = {name: frame[name].to_list() for name in frame}
    return by_frame(pl.DataFrame(columns) if kind == "polars" else frame, table)


KINDS = st.sampled_from(["pandas", "polars", "csv"])


@given(table=tables(least=2), kind=KINDS, data=st.data())
def test_a_text_among_numbers_is_refused_with_its_place(tmp_path_factory, table, kind, data):
    table = replace(table, zone=None)
    row, column = data.draw(st.integers(1, len(table.rows) - 1)), data.draw(st.sampled_from(table.columns))
    texts = [repr(value) for value in table.column(column, 1.0)]
    texts[row] = "n/k"
    message = f"Column {column!r}, row {row}: expected a number, found 'n/k'"
    with pytest.raises(InputError, match=re.escape(message)):
        read(pandas_frame(table).assign(**{column: texts}), table, kind, tmp_path_factory.getbasetemp())


@given(table=tables(least=2), kind=KINDS, first=st.booleans())
def test_stamps_with_and_without_a_zone_do_not_mix(tmp_path_factory, table, kind, first):
    clocks = [f"2024-10-27T{i // 60:02}:{i % 60:02}:00" for i in range(len(table.rows))]
    stamps = [clock + ("+01:00" if (i == 0) != first else "") for i, clock in enumerate(clocks)]
    frame = pandas_frame(table).assign(**{table.time: stamps})
    message = (
        f"zone in all time stamps or in none, but row {0 if first else 1}, {stamps[0 if first else 1]!r}, has none"
    )
    with pytest.raises(InputError, match=re.escape(message)):
        read(frame, table, kind, tmp_path_factory.getbasetemp())
    with pytest.raises(InputError, match=re.escape(message)):
        Sequences.from_numpy(np.ones((len(stamps), 1)), times=stamps)


DAYS = pd.date_range("2024-01-01", periods=3)
NESTED = pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")])


def objects(*cells):
    return pd.Series(cells, dtype=object)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pd.DataFrame(np.ones((3, 2)), DAYS, NESTED), r"one level of column names, found 2: join them"),
        (lambda: pd.DataFrame(np.ones((3, 2)), DAYS, ["a", None]), r"Column number 1 has no name"),
        (lambda: pd.DataFrame({"a": [1, 2, 3]}, DAYS.rename("a")), r"Column 'a' is named twice"),
        (lambda: pd.DataFrame({"time": [1, 2, 3]}, DAYS), r"Column 'time' is named twice"),
        (lambda: pd.Series([1.0, 2, 3], DAYS), r"found Series; make it a frame with to_frame\(\)"),
        (lambda: pd.DataFrame({"unique_id": [[1], [1], [2]], "ds": DAYS, "y": 1}), r"'unique_id': expected texts or"),
        (lambda: pd.DataFrame({"unique_id": [1.0, "1.0", 1.0], "ds": DAYS, "y": 1}), r"read the same as text"),
        (lambda: pd.DataFrame({"ds": DAYS, "y": pd.Categorical(["a", "b", "a"])}), r"Column 'y', row 0: .* found 'a'"),
        (
            lambda: pd.DataFrame({"ds": DAYS, "y": ["1,5", "2,5", "3"]}),
            r"row 0: .*'1,5'; write it with a decimal point",
        ),
        (lambda: pd.DataFrame({"ds": DAYS, "y": objects(10**400, 1, 2)}), r"Column 'y', row 0 .*found inf"),
        (
            lambda: pd.DataFrame({"ds": DAYS, "y": objects(10**5000, "x", 2)}),
            r"row 1: expected a number, found 'x'; corr",
        ),
        (lambda: pd.DataFrame({"ds": ["01:00", "02:00", "03:00"], "y": 1}), r"'01:00' is a time of day without a date"),
        (lambda: pd.DataFrame({"ds": ["03-01-2024", "03-02-2024"], "y": 1}), r"'03-01-2024' may have the month or the"),
        (
            lambda: pd.DataFrame({"ds": [2**60, 2**60 + 1], "y": 1}),
            r"whole numbers up to 2\*\*53, found 1152921504606846976",
        ),
        (
            lambda: pd.DataFrame({"ds": [-1e308, 1.7e308], "y": 1}),
            r"row 1 .* more than the largest number after the row",
        ),
        (
            lambda: pd.DataFrame({"ds": [0, 1e-300, 2e-300, 1.0], "y": 1}),
            r"row 3 .* usual steps .* expected at most 1e\+30",
        ),
        (
            lambda: pd.DataFrame({"ds": ["1700-01-01", "2020-01-01"], "y": 1}),
            r"row 1 .* more than 292 years after the row",
        ),
        (
            lambda: pd.DataFrame({"ds": ["2020-01-01", "2262-03-01"], "y": 1}),
            r"1678 and 2261: found 2262-03-01 in row 1",
        ),
        (
            lambda: pl.DataFrame({"ds": [1, 2], "y": pl.Series([1, 2], dtype=pl.Duration)}),
            r"Column 'y', row 0: .*timedelta",
        ),
        (lambda: pl.DataFrame(), r"No time column found"),
        (lambda: pl.DataFrame({"ds": [], "y": []}), r"The frame has no rows"),
        (lambda: pd.DataFrame(index=DAYS), r"No column of values is left beside 'time'"),
    ],
)
def test_frames_of_odd_make_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        Sequences.from_frame(make())


@pytest.mark.parametrize("zone", ["dateutil/Europe/Berlin", "tzlocal()"])
def test_a_zone_that_could_not_be_written_down_is_refused(zone):
    stamps = DAYS.tz_localize("UTC").tz_convert(zone)
    with pytest.raises(InputError, match=r"column 'ds': the time zone .* has no name that could be written down"):
        Sequences.from_frame(pd.DataFrame({"ds": stamps, "y": 1.0}))


def test_zones_of_several_series_agree_or_become_utc():
    x, times = np.ones((2, 3, 1)), [DAYS.tz_localize("Asia/Tokyo"), DAYS.tz_localize("Europe/Berlin")]
    data = Sequences.from_numpy(x, times=times)
    assert data.schema.timezone == "UTC"
    np.testing.assert_array_equal(data.times[:, 0], np.array(["2023-12-31T15", "2023-12-31T23"], "datetime64[ns]"))
    with pytest.raises(InputError, match="time stamps with a zone in all series or in none, found both"):
        Sequences.from_numpy(x, times=[times[0], DAYS])


@pytest.mark.parametrize("cell", [pd.NA, pd.NaT, None, np.nan])
def test_missing_objects_in_arrays_are_not_observed(cell):
    data = Sequences.from_numpy(np.array([[cell, 1], [2, 3]], dtype=object))
    np.testing.assert_array_equal(data.observed, [[[False, True], [True, True]]])


def test_frames_are_refused_where_arrays_are_expected():
    with pytest.raises(InputError, match="x: expected an array, found a frame; use Sequences.from_frame"):
        Sequences.from_numpy(pl.DataFrame({"a": [1.0]}))


def test_variables_whose_cells_would_share_a_name_are_refused():
    field = xr.DataArray(np.ones((3, 2)), dims=("time", "cell"))
    with pytest.raises(InputError, match=r"Column 'a\[0\]' is named twice"):
        Sequences.from_xarray(xr.Dataset({"a": field, "a[0]": field[:, 0]}))


def test_a_file_that_is_not_in_memory_yet_is_read(tmp_path):
    field = xr.DataArray([[1.0, np.nan], [3.0, 4.0]], dims=("time", "cell"), coords={"time": DAYS[:2]}, name="a")
    field.to_netcdf(tmp_path / "field.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "field.nc") as lazy:
        data = Sequences.from_xarray(lazy)
    np.testing.assert_array_equal(data.observed, [[[True, False], [True, True]]])
    np.testing.assert_array_equal(data.x, [[[1, 0], [3, 4]]])


@pytest.mark.parametrize(("zone", "at"), [("Europe/Berlin", "2024-10-27 02:30"), ("Europe/Berlin", "2024-03-31 02:30")])
def test_a_split_at_an_hour_that_is_doubled_or_left_out_is_refused(zone, at):
    data = Sequences.from_numpy(np.ones((400, 1)), times=pd.date_range("2024-01-01", periods=400, tz=zone))
    with pytest.raises(InputError, match=rf"'{at}' is no single instant in the zone Europe/Berlin.* add the offset"):
        data.split(at)
    assert data.split(f"{at}+01:00")[0].lengths[0] in (91, 301)


@pytest.mark.parametrize("at", ["NaT", "9999-01-01"])
def test_a_split_at_no_time_at_all_is_refused(at):
    data = Sequences.from_numpy(np.ones((3, 1)), times=DAYS)
    with pytest.raises(InputError, match="it is a missing one|between the years 1678 and 2261"):
        data.split(at)


@pytest.mark.parametrize(
    "times", [["2261-11-01", "2261-12-01"], ["2261-12-30", "2261-12-31"], [0.0, 1e308], [2.0**53 - 1, 2.0**53]]
)
def test_a_future_beyond_what_times_can_hold_is_refused(times):
    data = Sequences.from_numpy(np.ones((2, 1)), times=times)
    with pytest.raises(InputError, match=r"The 2000 rows after .* at the usual step .* reach beyond"):
        data.future_times(2000)
