import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from alternax.core.errors import InputError
from alternax.data import Schema, Sequences, to_frame, to_xarray

NAN = np.nan
MONTHS = pd.date_range("2020-01-01", periods=4, freq="MS")


@pytest.fixture(scope="module")
def field():
    """Two by three cells; one is land, another has a gap."""
    x = np.arange(24.0).reshape(4, 2, 3)
    x[:, 0, 1] = NAN
    x[2, 1, 2] = NAN
    return xr.DataArray(
        x,
        dims=("time", "lat", "lon"),
        coords={
            "time": MONTHS,
            "lat": [-2.5, 2.5],
            "lon": [0, 5, 10],
            "area": (("lat", "lon"), np.ones((2, 3))),
            "level": 2.0,
        },
        name="sst",
        attrs={"units": "K", "missing": np.float32(-9)},
    )


@pytest.fixture(scope="module")
def dataset(field):
    """Two fields on grids of their own, the time not in front, and a series without a grid."""
    wind = xr.DataArray(
        np.arange(8.0).reshape(2, 4), dims=("station", "time"), coords={"time": MONTHS, "station": ["a", "b"]}
    )
    index = xr.DataArray([1.0, NAN, 3.0, 4.0], dims="time", coords={"time": MONTHS})
    return xr.Dataset({"sst": field, "wind": wind, "index": index}, attrs={"title": "test"})


def test_cells_become_columns_and_land_is_left_out(field):
    data = Sequences.from_xarray(field)
    assert data.schema.values == ("sst[-2.5,0]", "sst[-2.5,10]", "sst[2.5,0]", "sst[2.5,5]", "sst[2.5,10]")
    np.testing.assert_array_equal(data.x[0, 1], [6, 8, 9, 10, 11])
    np.testing.assert_array_equal(data.observed[0, 2], [True, True, True, True, False])
    assert data.schema.step == "MS"
    assert not data.batched


@pytest.mark.parametrize("order", [("time", "lat", "lon"), ("lon", "time", "lat"), ("lat", "lon", "time")])
def test_a_field_comes_back_exactly(field, order):
    turned = field.transpose(*order)
    out = Sequences.from_xarray(turned).to_xarray()
    xr.testing.assert_identical(out, turned)
    assert out.dims == order


def test_a_dataset_comes_back_exactly_even_after_its_schema_was_written_as_json(dataset):
    data = Sequences.from_xarray(dataset, covariates=["wind"], kinds={"index": "positive"})
    assert data.obs_dim == 8
    assert data.schema.covariates == ("wind[a]", "wind[b]")
    assert data.schema.kinds == ("real",) * 7 + ("positive",)
    xr.testing.assert_identical(data.to_xarray(), dataset)
    schema = Schema.from_dict(json.loads(json.dumps(data.schema.to_dict())))
    assert schema == data.schema
    values = np.where(data.observed, data.x, NAN)
    xr.testing.assert_identical(to_xarray(values, data.times, schema, data.batched), dataset)


def test_samples_lead_and_columns_that_are_left_out_stay_empty(dataset):
    data = Sequences.from_xarray(dataset, covariates="wind")
    scored = data.schema.scored
    samples = np.random.default_rng(0).normal(size=(5, 1, 2, len(scored)))
    out = to_xarray(samples, data.future_times(2), data.schema, data.batched, columns=scored)
    assert set(out.data_vars) == {"sst", "index"}
    assert out.sst.dims == ("sample", "time", "lat", "lon")
    np.testing.assert_array_equal(out.time, np.array(["2020-05", "2020-06"], "datetime64[ns]"))
    np.testing.assert_array_equal(out.sst.sel(lat=2.5, lon=5), samples[:, 0, :, scored.index("sst[2.5,5]")])
    assert out.sst.sel(lat=-2.5, lon=5).isnull().all()
    np.testing.assert_array_equal(out["index"], samples[:, 0, :, -1])


def test_a_field_without_coordinates_counts_its_rows_and_cells():
    field = xr.DataArray(np.arange(6.0).reshape(3, 2), dims=("time", "cell"))
    data = Sequences.from_xarray(field)
    assert data.schema.values == ("value[0]", "value[1]")
    assert data.schema.time_kind == "index"
    assert data.to_xarray().dims == ("time", "cell")
    np.testing.assert_array_equal(data.to_xarray(), field)


@pytest.mark.parametrize(
    "coordinate",
    [
        np.array(["2020-01-01", "2021-01-01"], "datetime64[ns]"),
        np.array([1, 2], "timedelta64[ns]"),
        np.array([True, False]),
        np.array(["a", "b"], dtype=object),
        np.array([0.1, 0.2], np.float32),
    ],
)
def test_coordinates_of_any_type_come_back(coordinate):
    field = xr.DataArray(np.ones((3, 2)), dims=("t", "c"), coords={"t": [0.0, 1.5, 2.0], "c": coordinate})
    data = Sequences.from_xarray(field, time="t")
    schema = Schema.from_dict(json.loads(json.dumps(data.schema.to_dict())))
    out = to_xarray(data.x, data.times, schema, batched=False)
    xr.testing.assert_identical(out, field)
    assert out.c.dtype == field.c.dtype


def test_split_and_select_keep_their_place_on_the_grid(field):
    data = Sequences.from_xarray(field)
    _, after = data.split("2020-03")
    xr.testing.assert_identical(after.to_xarray(), field.sel(time=slice("2020-03", None)))
    one = data.select(["sst[2.5,5]"]).to_xarray()
    np.testing.assert_array_equal(one.sel(lat=2.5, lon=5), field.sel(lat=2.5, lon=5))
    assert one.isnull().sum() == 20


