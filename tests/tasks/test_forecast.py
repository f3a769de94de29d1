"""Sample paths against the exact predictive law of a linear-Gaussian model, and what may not change a draw."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from models.alternator.linear_gaussian import ALPHA, LATENT, OBS, SIGMA_X, SIGMA_Z, F, G, affine, f, g

from alternax.core.sequence import Sequence
from alternax.tasks.forecast import _forecast, forecast, forecast_origins
from alternax.tasks.keys import sample_chunk, series_keys

PAST, HORIZON, SAMPLES = 7, 3, 10000
X = np.random.default_rng(0).normal(size=(PAST + HORIZON, OBS))


def predictive(past: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the `HORIZON` rows after the first `past` of X, every row a linear map of all noises.

    The latent at the end of the past has the FTN's own law N(m, v I), which takes the rows as given. It is not the
    Bayes posterior, for which paths would have to be weighed by how well they predicted those rows.
    """
    factor, carry = np.sqrt(1 - SIGMA_X**2), np.sqrt(1 - ALPHA - SIGMA_Z**2)
    m, v = np.zeros(LATENT), 1.0
    for row in X[:past]:
        m, v = np.sqrt(ALPHA) * (G @ row + g) + carry * m, carry**2 * v + SIGMA_Z**2
    noises = iter(np.eye(LATENT + HORIZON * (OBS + LATENT)))
    draw = lambda width: np.stack([next(noises) for _ in range(width)])  # noqa: E731
    z, means, maps = np.sqrt(v) * draw(LATENT), [], []
    for _ in range(HORIZON):
        means.append(factor * (F @ m + f))
        maps.append(factor * F @ z + SIGMA_X * draw(OBS))
        m = np.sqrt(ALPHA) * (G @ means[-1] + g) + carry * m
        z = np.sqrt(ALPHA) * G @ maps[-1] + carry * z + SIGMA_Z * draw(LATENT)
    stacked = np.concatenate(maps)
    return np.concatenate(means), stacked @ stacked.T


def assert_law(paths: np.ndarray, past: int) -> None:
    """All means and covariances within 4 standard errors."""
    mean, covariance = predictive(past)
    draws = paths.reshape(len(paths), -1)
    off = (draws.mean(0) - mean) / np.sqrt(np.diag(covariance) / len(draws))
    spread = np.sqrt((np.outer(np.diag(covariance), np.diag(covariance)) + covariance**2) / len(draws))
    off_covariance = (np.cov(draws.T) - covariance) / spread
    print(f"largest deviations: {np.abs(off).max():.2f}, {np.abs(off_covariance).max():.2f} standard errors")
    assert np.abs(off).max() < 4 and np.abs(off_covariance).max() < 4


def batch(*series: np.ndarray) -> Sequence:
    return Sequence.build(jnp.asarray(np.stack(series)))


def run(series: Sequence, samples: int = SAMPLES, **settings) -> np.ndarray:
    count = series.x.shape[0]
    none, ones = jnp.zeros((count, HORIZON, 0)), jnp.ones((count, HORIZON))
    model = affine(**settings)
    return np.asarray(forecast(model, series, controls=none, dts=ones, samples=samples, key=jax.random.key(5)))


def test_paths_follow_the_exact_predictive_law():
    paths = run(batch(X[:PAST]))
    assert paths.shape == (SAMPLES, 1, HORIZON, OBS)
    assert_law(paths, PAST)


@pytest.mark.slow
def test_paths_from_origins_inside_a_series_follow_it_too():
    origins = jnp.array([PAST, 2])
    paths = forecast_origins(affine(), batch(X), origins, horizon=HORIZON, samples=SAMPLES, key=jax.random.key(7))
    assert paths.shape == (SAMPLES, 1, 2, HORIZON, OBS)
    for i, origin in enumerate(origins):
        assert_law(np.asarray(paths)[:, 0, i], int(origin))


@pytest.mark.slow
def test_chunks_change_no_path():
    series, key = batch(X[:PAST]), jax.random.key(5)
    none, ones = jnp.zeros((1, HORIZON, 0)), jnp.ones((1, HORIZON))
    whole, parts = (_forecast(affine(), series, none, ones, 11, chunk, key) for chunk in (11, 4))
    np.testing.assert_allclose(whole, parts, rtol=1e-5, atol=1e-6)
    assert len(np.unique(np.asarray(whole)[:, 0, 0, 0])) == 11


@pytest.mark.slow
def test_series_beside_it_change_no_path():
    two, other = batch(X[:PAST], -X[:PAST]), batch(X[:PAST], np.where(np.arange(PAST)[:, None] > 3, np.nan, X[:PAST]))
    first, second = run(two, 20), run(other, 20)
    np.testing.assert_array_equal(first[:, 0], second[:, 0])
    assert np.all(first[:, 1] != second[:, 1])
    np.testing.assert_allclose(run(batch(X[:PAST]), 20)[:, 0], first[:, 0], rtol=1e-5, atol=1e-6)
    # Two series of the same rows have noise of their own.
    twins = run(batch(X[:PAST], X[:PAST]), 20)
    assert np.all(twins[:, 0] != twins[:, 1])


@pytest.mark.parametrize(
    ("samples", "rows", "width", "budget", "want"),
    [(100, 10, 2, 2000, 100), (100, 10, 2, 1999, 99), (100, 1000, 2, 10, 1), (7, 0, 0, 100, 7)],
)
def test_sample_chunk_keeps_within_its_budget(samples, rows, width, budget, want):
    assert sample_chunk(samples, rows, width, budget) == want


def test_keys_of_series_are_those_of_their_positions():
    few, many = (jax.random.key_data(series_keys(jax.random.key(0), count)) for count in (2, 5))
    np.testing.assert_array_equal(few, many[:2])
    assert len(np.unique(many, axis=0)) == 5
