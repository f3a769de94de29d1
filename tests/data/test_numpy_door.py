import decimal

import numpy as np
import pandas as pd
import pytest

from alternax.core.errors import InputError
from alternax.data import Sequences

NAN, INF = np.nan, np.inf


@pytest.mark.parametrize(
    "x",
    [
        [[1, 2], [None, 4]],
        np.array([[1, 2], [None, 4]], dtype=object),
        np.array([[1, 2], [NAN, 4]], dtype=np.float32),
        [np.array([1.0, 2.0]), np.array([NAN, 4.0])],
        np.ma.masked_equal([[1.0, 2.0], [9.0, 4.0]], 9.0),
        [[decimal.Decimal(1), True + 1], [None, np.int8(4)]],
    ],
)
def test_numbers_of_any_make_are_the_same(x):
    data = Sequences.from_numpy(x)
    np.testing.assert_array_equal(data.x, [[[1, 2], [0, 4]]])
    np.testing.assert_array_equal(data.observed, [[[True, True], [False, True]]])
    assert data.x.dtype == np.float64


def test_a_list_of_matrices_is_a_list_of_series_even_if_they_are_equally_long():
    parts = [np.full((3, 2), 1.0), np.full((3, 2), 2.0)]
    as_list, as_array = Sequences.from_numpy(parts), Sequences.from_numpy(np.stack(parts))
    np.testing.assert_array_equal(as_list.x, as_array.x)
    assert as_list.batched
    assert as_array.batched
    assert Sequences.from_numpy(parts[:1]).batched


def test_covariates_by_position_or_name():
    by_place = Sequences.from_numpy(np.ones((2, 3)), covariates=[-1, 0])
    by_name = Sequences.from_numpy(np.ones((2, 3)), covariates=["x0", "x2"])
    assert by_place.schema == by_name.schema
    np.testing.assert_array_equal(by_place.scored, [False, True, False])


def test_a_column_may_be_silent_in_one_series_of_several():
    x = np.ones((2, 3, 2))
    x[0, :, 1] = NAN
    assert Sequences.from_numpy(x).observed[..., 1].tolist() == [[False] * 3, [True] * 3]


