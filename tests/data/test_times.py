import datetime

import numpy as np
import pandas as pd
import pytest

from alternax.core.errors import InputError
from alternax.data import Sequences, calendar_features, default_calendar


def regular(times, **options):
    return Sequences.from_numpy(np.ones((len(times), 1)), times=times, **options)


@pytest.mark.parametrize(
    ("freq", "start", "step"),
    [
        ("s", "2020-01-01", "s"),
        ("15min", "2020-01-01", "15min"),
        ("h", "2020-01-01", "h"),
        ("6h", "2020-01-01", "6h"),
        ("D", "2020-01-01", "D"),
        ("7D", "2020-01-01", "7D"),
        ("W", "2020-01-01", "7D"),
        ("28D", "2020-01-01", "28D"),
        ("30D", "2020-01-01", "30D"),
        ("90min", "2020-01-01", "90min"),
        ("250ms", "2020-01-01", "250ms"),
        ("B", "2020-01-01", "B"),
        ("MS", "2020-01-01", "MS"),
        ("ME", "2020-01-01", "ME"),
        ("QS", "2020-01-01", "3MS"),
        ("QE", "2020-01-01", "3ME"),
        ("YS", "2020-01-01", "12MS"),
    ],
)
def test_regular_data_have_unit_steps_and_go_on_as_pandas_would(freq, start, step):
    times = pd.date_range(start, periods=40, freq=freq)
    data = regular(times[:30])
    assert data.schema.step == step
    np.testing.assert_array_equal(data.dt, np.ones((1, 30)))
    np.testing.assert_array_equal(data.future_times(10)[0], times[30:].as_unit("ns"))
    np.testing.assert_array_equal(data.future_dt(10), np.ones((1, 10)))


def test_gaps_in_the_rows_count_their_steps():
    hours = pd.date_range("2020-01-01", periods=20, freq="h")
    np.testing.assert_array_equal(regular(hours[[0, 1, 2, 3, 7, 8]]).dt, [[1, 1, 1, 1, 4, 1]])
    months = pd.date_range("2020-01-01", periods=20, freq="MS")
    np.testing.assert_array_equal(regular(months[[0, 1, 2, 3, 7, 8]]).dt, [[1, 1, 1, 1, 4, 1]])
    business = pd.date_range("2020-01-01", periods=20, freq="B")
    np.testing.assert_array_equal(regular(business[[0, 1, 2, 3, 4, 9, 10]]).dt, [[1, 1, 1, 1, 1, 5, 1]])


def test_stamps_in_the_middle_of_months_of_any_length_are_one_month_apart():
    middle = np.array(["2021-01-16T12", "2021-02-15", "2021-03-16T12", "2021-04-16", "2021-05-16T12"], "datetime64[ns]")
    data = regular(middle[:4])
    assert data.schema.step == "MM"
    np.testing.assert_array_equal(data.dt, np.ones((1, 4)))
    np.testing.assert_array_equal(data.future_times(1), [middle[4:]])
    np.testing.assert_array_equal(regular(middle[:1]).like(data.schema).future_times(4), [middle[1:]])


def test_stamps_on_nearly_the_same_day_of_the_month_are_one_month_apart():
    data = regular(np.array(["2021-01-11", "2021-02-10", "2021-03-11", "2021-05-11"], "datetime64[D]"))
    assert data.schema.step == "MS"
    np.testing.assert_array_equal(data.dt, [[1, 1, 1, 2]])
    np.testing.assert_array_equal(data.future_times(1), [[np.datetime64("2021-06-11")]])


def test_the_31st_becomes_the_last_day_of_shorter_months():
    data = regular(pd.to_datetime(["2020-10-30", "2020-11-30", "2020-12-30"]))
    np.testing.assert_array_equal(
        data.future_times(3)[0], np.array(["2021-01-30", "2021-02-28", "2021-03-30"], "datetime64[ns]")
    )


def test_irregular_times_are_measured_in_the_median_step():
    data = regular([0.0, 1.0, 3.0, 6.0, 10.0, 15.0])
    assert data.schema.step == 3
    np.testing.assert_allclose(data.dt, [[1, 1 / 3, 2 / 3, 1, 4 / 3, 5 / 3]])
    jittered = pd.to_datetime(
        ["2020-01-01 00:00:00", "2020-01-01 00:00:10", "2020-01-01 00:00:31", "2020-01-01 00:00:50"]
    )
    np.testing.assert_allclose(regular(jittered).dt, [[1, 10 / 19, 21 / 19, 1]])


def test_the_step_is_shared_by_all_series():
    data = Sequences.from_numpy([np.ones((2, 1)), np.ones((5, 1))], times=[[0.0, 4.0], [0.0, 2.0, 4.0, 6.0, 8.0]])
    np.testing.assert_array_equal(data.dt, [[1, 2, 1, 1, 1], [1, 1, 1, 1, 1]])


def test_days_count_as_one_across_daylight_saving_and_hours_stay_hours():
    days = pd.date_range("2024-03-29", periods=5, tz="Europe/Berlin")  # the clock changes on 31 March
    data = regular(days[:3])
    assert (data.schema.step, data.schema.timezone) == ("D", "Europe/Berlin")
    np.testing.assert_array_equal(data.times[0], days[:3].tz_convert("UTC").tz_localize(None).as_unit("ns"))
    np.testing.assert_array_equal(data.future_times(2)[0], days[3:].tz_convert("UTC").tz_localize(None).as_unit("ns"))
    hours = pd.date_range("2024-03-31", periods=5, freq="h", tz="Europe/Berlin")
    assert regular(hours).schema.step == "h"
    np.testing.assert_array_equal(regular(hours).dt, np.ones((1, 5)))


