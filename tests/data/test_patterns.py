import numpy as np
import pytest
import xarray as xr

from alternax.core.errors import InputError
from alternax.data import Sequences
from alternax.data.cells import area_weights, coordinate, variables
from alternax.data.patterns import Patterns


def field(rows=60, cells=8, rank=3, seed=0):
    """A field of exactly `rank` patterns, one much stronger than the next."""
    rng = np.random.default_rng(seed)
    loadings = np.linalg.qr(rng.normal(size=(cells, rank)))[0]
    return rng.normal(0, [9.0, 3.0, 1.0][:rank], (rows, rank)) @ loadings.T


@pytest.fixture(scope="module")
def ocean():
    """Two variables on grids of their own, with land in one; latitudes under two names."""
    rng = np.random.default_rng(1)
    sst, wind = rng.normal(size=(20, 3, 4)), rng.normal(size=(20, 2))
    sst[:, 1, 2] = np.nan
    data = xr.Dataset(
        {"sst": (("time", "lat", "lon"), sst), "wind": (("time", "y"), wind)},
        coords={"lat": [-60.0, 0.0, 60.0], "lon": [0.0, 90.0, 180.0, 270.0], "place": ("lon", list("abcd"))},
    ).assign_coords(y=("y", [0.0, 60.0], {"units": "degrees_north"}))
    return Sequences.from_xarray(data, covariates="wind")


