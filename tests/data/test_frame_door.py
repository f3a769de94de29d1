import datetime
import decimal

import numpy as np
import pandas as pd
import polars as pl
import polars.testing
import pytest

from alternax.core.errors import InputError
from alternax.data import Sequences

NAN = np.nan
DAYS = pd.date_range("2024-01-01", periods=3)


def wide():
    return pd.DataFrame({"day": DAYS, "a": [1.0, NAN, 3.0], "b": [4.0, 5.0, NAN], "n": [1.0, 2.0, 3.0]})


def long():
    return pd.DataFrame(
        {
            "unique_id": ["p", "q", "p", "q", "p"],
            "ds": DAYS[[0, 0, 1, 1, 2]],
            "y": [1.0, 10.0, NAN, 20.0, 3.0],
            "area": [7.0, 8.0, 7.0, 8.0, 7.0],
        }
    )


def as_polars(frame):
    return pl.DataFrame(
        {c: frame[c].to_numpy() if c != "unique_id" else frame[c].to_list() for c in frame}
    ).with_columns(pl.selectors.float().fill_nan(None))


@pytest.mark.parametrize("make", [lambda: wide(), lambda: as_polars(wide())], ids=["pandas", "polars"])
def test_wide_frame_with_roles(make):
    data = Sequences.from_frame(make(), covariates="b", controls=["n"], kinds={"a": "positive"})
    np.testing.assert_array_equal(data.x, [[[1, 4], [0, 5], [3, 0]]])
    np.testing.assert_array_equal(data.observed, [[[True, True], [False, True], [True, False]]])
    np.testing.assert_array_equal(data.controls, [[[1], [2], [3]]])
    np.testing.assert_array_equal(data.times[0], DAYS.as_unit("ns"))
    np.testing.assert_array_equal(data.scored, [True, False])
    assert (data.schema.values, data.schema.kinds) == (("a", "b"), ("positive", "real"))
    assert (data.schema.time_name, data.schema.step, data.schema.layout) == ("day", "D", "wide")
    assert not data.batched


@pytest.mark.parametrize("make", [lambda: long(), lambda: as_polars(long())], ids=["pandas", "polars"])
def test_long_frame_is_recognised_and_interleaved_series_are_told_apart(make):
    data = Sequences.from_frame(make(), static="area")
    np.testing.assert_array_equal(data.x[..., 0], [[1, 0, 3], [10, 20, 0]])
    np.testing.assert_array_equal(data.observed[..., 0], [[True, False, True], [True, True, False]])
    np.testing.assert_array_equal(data.valid, [[True, True, True], [True, True, False]])
    np.testing.assert_array_equal(data.static, [[7], [8]])
    assert data.schema.ids == ("p", "q")
    assert data.batched
    np.testing.assert_array_equal(data.future_times(1)[:, 0], DAYS.as_unit("ns")[[2, 1]] + pd.Timedelta(days=1))


def test_pandas_frames_come_back_as_they_went_in():
    pd.testing.assert_frame_equal(Sequences.from_frame(wide()).to_frame(), wide())
    roles = Sequences.from_frame(wide(), controls="n", targets="b")
    pd.testing.assert_frame_equal(roles.to_frame(), wide()[["day", "a", "n", "b"]])
    by_series = long().sort_values("unique_id", kind="stable", ignore_index=True)
    pd.testing.assert_frame_equal(Sequences.from_frame(long(), static="area").to_frame(), by_series, check_dtype=False)
    indexed = wide().set_index("day")
    pd.testing.assert_frame_equal(Sequences.from_frame(indexed).to_frame(), indexed, check_freq=False)
    nameless = wide().set_index("day").rename_axis(None)
    out = Sequences.from_frame(nameless).to_frame()
    pd.testing.assert_frame_equal(out, nameless, check_freq=False, check_names=False)


def test_polars_frames_come_back_as_polars_with_nulls():
    for frame in (as_polars(wide()), as_polars(long()).sort("unique_id", maintain_order=True)):
        polars.testing.assert_frame_equal(Sequences.from_frame(frame).to_frame(), frame, check_dtypes=False)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC"])
def test_time_zones_keep_the_instant_and_come_back(zone):
    stamps = pd.date_range("2024-03-31", periods=4, freq="h", tz=zone)
    frame = pd.DataFrame({"at": stamps, "a": [1.0, 2.0, 3.0, 4.0]})
    data = Sequences.from_frame(frame)
    np.testing.assert_array_equal(data.times[0], stamps.tz_convert("UTC").tz_localize(None).as_unit("ns"))
    pd.testing.assert_frame_equal(data.to_frame(), frame)
    other = pl.DataFrame({"at": stamps.tz_convert("UTC").tz_localize(None).to_numpy(), "a": [1.0, 2.0, 3.0, 4.0]})
    other = other.with_columns(pl.col("at").dt.replace_time_zone("UTC").dt.convert_time_zone(zone))
    read = Sequences.from_frame(other)
    np.testing.assert_array_equal(read.times, data.times)
    assert read.schema.timezone == zone
    polars.testing.assert_frame_equal(read.to_frame(), other, check_dtypes=False)
    assert read.to_frame().schema["at"].time_zone == zone