def test_calendar_features_follow_the_local_clock():
    stamps = pd.to_datetime(["2024-07-01 06:00", "2024-01-01 06:00"]).tz_localize("Europe/Berlin")
    data = regular(stamps[::-1], calendar=["hour"])
    np.testing.assert_allclose(data.all_controls(), [[[1, 0], [1, 0]]], atol=1e-12)


def test_calendar_features_by_hand():
    times = np.array(
        [["2023-01-01T00", "2023-07-02T12", "NaT"]], "datetime64[ns]"
    )  # Sunday, Sunday, the middle of the year
    features = calendar_features(times, ["hour", "weekday", "day_of_year", "month"])
    sunday, july = 2 * np.pi * 6 / 7, np.pi
    expected = [
        [0, 1, np.sin(sunday), np.cos(sunday), 0, 1, 0, 1],
        [0, -1, np.sin(sunday), np.cos(sunday), 0, -1, np.sin(july), np.cos(july)],
        [0] * 8,
    ]
    np.testing.assert_allclose(features, [expected], atol=1e-12)
    assert calendar_features(times, []).shape == (1, 3, 0)
    leap = np.array(["2024-12-31T12"], "datetime64[ns]")
    np.testing.assert_allclose(calendar_features(leap, ["day_of_year"])[0, 0], np.sin(2 * np.pi * 365.5 / 366))


@pytest.mark.parametrize(
    ("step", "names"),
    [
        ("15min", ("hour", "weekday")),
        ("D", ("weekday", "day_of_year")),
        ("B", ("weekday", "day_of_year")),
        ("7D", ("day_of_year",)),
        ("MS", ("month",)),
        ("3ME", ("month",)),
        ("12MS", ()),
        ("365D", ()),
        (2.0, ()),
        (None, ()),
    ],
)
def test_default_calendar_has_the_cycles_longer_than_the_step(step, names):
    assert default_calendar(step) == names


@pytest.mark.parametrize(
    "times",
    [
        ["2020-01-01", "2020-01-02"],
        np.array(["2020-01-01", "2020-01-02"], "datetime64[D]"),
        [datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)],
        [datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 2)],
        pd.period_range("2020-01-01", periods=2, freq="D"),
        pd.Series(pd.date_range("2020-01-01", periods=2)),
        pd.date_range("2020-01-01 05:30", periods=2, tz="Asia/Kolkata"),
        ["2020-01-01T05:30+05:30", "2020-01-02T05:30+05:30"],
        ["2020-01-01T02:00+02:00", "2020-01-02T01:00+01:00"],
        ["31/12/2019", "1/1/2020"],
    ],
)
def test_dates_of_any_make_are_the_same_instants(times):
    expected = np.array(["2020-01-01", "2020-01-02"], "datetime64[ns]")
    found = regular(times).times[0]
    np.testing.assert_array_equal(found - (found[0] - expected[0]), expected)
    assert found[0] == (
        np.datetime64("2019-12-31") if isinstance(times, list) and times[0] == "31/12/2019" else expected[0]
    )


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["2020-01-01", "2020-01-01", "2020-01-02"], r"Duplicate time stamp at row 1 \(time 2020-01-01\)"),
        ([3.0, 1.0, 2.0], r"Unsorted time stamps: row 1 \(time 1\) comes after 3; sort the rows by time first"),
        (["2020-01-01", None, "2020-01-02"], r"Missing time stamp at row 1: every row needs a time"),
        ([0.0, 1.0, np.inf], r"Missing time stamp at row 2"),
        (["2020-01-01", "2020-01-02", "later"], r"times: cannot read 'later' as a time stamp"),
        (["01/02/2020", "02/02/2020", "03/02/2020"], r"'01/02/2020' may have the month or the day first"),
        ([1, "2020-01-01", 3], r"times: expected time stamps or numbers, found a mixture that starts with 1"),
        (["2020-01-01", "2020-01-02"], r"times: expected shape \(3,\), one time for each row of x, found \(2,\)"),
        (np.zeros((3, 1)), r"times: expected a one-dimensional list of time stamps, found shape \(3, 1\)"),
        (np.array(["1500-01-01", "1500-01-02", "1500-01-03"], "datetime64[s]"), r"between the years 1678 and 2261"),
        ([[1.0], [2.0], [3.0]], r"times: expected 1 series as in x, found 3"),
    ],
)
def test_times_that_do_not_increase_or_cannot_be_read_are_refused(times, message):
    with pytest.raises(InputError, match=message):
        Sequences.from_numpy(np.ones((3, 1)), times=times)


def test_dates_and_numbers_do_not_mix_between_series():
    with pytest.raises(InputError, match=r"expected dates in all series or numbers in all series, found both"):
        Sequences.from_numpy(np.ones((2, 2, 1)), times=[[1.0, 2.0], ["2020-01-01", "2020-01-02"]])


def test_duplicates_name_the_series():
    with pytest.raises(InputError, match=r"Duplicate time stamp at series '1', row 2 \(time 5\)"):
        Sequences.from_numpy(np.ones((2, 3, 1)), times=[[0.0, 1.0, 2.0], [0.0, 5.0, 5.0]])
