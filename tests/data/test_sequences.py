import doctest
import importlib
import json

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from alternax.core.errors import InputError
from alternax.data import Schema, Sequences

NAN = np.nan


@pytest.fixture(scope="module")
def ragged():
    return Sequences.from_numpy(
        [np.array([[1.0, NAN], [2.0, 20.0], [3.0, 30.0]]), np.array([[4.0, 40.0], [NAN, 50.0]])],
        targets=[[[1.0], [NAN], [3.0]], [[4.0], [5.0]]],
        controls=[[[7.0], [8.0], [9.0]], [[5.0], [6.0]]],
        static=[[0.5, 1.5], [2.5, 3.5]],
        covariates=["x1"],
    )


def test_ragged_series_are_padded_on_the_right_and_masked(ragged):
    np.testing.assert_array_equal(ragged.valid, [[True, True, True], [True, True, False]])
    np.testing.assert_array_equal(ragged.x[..., 0], [[1, 2, 3], [4, 0, 0]])
    np.testing.assert_array_equal(ragged.observed[..., 0], [[True, True, True], [True, False, False]])
    np.testing.assert_array_equal(ragged.observed[..., 1], [[False, True, True], [True, True, False]])
    np.testing.assert_array_equal(ragged.labelled[..., 0], [[True, False, True], [True, True, False]])
    np.testing.assert_array_equal(ragged.times, [[0, 1, 2], [0, 1, NAN]])
    np.testing.assert_array_equal(ragged.scored, [True, False])
    assert (ragged.series, ragged.obs_dim, ragged.target_dim, ragged.control_dim) == (2, 2, 1, 3)
    assert ragged.batched


def test_controls_of_a_model_are_the_users_then_static_values_and_zero_on_padding(ragged):
    expected = [[[7, 0.5, 1.5], [8, 0.5, 1.5], [9, 0.5, 1.5]], [[5, 2.5, 3.5], [6, 2.5, 3.5], [0, 0, 0]]]
    np.testing.assert_array_equal(ragged.all_controls(), expected)
    assert ragged.control_names == ("control0", "static0", "static1")


def test_arrays_hold_the_same_numbers_with_a_series_axis_on_every_leaf(ragged):
    seq = ragged.arrays()
    assert seq.x.dtype == jnp.zeros(()).dtype
    for name in ("x", "observed", "valid", "dt", "targets", "labelled"):
        np.testing.assert_array_equal(getattr(seq, name), getattr(ragged, name))
    np.testing.assert_array_equal(seq.controls, ragged.all_controls())
    np.testing.assert_array_equal(seq.scored, [[True, False], [True, False]])
    assert seq.resets is None and not seq.starts.any()
    assert ragged.arrays(jnp.float16).controls.dtype == jnp.float16


def test_none_is_missing_and_one_series_is_unbatched():
    data = Sequences.from_numpy([[1, None], [2, 3]])
    assert not data.batched
    np.testing.assert_array_equal(data.observed, [[[True, False], [True, True]]])
    np.testing.assert_array_equal(data.to_frame().to_numpy(), [[0, 1, NAN], [1, 2, 3]])


def test_three_axes_are_series_and_companions_of_two_axes_are_shared():
    data = Sequences.from_numpy(np.zeros((2, 3, 1)), controls=np.arange(3.0)[:, None], times=[0.0, 2.0, 3.0])
    assert data.batched
    np.testing.assert_array_equal(data.controls[..., 0], [[0, 1, 2], [0, 1, 2]])
    np.testing.assert_array_equal(data.times, [[0, 2, 3], [0, 2, 3]])


def test_tail_rows_and_take_keep_left_alignment(ragged):
    tail = ragged.tail(2)
    np.testing.assert_array_equal(tail.x[..., 1], [[20, 30], [40, 50]])
    np.testing.assert_array_equal(tail.times, [[1, 2], [0, 1]])
    np.testing.assert_array_equal(ragged.tail(9).x, ragged.x)
    middle = ragged.rows(1, 3)
    np.testing.assert_array_equal(middle.valid, [[True, True], [True, False]])
    np.testing.assert_array_equal(middle.targets[..., 0], [[0, 3], [5, 0]])
    np.testing.assert_array_equal(middle.times, [[1, 2], [1, NAN]])
    swapped = ragged.take([1, 0])
    np.testing.assert_array_equal(swapped.x, ragged.x[::-1])
    np.testing.assert_array_equal(swapped.static, ragged.static[::-1])
    assert swapped.schema.ids == ("1", "0")
    assert ragged.take([-1]).schema.ids == ("1",)