def test_split_dates_are_meant_in_the_zone_of_the_data():
    stamps = pd.date_range("2024-01-01", periods=3, freq="D", tz="Asia/Tokyo")
    before, _ = Sequences.from_frame(pd.DataFrame({"at": stamps, "a": [1.0, 2.0, 3.0]})).split("2024-01-02")
    assert before.lengths.tolist() == [1]


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": [1, 2], "t": ["2024-01-01", "2024-01-02"]}),
        pd.DataFrame({"a": [1, 2], "t": ["2024-01", "2024-02"]}),
        pd.DataFrame({"a": [1, 2], "t": [datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)]}),
        pd.DataFrame({"a": [1, 2], "t": pd.period_range("2024-01", periods=2, freq="M")}),
        pd.DataFrame({"a": [1, 2]}, index=pd.period_range("2024-01", periods=2, freq="M")),
        pd.DataFrame({"a": [1, 2]}, index=pd.date_range("2024-01", periods=2)),
        pl.DataFrame({"a": [1, 2], "t": [datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)]}),
        pl.DataFrame({"a": [1, 2], "t": ["2024-01-01", "2024-01-02"]}),
    ],
)
def test_the_only_column_of_dates_is_the_time(frame):
    data = Sequences.from_frame(frame)
    assert data.times[0, 0] == np.datetime64("2024-01-01")
    np.testing.assert_array_equal(data.x, [[[1], [2]]])


@pytest.mark.parametrize(
    "column",
    [
        pd.array([1, None, 3], dtype="Int64"),
        pd.array([1.0, None, 3.0], dtype="Float64"),
        [1, None, 3],
        np.array([1, None, 3], dtype=object),
        np.array([decimal.Decimal(1), None, 3], dtype=object),
        pl.Series([1, None, 3]),
        pl.Series([1.0, NAN, 3.0]),
        pl.Series([1, None, 3], dtype=pl.Decimal(10, 2)),
    ],
)
def test_missing_entries_of_every_column_type_are_not_observed(column):
    library = pl if isinstance(column, pl.Series) else pd
    data = Sequences.from_frame(library.DataFrame({"t": [0, 1, 2], "a": column}), time="t")
    np.testing.assert_array_equal(data.x[0, :, 0], [1, 0, 3])
    np.testing.assert_array_equal(data.observed[0, :, 0], [True, False, True])


def test_truth_values_are_zero_and_one():
    for library in (pd, pl):
        frame = library.DataFrame({"t": [0, 1], "a": [True, False]})
        assert Sequences.from_frame(frame, time="t", kinds={"a": "binary"}).x[0, :, 0].tolist() == [1, 0]


def test_whole_number_times_stay_whole_in_and_out():
    frame = pd.DataFrame({"year": [2001, 2002, 2004], "a": [1.0, 2.0, 3.0]})
    data = Sequences.from_frame(frame, time="year")
    np.testing.assert_array_equal(data.dt, [[1, 1, 2]])
    pd.testing.assert_frame_equal(data.to_frame(), frame)
    assert data.future_times(1)[0, 0] == 2005


def test_multi_index_gives_series_and_time():
    frame = long().drop(columns="area").set_index(["unique_id", "ds"])
    assert Sequences.from_frame(frame).schema.ids == ("p", "q")


def test_several_values_per_series_with_whole_number_identities():
    frame = pd.DataFrame({"shop": [3, 3, 1, 1], "t": [0, 1, 0, 1], "a": [1.0, 2, 3, 4], "b": [5.0, 6, 7, 8]})
    data = Sequences.from_frame(frame, time="t", id="shop")
    np.testing.assert_array_equal(data.x, [[[1, 5], [2, 6]], [[3, 7], [4, 8]]])
    assert data.schema.ids == (3, 1)
    pd.testing.assert_frame_equal(data.to_frame(), frame)


def test_missing_targets_are_unlabelled():
    data = Sequences.from_frame(wide(), values="n", targets=["b", "a"])
    np.testing.assert_array_equal(data.targets, [[[4, 1], [5, 0], [0, 3]]])
    np.testing.assert_array_equal(data.labelled, [[[True, True], [True, False], [False, True]]])


