"""Grids: columns stand where xarray has them, land stays out, coarser grids and copies of channels, refusals."""

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from untyped import untyped

from alternax import Grid, InputError, Sequences
from alternax.nets.families import ColumnLaws, Mixture, Poisson

LAND = np.array([[0, 1, 1, 0], [1, 1, 0, 1], [1, 0, 0, 1]], bool)


def field(lon, *, time=5, name="sst", lats=(-5.0, 0.0, 5.0), seed=0):
    """A variable with land at some cells and a gap elsewhere."""
    values = np.random.default_rng(seed).normal(size=(time, len(lats), len(lon)))
    values[:, LAND[: len(lats), : len(lon)]] = np.nan
    values[2] = np.nan
    coords = {"lat": list(lats), "lon": list(lon)}
    return xr.DataArray(values, dims=("time", "lat", "lon"), coords=coords, name=name)


def test_columns_of_a_field_are_the_row_it_was_made_of_and_land_is_zero():
    grid = Grid.of_mask(~LAND)
    x = np.random.default_rng(0).normal(size=(2, 4, grid.obs_dim)).astype(np.float32)
    placed = np.asarray(grid.field(x))
    np.testing.assert_array_equal(grid.columns(placed), x)
    assert placed.shape == (2, 4, 1, 3, 4) and not placed[..., LAND].any()
    anything = np.random.default_rng(1).normal(size=(1, 3, 4)).astype(np.float32)
    np.testing.assert_array_equal(grid.field(grid.columns(anything)), anything * ~LAND)
    np.testing.assert_array_equal(grid.valid[0], ~LAND)


def test_columns_stand_where_xarray_has_them_whatever_their_order():
    array = field((10.0, 20.0, 30.0, 40.0))
    both = xr.Dataset({"sst": array, "depth": xr.concat([array + 1, array + 2], "layer").transpose("lon", ...)})
    data = Sequences.from_xarray(both)
    grid = Grid.of(data)
    want = np.nan_to_num(np.stack([array, array + 1, array + 2], 1))
    assert grid.shape == (3, 3, 4) and not grid.periodic
    known = np.where(data.observed[0], data.x[0], 0.0)
    np.testing.assert_allclose(grid.field(known), want, rtol=1e-6)
    chosen = data.select([c for c in reversed(data.schema.values) if c.startswith("sst")])
    np.testing.assert_allclose(
        Grid.of(chosen).field(np.where(chosen.observed[0], chosen.x[0], 0.0))[:, 0], want[:, 0], rtol=1e-6
    )


@pytest.mark.parametrize(
    ("lon", "periodic"), [((0, 90, 180, 270), True), ((270, 180, 90, 0), True), ((0, 80, 160, 240), False)]
)
def test_longitudes_once_round_the_globe_are_periodic(lon, periodic):
    data = Sequences.from_xarray(field(lon))
    assert Grid.of(data).periodic is periodic
    assert Grid.of(data, periodic=not periodic).periodic is not periodic


def test_latitude_and_longitude_are_found_by_name_or_unit_or_taken_as_told():
    array = field((0.0, 1.0, 2.0, 3.0))
    assert Grid.of(Sequences.from_xarray(array.transpose("lon", "time", "lat"))).shape == (1, 3, 4)
    named = array.rename(lat="y", lon="x").transpose("x", "time", "y")
    assert Grid.of(Sequences.from_xarray(named)).shape == (1, 4, 3)
    assert Grid.of(Sequences.from_xarray(named), dims=("y", "x")).shape == (1, 3, 4)
    named["y"].attrs["units"], named["x"].attrs["units"] = "degrees_north", "degrees_east"
    assert Grid.of(Sequences.from_xarray(named)).shape == (1, 3, 4)


def test_a_coarse_cell_is_valid_where_one_below_it_is():
    valid = np.random.default_rng(0).random((13, 57)) < 0.1
    coarse = Grid.of_mask(valid).coarse(2, channels=3)
    assert coarse.shape == (3, 4, 15)
    want = [[valid[4 * i : 4 * i + 4, 4 * j : 4 * j + 4].any() for j in range(15)] for i in range(4)]
    np.testing.assert_array_equal(coarse.valid, np.broadcast_to(want, coarse.shape))
    assert Grid.of_mask(valid, periodic=True).coarse(1).periodic


def test_numbers_of_a_column_stand_in_copies_of_its_channel():
    grid = Grid.of_mask(np.array([[[1, 0]], [[1, 1]]]))
    laws = ColumnLaws([Poisson(), Mixture(2), Mixture(2)])
    asked = grid.numbers(laws.asked_columns)
    width = Mixture(2).width
    assert laws.asked_columns.tolist() == [0] + [1] * width + [2] * width
    assert asked.shape == (1 + width, 1, 2)
    placed = np.asarray(asked.field(jnp.arange(1.0, 2 * width + 2)))
    np.testing.assert_array_equal(placed[0, 0], [1, 0])
    np.testing.assert_array_equal(placed[1:, 0, 0], np.arange(2, width + 2))
    np.testing.assert_array_equal(placed[1:, 0, 1], np.arange(width + 2, 2 * width + 2))


def other_grid():
    wind = field((0.0, 1.0), name="u", lats=(0.0, 1.0)).rename(lat="wind_lat", lon="wind_lon").fillna(0.0)
    return Sequences.from_xarray(xr.Dataset({"sst": field((0.0, 1.0, 2.0, 3.0)), "u": wind}))


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (lambda: Grid.of_mask(np.zeros((2, 3))), r"a grid of shape \(1, 2, 3\) with no valid cell"),
        (lambda: Grid.of_mask(np.ones(3)), r"expected a shape \(channels, lat, lon\).* found \(3,\)"),
        (lambda: Grid((1, 2, 2), [0, 4]), "cells must be places from 0 to 3"),
        (lambda: Grid((1, 2, 2), [1, 1]), "none of them twice"),
        (lambda: Grid.of(Sequences.from_numpy(np.ones((4, 2)))), "came as numpy and have no grid: .*Grid.of_mask"),
        (
            lambda: Grid.of(Sequences.from_xarray(field((0.0, 1.0, 2.0, 3.0))[:, :, 0])),
            "variable 'sst' has the dimensions time, lat: expected two of space",
        ),
        (
            lambda: Grid.of(Sequences.from_xarray(field((0.0, 1.0, 2.0, 3.0))), dims=("y", "x")),
            r"'sst' has the dimensions time, lat, lon, found dims=\('y', 'x'\)",
        ),
        (
            lambda: Grid.of(other_grid()),
            r"several grids: 'sst' on lat \(3\) x lon \(4\); 'u' on wind_lat \(2\) x wind_lon \(2\)",
        ),
    ],
)
def test_refuses_by_name(refused, message):
    with untyped(), pytest.raises(InputError, match=message):
        refused()


def test_a_variable_of_another_grid_may_be_left_out():
    data = other_grid()
    grid = Grid.of(data.select([column for column in data.schema.values if column.startswith("sst")]))
    assert grid.shape == (1, 3, 4) and grid.obs_dim == (~LAND).sum()