@pytest.mark.parametrize(("at", "lengths"), [(0.5, (1, 1)), (1, (1, 1)), (-1, (2, 1)), (2, (2, 2))])
def test_split_by_fraction_or_row_loses_no_row(ragged, at, lengths):
    before, after = ragged.split(at)
    assert tuple(before.lengths) == lengths
    np.testing.assert_array_equal(before.lengths + after.lengths, ragged.lengths)
    for s, length in enumerate(lengths):
        joined = np.concatenate([before.x[s, :length], after.x[s, : after.lengths[s]]])
        np.testing.assert_array_equal(joined, ragged.x[s, : ragged.lengths[s]])


def test_split_at_a_date_starts_the_second_part_with_it():
    times = pd.date_range("2011-10-01", periods=6, freq="MS")
    before, after = Sequences.from_numpy(np.arange(6.0)[:, None], times=times).split("2012-01")
    np.testing.assert_array_equal(before.x[0, :, 0], [0, 1, 2])
    assert after.times[0, 0] == np.datetime64("2012-01-01")
    assert after.schema.step == before.schema.step == "MS"


def test_split_at_a_numeric_time_is_not_a_row():
    data = Sequences.from_numpy(np.arange(4.0)[:, None], times=[10.0, 11.0, 20.0, 30.0])
    before, after = data.split(time=11.5)
    assert (before.lengths[0], after.lengths[0]) == (2, 2)


def test_a_series_may_be_left_without_rows_but_not_all(ragged):
    _, after = ragged.split(2)
    assert after.lengths.tolist() == [1, 0]
    with pytest.raises(InputError, match=r"split: no rows from 3; the data have 3 rows, from 0 to 2"):
        ragged.split(3)
    with pytest.raises(InputError, match=r"Series '1' has no rows"):
        after.future_times(1)


def test_select_reorders_columns_with_their_kinds(ragged):
    chosen = ragged.select(["x1", "x0"])
    np.testing.assert_array_equal(chosen.x, ragged.x[..., ::-1])
    np.testing.assert_array_equal(chosen.scored, [False, True])
    assert chosen.schema.covariates == ("x1",)
    assert ragged.select(["x0"]).schema.covariates == ()


def test_replace_x_clears_what_is_not_observed(ragged):
    data = ragged.replace_x(np.full(ragged.x.shape, 5.0))
    np.testing.assert_array_equal(data.x, np.where(ragged.observed, 5.0, 0.0))
    hidden = ragged.replace_x(ragged.x, np.zeros(ragged.x.shape, bool))
    assert not hidden.x.any()
    assert not hidden.observed.any()


def test_like_reads_new_data_in_the_order_step_and_calendar_of_the_old():
    times = pd.date_range("2020-01-01", periods=8, freq="h")
    old = Sequences.from_numpy(
        np.ones((8, 2)),
        times=times,
        names=["a", "b"],
        kinds=["count", "real"],
        targets=np.ones((8, 1)),
        calendar=["hour"],
    )
    new = Sequences.from_numpy([[1, 2, 3], [4, 5, 6]], times=times[[0, 6]], names=["other", "b", "a"])
    read = new.like(old.schema)
    np.testing.assert_array_equal(read.x[0], [[3, 2], [6, 5]])
    np.testing.assert_array_equal(read.dt, [[1, 6]])
    assert read.schema.kinds == ("count", "real")
    assert (read.control_dim, read.target_dim, read.labelled.any()) == (2, 1, False)


def test_schema_survives_json():
    data = Sequences.from_numpy(np.ones((2, 3, 1)), covariates=None, static=np.ones((2, 1)))
    written = json.loads(json.dumps(data.schema.to_dict()))
    assert Schema.from_dict(written) == data.schema
    with pytest.raises(InputError, match="Unknown schema entry 'valeus'.*Did you mean 'values'"):
        Schema.from_dict({"valeus": []})


def test_kinds_are_kept_by_name_or_position():
    x = np.array([[1.0, 2.0, 0.5], [0.0, NAN, 2.0]])
    by_name = Sequences.from_numpy(x, names=["a", "b", "c"], kinds={"b": "count", "c": "positive", "a": "binary"})
    by_place = Sequences.from_numpy(x, names=["a", "b", "c"], kinds=["binary", "count", "positive"])
    assert by_name.schema.kinds == by_place.schema.kinds == ("binary", "count", "positive")