TEXT = pd.DataFrame({"day": DAYS, "a": ["1.0", "x", "3.0"]})


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (np.ones((3, 2)), {}, r"Expected a pandas or polars frame, found ndarray; for arrays use Sequences.from_numpy"),
        (pl.DataFrame({"a": [1]}).lazy(), {}, r"found LazyFrame; collect a lazy frame first"),
        (wide().iloc[:0], {}, r"The frame has no rows \(columns: 'day', 'a', 'b', 'n'\)"),
        (wide()[["day"]], {}, r"No column of values is left beside 'day'; columns: 'day'"),
        (wide()[["a", "b"]], {}, r"No time column found: none of the columns 'a', 'b' holds dates; name it with time="),
        (wide().assign(end=DAYS), {}, r"More than one possible time column: 'day', 'end'; name it with time="),
        (wide().assign(end=DAYS), {"time": "day"}, r"Column 'end' holds dates, expected numbers: leave it out"),
        (wide(), {"values": ["c"]}, r"Unknown column 'c': expected one of 'day', 'a', 'b', 'n'"),
        (wide(), {"time": "Day"}, r"Unknown column 'Day'.*Did you mean 'day'"),
        (wide(), {"id": "who"}, r"Unknown column 'who'"),
        (wide(), {"values": ["a", "n"], "controls": "n"}, r"Column 'n' is named twice: each column has one .* role"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), {}, r"Column 'a' is named twice"),
        (wide(), {"covariates": ["a", "b", "n"]}, r"No column of values is left beside 'day', 'a', 'b', 'n'"),
        (TEXT, {}, r"Column 'a', row 1: expected a number, found 'x'; correct the cell"),
        (TEXT.assign(a="5"), {}, r"Column 'a', row 0: expected a number, found '5'; convert the column with astype"),
        (TEXT.assign(a="red"), {}, r"Column 'a', row 0: .* leave the column out .* or name it with id='a' if it tells"),
        (wide().assign(a=[1.0, [2], 3.0]), {}, r"Column 'a', row 1: expected a number, found \[2\]"),
        (wide().assign(a=[1j, 2, 3]), {}, r"Column 'a', row 0: expected a number, found 1j"),
        (pl.DataFrame({"t": [1], "a": [[1]]}), {"time": "t"}, r"Column 'a', row 0: expected a number, found \[1\]"),
        (wide().assign(a=DAYS - DAYS[0]), {}, r"Column 'a', row 0: expected a number, found Timedelta"),
        (wide().assign(a=NAN), {}, r"Column 'a' has no observed value at all \(all 3 rows are missing\)"),
        (wide().assign(a=None), {}, r"Column 'a' has no observed value at all"),
        (wide().assign(b=[1, np.inf, 2]), {}, r"Column 'b', row 1 \(time 2024-01-02\): .* found inf"),
        (wide(), {"controls": "a"}, r"Control 'a', row 1 \(time 2024-01-02\): controls must be known .* found nan"),
        (wide(), {"kinds": {"a": "number"}}, r"Unknown kind 'number'"),
        (wide(), {"kinds": {"day": "real"}}, r"Unknown column in kinds 'day'"),
        (wide().iloc[::-1], {}, r"Unsorted time stamps: row 1 \(time 2024-01-02\) comes after 2024-01-03; sort"),
        (wide().iloc[[0, 1, 1]], {}, r"Duplicate .* row 2 \(time 2024-01-02\): .* name their column with id="),
        (long().iloc[[0, 1, 2, 2]], {}, r"Duplicate time stamp at series 'p', row 3 \(time 2024-01-02\)"),
        (long().assign(y=[1, 2, 3, np.inf, 5]), {}, r"Column 'y', series 'q', row 3 \(time 2024-01-02\): .* found inf"),
        (long().assign(ds=[*DAYS[[0, 0]], None, *DAYS[[1, 2]]]), {}, r"Missing time stamp at series 'p', row 2"),
        (long().assign(unique_id=["p", "q", None, "q", "p"]), {}, r"Column 'unique_id', row 2: .* a missing value"),
        (long(), {"static": "y"}, r"Static column 'y', row 3: expected 10 as .* series 'q', found 20"),
        (long().assign(area=NAN), {"static": "area"}, r"Static value 'area' of series 'p': .* found nan"),
        (wide().assign(t=[0, 1, 2]).drop(columns="day"), {"time": "t", "calendar": "hour"}, r"need dates"),
    ],
)
def test_frames_that_do_not_fit_are_refused(frame, options, message):
    with pytest.raises(InputError, match=message):
        Sequences.from_frame(frame, **options)