def test_patterns_recover_a_field_of_their_rank_exactly():
    x = field()
    patterns = Patterns.fit(Sequences.from_numpy(x), 3)
    np.testing.assert_allclose(patterns.field(patterns.coordinates(x)), x, atol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_patterns_are_the_eigenvectors_of_the_weighted_covariance(weighted):
    x = np.random.default_rng(2).normal(size=(200, 5)) @ np.random.default_rng(3).normal(size=(5, 5))
    weights = np.array([1.0, 0.5, 2.0, 0.1, 1.0]) if weighted else np.ones(5)
    patterns = Patterns.fit(Sequences.from_numpy(x), 2, weights=weights)
    values, vectors = np.linalg.eigh((x * weights).T @ (x * weights))
    for k in range(2):
        vector = vectors[:, -1 - k]
        assert abs(vector @ (patterns.basis[k] * weights)) == pytest.approx(1)
        assert (patterns.coordinates(x)[:, k] ** 2).sum() == pytest.approx(values[-1 - k])
    np.testing.assert_allclose(patterns.analysis @ patterns.basis.T, np.eye(2), atol=1e-12)


def test_no_other_patterns_leave_less_of_the_weighted_variance():
    rng = np.random.default_rng(4)
    x, weights = rng.normal(size=(100, 6)) * [3.0, 2.0, 2.0, 1.0, 1.0, 1.0], rng.uniform(0.5, 2, 6)
    patterns = Patterns.fit(Sequences.from_numpy(x), 2, weights=weights)
    rest = (((x - patterns.field(patterns.coordinates(x))) * weights) ** 2).sum()
    singular = np.linalg.svd(x * weights, compute_uv=False)
    assert rest == pytest.approx((singular[2:] ** 2).sum())


def test_the_sign_of_a_pattern_does_not_depend_on_the_sign_of_the_data():
    x = field()
    one, other = (Patterns.fit(Sequences.from_numpy(s * x), 3) for s in (1, -1))
    np.testing.assert_allclose(one.basis, other.basis, atol=1e-12)
    assert (one.basis.max(1) >= -one.basis.min(1)).all()


def test_series_and_padding_count_as_their_valid_rows():
    x = field()
    whole = Patterns.fit(Sequences.from_numpy(x), 2)
    parts = Patterns.fit(Sequences.from_numpy([x[:10], x[10:45], x[45:]]), 2)
    np.testing.assert_allclose(parts.basis, whole.basis, atol=1e-12)


def test_patterns_of_two_variables_are_zero_on_each_other_and_join(ocean):
    is_sst = variables(ocean.schema) == "sst"
    sst = Patterns.fit(ocean, 3, columns=is_sst, weights=area_weights(ocean.schema))
    wind = Patterns.fit(ocean, 2, columns=~is_sst)
    assert (sst.basis[:, ~is_sst] == 0).all()
    assert (sst.analysis[:, ~is_sst] == 0).all()
    joint = Patterns.concat(sst, wind)
    assert joint.count == 5
    coordinates = np.concatenate([sst.coordinates(ocean.x), wind.coordinates(ocean.x)], -1)
    np.testing.assert_allclose(joint.coordinates(ocean.x), coordinates)
    np.testing.assert_allclose(joint.analysis @ joint.basis.T, np.eye(5), atol=1e-12)


def test_columns_know_their_variable_and_their_place(ocean):
    schema = ocean.schema
    assert variables(schema).tolist() == ["sst"] * 11 + ["wind"] * 2
    np.testing.assert_array_equal(coordinate(schema, "lat"), [-60] * 4 + [0] * 3 + [60] * 4 + [np.nan] * 2)
    np.testing.assert_array_equal(
        coordinate(schema, "lon"), [0, 90, 180, 270, 0, 90, 270, 0, 90, 180, 270] + [np.nan] * 2
    )
    np.testing.assert_allclose(area_weights(schema) ** 2, [0.5] * 4 + [1] * 3 + [0.5] * 4 + [1, 0.5])
    chosen = ocean.select(schema.values[9:12]).schema
    np.testing.assert_array_equal(coordinate(chosen, "lat"), [60, 60, np.nan])


def test_coordinates_may_have_two_dimensions_in_any_order():
    latitude = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    data = xr.DataArray(
        np.ones((2, 4, 3)) + np.arange(4.0)[:, None],
        dims=("y", "time", "x"),
        coords={"latitude": (("x", "y"), latitude.T)},
        name="t",
    )
    np.testing.assert_array_equal(coordinate(Sequences.from_xarray(data).schema, "latitude"), latitude.ravel())


def test_columns_without_a_grid_are_values_or_covariates():
    schema = Sequences.from_numpy(np.ones((4, 2)), covariates=["x1"]).schema
    assert variables(schema).tolist() == ["value", "covariate"]
    np.testing.assert_array_equal(area_weights(schema), 1)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda d: Patterns.fit(d, 4), "count must be from 1 to 3 for 60 rows of 3 columns, found 4"),
        (lambda d: Patterns.fit(d, 0), "found 0"),
        (lambda d: Patterns.fit(d, 1, weights=np.ones(2)), r"each of the 3 columns, found \(3,\) and \(2,\)"),
        (lambda d: Patterns.fit(d, 1, weights=np.array([1.0, 0.0, 1.0])), "positive, found 0 for column 'x1'"),
        (lambda d: Patterns.fit(d, 1, weights=np.array([1.0, 1.0, np.inf])), "positive, found inf for column 'x2'"),
        (lambda d: Patterns.concat(Patterns.fit(d, 1), Patterns.fit(d, 1)), "two of them use column 0"),
        (lambda d: coordinate(d.schema, "lat"), "Unknown coordinate 'lat'"),
    ],
)
def test_what_has_no_patterns_is_refused(action, message):
    with pytest.raises(InputError, match=message):
        action(Sequences.from_numpy(field(cells=3)))


def test_missing_entries_are_named_and_never_filled():
    x = field()
    x[7, 2] = np.nan
    with pytest.raises(InputError, match="column 'x2' of series '0' is missing at row 7"):
        Patterns.fit(Sequences.from_numpy(x), 2)
    without = np.arange(8) != 2
    assert Patterns.fit(Sequences.from_numpy(x), 2, columns=without).basis[:, 2].tolist() == [0, 0]


def test_a_coordinate_of_text_is_refused(ocean):
    with pytest.raises(InputError, match="Coordinate 'place': expected numbers"):
        coordinate(ocean.schema, "place")
