import numpy as np
import pytest
from trained import days

import alternax as ax
from alternax.report.values import cut, evenly, number, numbers, percent, plotly, some, stamp, stamps, time_axis


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.123456, "0.1235"), (1.0, "1.000"), (12345.6, "12,346"), (-1e-5, "-1.000e-05"), (0.0, "0.000"), (np.nan, "–")],
)
def test_numbers_are_rounded_to_four_digits(value, text):
    assert number(value) == text


def test_arrays_become_lists_that_json_can_hold():
    assert numbers([[1 / 3, np.nan], [np.inf, 1e10]]) == [[0.3333333, None], [None, 1e10]]


def test_shares_and_lists_of_names():
    assert percent(0.4567) == "45.7 %" and percent(np.nan) == "–"
    assert some(range(3), 3) == "0, 1, 2" and some(range(4), 3) == "0, 1, 2, … (4 in all)"


def test_names_show_literally_in_plotly_and_are_cut_in_the_middle():
    assert plotly("<b>x</b> & y") == "&lt;b&gt;x&lt;/b&gt; &amp; y"
    assert cut("a" * 28) == "a" * 28 and cut("a" * 20 + "b" * 20) == "a" * 13 + "…" + "b" * 13


def test_some_of_many_hold_both_ends():
    assert evenly(10, 4) == [0, 3, 6, 9] and evenly(2, 5) == [0, 1] and evenly(5, 1) == [0]


def test_times_are_on_the_clock_of_the_data():
    import pandas as pd

    frame = pd.DataFrame({"ds": pd.date_range("2024-06-01 22:00", periods=3, freq="h", tz="Europe/Berlin"), "y": 1.0})
    schema = ax.Sequences.from_frame(frame).schema
    data = ax.Sequences.from_frame(frame)
    assert stamps(data.times[0], schema) == ["2024-06-01T22:00:00", "2024-06-01T23:00:00", "2024-06-02T00:00:00"]
    assert stamp(data.times[0, 0], schema) == "2024-06-01 22:00:00"
    assert time_axis(schema)["title"]["text"] == "Europe/Berlin"


def test_days_and_rows():
    dated = ax.Sequences.from_numpy(np.ones((3, 1)), times=days(3))
    counted = ax.Sequences.from_numpy(np.ones((3, 1)))
    assert stamps(dated.times[0], dated.schema) == ["2024-01-01", "2024-01-02", "2024-01-03"]
    assert stamps(counted.times[0], counted.schema) == [0.0, 1.0, 2.0] and stamp(2.0, counted.schema) == "2"
    assert time_axis(counted.schema)["title"]["text"] == "row"
