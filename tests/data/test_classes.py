"""Classes of series: how they come in, what keeps them, and how a model's order is kept."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from alternax.core.errors import InputError
from alternax.data import Sequences

PARTS = [np.full((n, 1), float(n)) for n in (2, 3, 4)]


COLUMNS = {
    "unique_id": ["p", "p", "q", "q"],
    "ds": [0, 1, 0, 1],
    "y": [1.0, 2.0, 3.0, 4.0],
    "kind": ["u", None, "a", "a"],
}


@pytest.mark.parametrize(
    ("labels", "numbers", "classes"),
    [
        (["b", None, "a"], [1, -1, 0], ("a", "b")),
        ([30, 4, 30], [1, 0, 1], (4, 30)),
        (np.array([2.0, np.nan, 1.0]), [1, -1, 0], (1, 2)),
        (pd.array([2, None, 1], dtype="Int64"), [1, -1, 0], (1, 2)),
        (np.array([True, False, True]), [1, 0, 1], (0, 1)),
        (np.array(["x", "y", "x"]), [0, 1, 0], ("x", "y")),
    ],
)
def test_classes_are_numbered_in_order(labels, numbers, classes):
    data = Sequences.from_numpy(PARTS, labels=labels)
    np.testing.assert_array_equal(data.labels, numbers)
    assert data.schema.classes == classes and data.class_count == len(classes)
    np.testing.assert_array_equal(data.arrays().label, numbers)


def test_a_single_series_has_a_single_label_and_none_is_no_class():
    assert Sequences.from_numpy(PARTS[0], labels="a").schema.classes == ("a",)
    assert Sequences.from_numpy(PARTS[0], labels=["a"]).labels.tolist() == [0]
    plain = Sequences.from_numpy(PARTS)
    assert plain.labels.tolist() == [-1, -1, -1] and plain.class_count == 0


def test_series_keep_their_class_through_every_cut():
    data = Sequences.from_numpy(PARTS, labels=["b", "c", "a"])
    assert data.take([2, 0]).labels.tolist() == [0, 1]
    for cut in (data.tail(1), data.rows(0, 2), *data.split(0.5), data.select("x0")):
        assert cut.labels.tolist() == [1, 2, 0] and cut.schema.classes == ("a", "b", "c")
    window = data.arrays()
    assert type(data.schema).from_dict(data.schema.to_dict()) == data.schema
    assert window.label.shape == (3,)


@pytest.mark.parametrize("table", [pd.DataFrame(COLUMNS), pl.DataFrame(COLUMNS)])
def test_a_column_of_a_frame_gives_the_classes_and_comes_back(table):
    data = Sequences.from_frame(table, label="kind")
    assert data.labels.tolist() == [1, 0] and data.schema.values == ("y",)
    back = data.to_frame()
    assert type(back) is type(table)
    assert list(back["kind"]) == ["u", "u", "a", "a"]
    wide = pd.DataFrame({"y": [1.0, 2.0], "kind": [3, 3]}, index=pd.date_range("2020-01-01", periods=2))
    pd.testing.assert_frame_equal(
        Sequences.from_frame(wide, label="kind").to_frame(), wide, check_freq=False, check_names=False
    )


def test_new_data_are_numbered_as_the_model_knows_them():
    schema = Sequences.from_numpy(PARTS, labels=["b", "c", "a"]).schema
    assert Sequences.from_numpy(PARTS[:2], labels=["c", "b"]).like(schema).labels.tolist() == [2, 1]
    assert Sequences.from_numpy(PARTS[:2], labels=["c", None]).like(schema).labels.tolist() == [2, -1]
    unlabelled = Sequences.from_numpy(PARTS[:2]).like(schema)
    assert unlabelled.labels.tolist() == [-1, -1] and unlabelled.schema.classes == ("a", "b", "c")
    plain = Sequences.from_numpy(PARTS, labels=["b", "c", "a"]).like(Sequences.from_numpy(PARTS).schema)
    assert plain.labels.tolist() == [-1, -1, -1] and plain.class_count == 0
    with pytest.raises(InputError, match="labels: the model was fitted on the classes 'a', 'b', 'c', found 'd'"):
        Sequences.from_numpy(PARTS[:2], labels=["d", "b"]).like(schema)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a"], r"labels: expected 3 classes, one a series, found 1\."),
        ("abc", r"labels: expected 3 classes, one a series, found 'abc'"),
        ([1, "a", 2], r"labels: expected integers throughout or texts throughout, found both: 1, 'a', 2"),
        ([1, 1.5, 2], r"labels\[1\]: expected an integer or a text, found 1\.5"),
        ([None] * 3, r"labels: expected the class of at least one series, found only missing ones"),
        ([(1,), 2, 3], r"labels\[0\]: expected an integer or a text, found \(1,\)"),
    ],
)
def test_labels_that_name_no_classes_are_refused(labels, message):
    with pytest.raises(InputError, match=message):
        Sequences.from_numpy(PARTS, labels=labels)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (
            {"kind": ["u", "v", "a", "a"]},
            {"label": "kind"},
            r"Label column 'kind', row 1: expected 'u' .* series 'p', found 'v'",
        ),
        (
            {"kind": [1.5, 1.5, 2, 2]},
            {"label": "kind"},
            r"column 'kind'\[0\]: expected an integer or a text, found 1\.5",
        ),
        ({}, {"label": "sort"}, r"Unknown column 'sort'"),
        ({}, {"label": "kind", "values": ["y", "kind"]}, r"Column 'kind' is named twice"),
    ],
)
def test_columns_that_name_no_classes_are_refused(change, options, message):
    with pytest.raises(InputError, match=message):
        Sequences.from_frame(pd.DataFrame(COLUMNS | change), **options)