def test_new_data_of_the_same_grid_may_miss_whole_cells(field):
    old = Sequences.from_xarray(field)
    new = Sequences.from_xarray(field.isel(time=[2])).like(old.schema)
    assert new.schema.values == old.schema.values
    np.testing.assert_array_equal(new.observed, old.observed[:, 2:3])
    np.testing.assert_array_equal(new.x, old.x[:, 2:3])
    with pytest.raises(InputError, match=r"Column 'sst\[-2.5,0\]', which the model was fitted on, is missing"):
        Sequences.from_xarray(field.isel(time=[2]).assign_coords(lat=[0, 2.5])).like(old.schema)


def test_arrays_and_frames_as_xarray_have_sample_series_time_and_feature():
    days = pd.date_range("2024-01-01", periods=3)
    shared = Sequences.from_numpy(np.arange(12.0).reshape(2, 3, 2), times=days, names=["a", "b"])
    out = shared.to_xarray()
    assert out.dims == ("series", "time", "feature")
    np.testing.assert_array_equal(out.sel(series="1", feature="b", time="2024-01-02"), 9)
    samples = to_xarray(np.zeros((7, 2, 3, 2)), shared.times, shared.schema, batched=True)
    assert dict(samples.sizes) == {"sample": 7, "series": 2, "time": 3, "feature": 2}
    single = Sequences.from_numpy(np.arange(6.0).reshape(3, 2))
    assert single.to_xarray().dims == ("time", "feature")
    ragged = Sequences.from_numpy([np.ones((2, 1)), np.ones((1, 1))], times=[days[:2], days[2:]]).to_xarray()
    assert ragged.times.dims == ("series", "time")
    np.testing.assert_array_equal(
        ragged.times, np.array([["2024-01-01", "2024-01-02"], ["2024-01-03", "NaT"]], "datetime64[us]")
    )
    np.testing.assert_array_equal(ragged[..., 0], [[1, 1], [1, NAN]])


def test_frames_of_arrays_name_series_and_leave_padding_out():
    ragged = Sequences.from_numpy([np.array([[1.0], [NAN]]), np.array([[3.0]])])
    expected = pd.DataFrame({"series": ["0", "0", "1"], "time": [0, 1, 0], "x0": [1.0, NAN, 3.0]})
    pd.testing.assert_frame_equal(ragged.to_frame(), expected, check_dtype=False)


def test_forecasts_as_frames_may_have_columns_of_their_own():
    data = Sequences.from_numpy(np.ones((3, 1)), times=MONTHS[:3])
    quantiles = np.array([[[1.0, 2.0], [3.0, 4.0]]])
    out = to_frame(quantiles, data.future_times(2), data.schema, data.batched, columns=["x0_10", "x0_90"])
    expected = pd.DataFrame(
        {"time": pd.to_datetime(["2020-04-01", "2020-05-01"]), "x0_10": [1.0, 3.0], "x0_90": [2.0, 4.0]}
    )
    pd.testing.assert_frame_equal(out, expected, check_dtype=False)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda f: f.to_numpy(), {}, r"Expected an xarray DataArray or Dataset, found ndarray"),
        (lambda f: xr.Dataset(), {}, r"The Dataset has no variables"),
        (lambda f: f, {"time": "t"}, r"Variable 'sst' has no dimension 't': its dimensions are 'time', 'lat', 'lon'"),
        (lambda f: f.astype(str), {}, r"Variable 'sst': expected numbers, found dtype <U"),
        (lambda f: f.isel(time=[]), {}, r"Variable 'sst' is empty: its shape is \(0, 2, 3\)"),
        (lambda f: f * NAN, {}, r"Variable 'sst' has no observed value at all: every cell is missing"),
        (lambda f: f.where(f != 14, np.inf), {}, r"Column 'sst\[-2.5,10\]', row 2 \(time 2020-03-01\): .* found inf"),
        (lambda f: f.isel(time=[1, 0]), {}, r"Unsorted time stamps: row 1 \(time 2020-01-01\) comes after 2020-02-01"),
        (lambda f: f.isel(time=[1, 1]), {}, r"Duplicate time stamp at row 1 \(time 2020-02-01\)"),
        (lambda f: f.to_dataset(), {"covariates": "wind"}, r"Unknown variable in covariates 'wind'"),
        (lambda f: f.to_dataset(), {"kinds": {"wind": "real"}}, r"Unknown column in kinds 'wind'"),
        (lambda f: f.stack(cell=("lat", "lon")), {}, r"Coordinate 'cell' is a stacked \(multi-level\) index: unstack"),
    ],
)
def test_fields_that_do_not_fit_are_refused(field, change, options, message):
    with pytest.raises(InputError, match=message):
        Sequences.from_xarray(change(field.rename("sst")), **options)


def test_output_of_another_shape_is_refused(field):
    data = Sequences.from_xarray(field)
    for write in (to_frame, to_xarray):
        with pytest.raises(InputError, match=r"shape \(series, time, columns\) = \(1, 4, 5\), found \(1, 4, 6\)"):
            write(np.ones((1, 4, 6)), data.times, data.schema, False)
    with pytest.raises(InputError, match=r"Unknown column 'mean'"):
        to_xarray(np.ones((1, 4, 1)), data.times, data.schema, False, columns=["mean"])


def test_a_calendar_that_numpy_does_not_know_is_refused(field):
    pytest.importorskip("cftime")
    other = field.assign_coords(time=xr.date_range("2020-01-01", periods=4, calendar="noleap", use_cftime=True))
    with pytest.raises(InputError, match=r"Coordinate 'time' has a calendar of its own \(cftime\): convert it"):
        Sequences.from_xarray(other)