def test_future_controls_join_user_calendar_and_static_values():
    times = pd.date_range("2020-01-01 21:00", periods=3, freq="h")
    data = Sequences.from_numpy(np.ones((3, 1)), times=times, controls=np.ones((3, 1)), static=[4.0], calendar=["hour"])
    future = data.future_controls(2, controls=[[5.0], [6.0]])
    np.testing.assert_allclose(future, [[[5, 0, 1, 4], [6, np.sin(np.pi / 12), np.cos(np.pi / 12), 4]]], atol=1e-12)


def test_future_times_given_by_hand_set_the_elapsed_time():
    data = Sequences.from_numpy(np.ones((3, 1)), times=[0.0, 2.0, 4.0])
    np.testing.assert_array_equal(data.future_times(2), [[6, 8]])
    np.testing.assert_array_equal(data.future_dt(2), [[1, 1]])
    np.testing.assert_array_equal(data.future_dt(2, times=[5.0, 9.0]), [[0.5, 2]])


@pytest.fixture(scope="module")
def two_stores():
    days = pd.date_range("2024-01-01", periods=3)
    return Sequences.from_frame(
        pd.DataFrame({"store": list("aaabbb"), "day": [*days, *days], "sold": range(6), "price": range(10, 16)}),
        id="store",
        controls="price",
    )


def test_future_controls_from_a_frame_are_matched_by_series_and_time(two_stores):
    frame = pd.DataFrame(
        {
            "store": ["b", "a", "b", "a", "a"],
            "day": pd.to_datetime(["2024-01-05", "2024-01-04", "2024-01-04", "2024-01-06", "2024-01-05"]),
            "price": [1.0, 2.0, 3.0, 4.0, 5.0],
        }
    )
    np.testing.assert_array_equal(two_stores.future_controls(2, controls=frame)[..., 0], [[2, 5], [3, 1]])
    in_order = pd.DataFrame({"store": list("abab"), "price": [1.0, 2.0, 3.0, 4.0]})
    np.testing.assert_array_equal(two_stores.future_controls(2, controls=in_order)[..., 0], [[1, 3], [2, 4]])
    np.testing.assert_array_equal(
        two_stores.future_controls(2, controls=pd.DataFrame({"price": [8.0, 9.0]}))[..., 0], [[8, 9], [8, 9]]
    )


def test_future_controls_name_what_is_missing(two_stores):
    frame = pd.DataFrame({"store": list("ab"), "day": pd.to_datetime(["2024-01-04"] * 2), "price": [1.0, NAN]})
    with pytest.raises(InputError, match=r"no row for series 'a' at future time 2024-01-05"):
        two_stores.future_controls(2, controls=frame)
    with pytest.raises(InputError, match=r"Control 'price', series 'b', future row 0 \(time 2024-01-04\).*found nan"):
        two_stores.future_controls(1, controls=frame)
    with pytest.raises(InputError, match=r"row 1 repeats the series and time"):
        two_stores.future_controls(1, controls=frame.assign(store="a"))
    with pytest.raises(InputError, match=r"Unknown control 'price'"):
        two_stores.future_controls(1, controls=frame[["store", "day"]])
    with pytest.raises(InputError, match=r"have controls 'price': pass controls= .* in the 2 future rows"):
        two_stores.future_controls(2)
    with pytest.raises(InputError, match=r"expected future rows of shape \(2, 1\) or \(2, 2, 1\).*found \(3, 1\)"):
        two_stores.future_controls(2, controls=np.ones((3, 1)))


