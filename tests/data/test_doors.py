"""Every door holds exactly what the table holds, whatever it looks like."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr
from data.tables import FRAMES, by_csv, by_frame, by_numpy, by_xarray, held, pandas_frame, tables
from hypothesis import given
from hypothesis import strategies as st

from alternax.data import Sequences


def same(found, truth):
    """Series, times, columns and values; what was missing is in neither."""
    assert {s: {t: set(cells) for t, cells in rows.items()} for s, rows in found.items()} == {
        s: {t: set(cells) for t, cells in rows.items()} for s, rows in truth.items()
    }
    for series, rows in truth.items():
        for time, cells in rows.items():
            assert found[series][time] == pytest.approx(cells, rel=1e-14, abs=0)


def regular(data):
    """Elapsed time is positive and finite, in single precision too."""
    assert (data.dt > 0).all() and np.isfinite(data.dt.astype(np.float32)).all()


@given(table=tables(), kind=st.sampled_from([*FRAMES]))
def test_a_frame_is_held_as_it_is_and_comes_back(table, kind):
    data = by_frame(FRAMES[kind](table), table)
    same(held(data, table), table.truth())
    regular(data)
    assert (data.schema.timezone, data.batched) == (table.zone, table.id is not None)
    out = data.to_frame()
    assert isinstance(out, pl.DataFrame if "polars" in kind else pd.DataFrame)
    same(held(by_frame(out, table), table), table.truth())


@given(table=tables())
def test_arrays_and_objects_are_held_as_they_are(table):
    data = by_numpy(table)
    same(held(data, table), table.truth())
    regular(data)
    assert data.schema.timezone == table.zone


@given(table=tables(), separator=st.sampled_from(",;\t"))
def test_a_file_is_held_as_it_is(tmp_path_factory, table, separator):
    data = by_csv(table, tmp_path_factory.getbasetemp(), separator)
    same(held(data, table), table.truth())
    regular(data)


@given(table=tables(series=1))
def test_a_field_is_held_as_it_is_and_comes_back(table):
    data = by_xarray(table)
    same(held(data, table), table.truth())
    regular(data)
    again = Sequences.from_xarray(data.to_xarray(), time=table.time)
    same(held(again, table), table.truth())


EXACT = st.integers(-(2**10), 2**10)


@given(table=tables(series=2, values=EXACT), dtype=st.sampled_from(["float16", "float32", "Int16", "Float32", "int64"]))
def test_numbers_of_every_width_are_the_same(table, dtype):
    if dtype == "int64":
        for index, row in enumerate(table.rows):
            table = table.spoilt(index, cells={c: row.cells.get(c, 7) for c in table.columns})
    missing = pd.NA if dtype[0].isupper() else np.nan
    data = by_frame(pandas_frame(table, dtype, missing), table)
    same(held(data, table), table.truth())


DAYS = pd.date_range("2024-01-01", periods=3)
MANY = 10_000


@pytest.mark.parametrize("door", ["numpy", "pandas", "polars", "csv", "xarray"])
def test_ten_thousand_columns_are_held_and_come_back(tmp_path, door):
    x = np.random.default_rng(0).normal(size=(3, MANY)).round(6)
    names = [f"cell {i}.5" for i in range(MANY)]
    frame = pd.DataFrame(x, DAYS, names)
    if door == "numpy":
        data = Sequences.from_numpy(x, times=DAYS, names=names, covariates=names[1:])
        assert data.schema.scored == ("cell 0.5",)
    elif door == "xarray":
        field = xr.DataArray(x.reshape(3, 100, 100), dims=("time", "lat", "lon"), coords={"time": DAYS})
        data = Sequences.from_xarray(field)
        xr.testing.assert_equal(data.to_xarray(), field)
    elif door == "csv":
        frame.to_csv(tmp_path / "wide.csv")
        data = Sequences.from_csv(tmp_path / "wide.csv")
    elif door == "polars":
        data = Sequences.from_frame(pl.DataFrame({"ds": DAYS.to_numpy()} | dict(zip(names, x.T, strict=True))))
        assert data.to_frame().shape == (3, MANY + 1)
    else:
        data = Sequences.from_frame(
            frame, values=names, covariates=names[MANY // 2 :], kinds=dict.fromkeys(names, "real")
        )
        pd.testing.assert_frame_equal(data.to_frame(), frame, check_freq=False, check_names=False)
    np.testing.assert_array_equal(data.x, x[None])
    np.testing.assert_array_equal(data.like(data.schema).x, x[None])


@pytest.mark.parametrize("dtype", ["int64[pyarrow]", "double[pyarrow]", "bool[pyarrow]"])
def test_columns_of_arrow_are_held(dtype):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"at": DAYS, "a": [1, 0, None]}).astype({"a": dtype, "at": "timestamp[us, UTC][pyarrow]"})
    data = Sequences.from_frame(frame)
    np.testing.assert_array_equal(data.x[0, :, 0], [1, 0, 0])
    np.testing.assert_array_equal(data.observed[0, :, 0], [True, True, False])
    assert data.schema.timezone == "UTC"