ONES = np.ones((3, 2))


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (np.ones(3), {}, r"x: expected shape .* found \(3,\); for a single column pass x\[:, None\]"),
        (np.ones((1, 2, 3, 4)), {}, r"x: expected shape .* found \(1, 2, 3, 4\)"),
        (np.ones((0, 2)), {}, r"x: expected at least one series, row and column, found shape \(0, 2\)"),
        ([], {}, r"x: expected shape .* found \(0,\)"),
        ([np.ones((2, 0))], {}, r"Expected at least one column of values, found none"),
        ([np.ones((2, 1)), np.ones((0, 1))], {}, r"Expected at least one row, but series '1' has none"),
        ([np.ones((2, 1)), np.ones((3, 2))], {}, r"x\[1\]: expected shape \(time, 1\) as in x\[0\], found \(3, 2\)"),
        ([np.ones((2, 1)), np.ones(2)], {}, r"x\[1\]: expected shape \(time, 1\) as in x\[0\], found \(2,\)"),
        ([[[1.0], [2.0]], [[3.0]]], {}, r"x: expected a rectangular array; give series .* as a list of 2-D arrays"),
        (np.array([["a", "b"]]), {}, r"x: expected real numbers, found dtype <U1"),
        (ONES * 1j, {}, r"x: expected real numbers, found dtype complex128"),
        (np.array([[1.0, "b"]], dtype=object), {}, r"x\[0, 1\]: expected a number, found 'b'"),
        (np.zeros((2, 2), "datetime64[D]"), {}, r"x: expected real numbers, found dtype datetime64"),
        (pd.DataFrame(ONES), {}, r"x: expected an array, found a frame; use Sequences.from_frame"),
        ([[1.0, 2.0], [3.0, INF]], {}, r"Column 'x1', row 1: expected a finite number or NaN for missing, found inf"),
        (np.where(np.arange(12).reshape(2, 3, 2) == 9, -INF, 0), {}, r"Column 'x1', series '1', row 1: .* found -inf"),
        ([[1.0, NAN], [3.0, NAN]], {}, r"Column 'x1' has no observed value at all \(all 2 rows are missing\)"),
        (ONES, {"targets": np.ones((2, 1))}, r"targets: expected shape \(3, features\), one row .* found \(2, 1\)"),
        (ONES, {"targets": np.ones(3)}, r"targets: expected shape \(3, features\), one row .* found \(3,\)"),
        (ONES, {"targets": np.full((3, 1), INF)}, r"Target 'target0', row 0: .* found inf"),
        (ONES, {"controls": [[1.0], [NAN], [2.0]]}, r"Control 'control0', row 1: controls must be known .* found nan"),
        (ONES, {"static": [NAN]}, r"Static value 'static0' of series '0': expected a finite number, found nan"),
        (ONES, {"static": [[1.0], [2.0]]}, r"static: expected shape \(features,\), found \(2, 1\)"),
        (
            [ONES, ONES],
            {"static": [1.0, 2.0]},
            r"static: expected shape \(2, features\), one row a series, found \(2,\)",
        ),
        ([ONES, ONES], {"targets": [ONES]}, r"targets: expected 2 series as in x, found 1"),
        ([ONES, ONES], {"targets": [ONES, ONES[:, :1]]}, r"targets\[1\]: expected 2 features .* found 1"),
        ([ONES, ONES], {"controls": [ONES, ONES[:2]]}, r"controls\[1\]: expected shape \(3, features\)"),
        ([ONES, ONES], {"times": [[1, 2, 3]]}, r"times: expected 2 series as in x, found 1"),
        ([ONES, ONES], {"times": [[1, 2, 3], [1, 2]]}, r"times\[1\]: expected shape \(3,\), .* found \(2,\)"),
        (ONES, {"names": ["a"]}, r"names: expected 2 names, one a column, found 1"),
        (ONES, {"names": ["a", "a"]}, r"Column 'a' is named twice"),
        (ONES, {"target_names": ["a"]}, r"target_names: expected 0 names, one a column, found 1"),
        (ONES, {"covariates": ["y"]}, r"Unknown covariate 'y': expected one of 'x0', 'x1'"),
        (ONES, {"covariates": [2]}, r"covariates: x has columns 0 to 1, found 2"),
        (ONES, {"covariates": [0, 1]}, r"covariates: expected at least one column that is not a covariate"),
        (ONES, {"calendar": ["hour"]}, r"need dates, but the times are numbers: pass time stamps"),
        (ONES, {"kinds": ["real", "reel"]}, r"Unknown kind 'reel'.*Did you mean 'real'"),
        (ONES, {"kinds": {"x9": "real"}}, r"Unknown column in kinds 'x9'"),
        (ONES, {"kinds": ["real"]}, r"kinds: expected .* one kind for each of 2 columns, found \['real'\]"),
        (ONES, {"kinds": "count"}, r"kinds: expected a dictionary .* found 'count'"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(x, options, message):
    with pytest.raises(InputError, match=message):
        Sequences.from_numpy(x, **options)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("positive", 0.0, r"Positive column 'x0', row 1: expected a number above 0, found 0"),
        ("count", -1.0, r"Count column 'x0', row 1: expected a count 0, 1, 2, ..., found -1"),
        ("count", 1.5, r"Count column 'x0', row 1: expected a count 0, 1, 2, ..., found 1.5"),
        ("binary", 2.0, r"Binary column 'x0', row 1: expected 0 or 1, found 2"),
        ("category", 0.5, r"Category column 'x0', row 1: expected a category number 0, 1, 2, ..., found 0.5"),
        ("category", -2.0, r"Category column 'x0', row 1: .* found -2"),
    ],
)
def test_values_that_a_kind_does_not_have_are_refused(kind, value, message):
    x = np.array([[1.0, 0.5], [value, -2.5], [NAN, 0.0]])
    with pytest.raises(InputError, match=message):
        Sequences.from_numpy(x, kinds=[kind, "real"])
    assert Sequences.from_numpy(x, kinds=["real", "real"]).x[0, 1, 0] == value