def test_future_rows_that_do_not_fit_are_refused(two_stores):
    data = Sequences.from_numpy(np.ones((3, 1)), times=[0.0, 2.0, 4.0])
    with pytest.raises(InputError, match=r"no controls of their own"):
        data.future_controls(1, controls=[[1.0]])
    with pytest.raises(InputError, match=r"horizon: expected at least 1 row, found 0"):
        data.future_times(0)
    with pytest.raises(InputError, match=r"horizon: expected at least 1 row, found 0"):
        data.future_dt(0, times=[])
    with pytest.raises(InputError, match=r"expected 2 future numbers, found 1 of type float64"):
        data.future_dt(2, times=[5.0])
    with pytest.raises(InputError, match=r"expected 1 future numbers, found 1 of type datetime64"):
        data.future_dt(1, times=["2020-01-01"])
    with pytest.raises(InputError, match=r"series '0', future row 0: expected a time after 4, found 4"):
        data.future_dt(2, times=[4.0, 5.0])
    with pytest.raises(InputError, match=r"series '0', future row 1: expected a time after 5, found 5"):
        data.future_dt(2, times=[5.0, 5.0])
    with pytest.raises(InputError, match=r"times: expected 2 series as in the data, found 1"):
        two_stores.future_dt(1, times=np.array([["2024-01-04"]], "datetime64[ns]"))
    with pytest.raises(InputError, match=r"cannot be told from a single time stamp: pass the future times"):
        Sequences.from_numpy(np.ones((1, 1)), times=["2020-01-01"]).future_times(1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: d.rows(2, 2), r"rows: expected 0 <= start < stop, found 2 and 2"),
        (lambda d: d.tail(0), r"tail: expected at least 1 row, found 0"),
        (lambda d: d.take([2]), r"take: expected positions of series below 2, found \[2\]"),
        (lambda d: d.take([]), r"take: expected positions of series below 2, found \[\]"),
        (lambda d: d.split(), r"split: expected either at= .* or time="),
        (lambda d: d.split(1, time=2.0), r"split: expected either at= .* or time="),
        (lambda d: d.split(1.5), r"expected a fraction between 0 and 1, found 1.5"),
        (lambda d: d.split("2020-01"), r"the times of these data are numbers, found '2020-01'"),
        (lambda d: d.split(0), r"split: no rows before 0"),
        (lambda d: d.select(["x2"]), r"Unknown column 'x2': expected one of 'x0', 'x1'"),
        (lambda d: d.with_calendar("hour"), r"need dates, but the times are numbers"),
        (lambda d: d.with_calendar("hours"), r"Unknown calendar feature 'hours'.*Did you mean 'hour'"),
        (lambda d: d.replace_x(np.ones((2, 3, 1))), r"expected x of shape \(2, 3, 2\), found \(2, 3, 1\)"),
        (lambda d: d.replace_x(d.x, d.valid), r"expected observed of shape \(2, 3, 2\), found \(2, 3\)"),
        (lambda d: d.replace_x(d.x * NAN), r"series '0', row 0, column 'x0': expected a finite number.*found nan"),
    ],
)
def test_calls_that_make_no_sense_are_refused(ragged, call, message):
    with pytest.raises(InputError, match=message):
        call(ragged)


def test_calendar_features_are_named_one_by_one_or_in_a_list():
    data = Sequences.from_numpy(np.ones((3, 1)), times=pd.date_range("2020", periods=3))
    names = ("weekday", "day_of_year")
    assert data.with_calendar(*names).schema == data.with_calendar(names).schema
    assert data.with_calendar(list(names)).schema.calendar == names and data.with_calendar().schema.calendar == ()


def test_a_date_that_cannot_be_read_is_refused():
    data = Sequences.from_numpy(np.ones((3, 1)), times=pd.date_range("2020", periods=3))
    with pytest.raises(InputError, match=r"Cannot read 'soon' as a time stamp"):
        data.split("soon")
    with pytest.raises(InputError, match=r"the times of these data are dates, found 3.0"):
        data.split(time=3.0)


@pytest.mark.parametrize(
    ("fitted", "message"),
    [
        ({"values": ("x0", "z"), "kinds": ("real", "real")}, r"Column 'z', which the model was fitted on, is missing"),
        ({"controls": ("other",)}, r"controls: expected 'other' as in the data the model was fitted on"),
        ({"static": ()}, r"static: expected \(none\) as in the data the model was fitted on, found 'static0'"),
        ({"targets": ("t",)}, r"targets: expected 't' as"),
        ({"time_kind": "datetime"}, r"fitted on times of kind datetime, found index"),
    ],
)
def test_like_refuses_data_of_another_make(ragged, fitted, message):
    schema = Schema.from_dict(ragged.schema.to_dict() | fitted)
    with pytest.raises(InputError, match=message):
        ragged.like(schema)


@pytest.mark.parametrize("module", ["sequences", "calendar"])
def test_examples_in_docstrings_are_true(module):
    result = doctest.testmod(importlib.import_module(f"alternax.data.{module}"), extraglobs={"np": np})
    assert result.attempted > 0
    assert result.failed == 0


def test_a_step_that_rounding_made_is_shown_as_meant():
    data = Sequences.from_numpy(np.zeros((9, 1)), times=0.05 * np.arange(3, 12))
    assert "step 0.05 from 0.15 to 0.55" in repr(data) and data.schema.step != 0.05
