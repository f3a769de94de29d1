"""Sampling and likelihood against the exact joint law of a linear-Gaussian model."""

import jax
import jax.numpy as jnp
import numpy as np
from models.alternator.linear_gaussian import OBS, affine, joint

from alternax.core.sequence import Sequence
from alternax.tasks.infer import impute, log_prob, sample

LENGTH = 5
X = np.random.default_rng(1).normal(size=(2, LENGTH, OBS))


def test_generated_series_follow_the_joint_law():
    law, count = joint(LENGTH), 4000
    rows = {"controls": jnp.zeros((LENGTH, 0)), "dts": jnp.ones(LENGTH)}
    draws = np.asarray(sample(affine(), length=LENGTH, samples=count, key=jax.random.key(2), **rows)).reshape(count, -1)
    variance = np.diag(law.covariance)
    off = np.abs(draws.mean(0) - law.mean) / np.sqrt(variance / count)
    error = np.sqrt((np.outer(variance, variance) + law.covariance**2) / count)
    off_covariance = np.abs(np.cov(draws.T) - law.covariance) / error
    print(f"largest deviations: {off.max():.2f}, {off_covariance.max():.2f} standard errors")
    assert off.max() < 4 and off_covariance.max() < 4


def test_log_prob_of_a_linear_latent_is_exact():
    value, error, effective = log_prob(affine(), Sequence.build(jnp.asarray(X)), particles=1, key=jax.random.key(3))
    np.testing.assert_allclose(value, [joint(LENGTH).log_density(x) for x in X], rtol=1e-5)
    assert effective is None and not np.any(error)


def test_estimated_log_prob_is_the_exact_one_within_its_standard_error():
    """On complete series the rule for gaps changes nothing but the way to compute."""
    model, series = affine(gap="draw"), Sequence.build(jnp.asarray(X))
    value, error, effective = log_prob(model, series, particles=500, key=jax.random.key(3))
    assert effective.shape == (2, LENGTH) and np.all((effective > 1) & (effective <= 500.1))
    want = np.array([joint(LENGTH).log_density(x) for x in X])
    print(np.asarray(value), np.asarray(error), want)
    assert np.all((np.asarray(error) > 0) & (np.asarray(error) < 0.05))
    assert np.all(np.abs(np.asarray(value) - want) < 4 * np.asarray(error))


def test_imputation_keeps_what_was_observed_and_draws_the_rest():
    hidden = np.zeros_like(X, bool)
    hidden[0, 2] = hidden[1, 4, 0] = True
    series = Sequence.build(jnp.asarray(np.where(hidden, np.nan, X)))
    paths, effective = impute(affine(), series, samples=25, lag=LENGTH, key=jax.random.key(4))
    paths = np.asarray(paths)
    assert effective.shape == (2, LENGTH) and np.all(effective > 1)
    assert paths.shape == (25, 2, LENGTH, OBS)
    np.testing.assert_array_equal(
        paths[:, ~hidden], np.broadcast_to(X[~hidden].astype(np.float32), (25, (~hidden).sum()))
    )
    assert np.isfinite(paths).all()
    assert np.all(paths[:, hidden].std(0) > 0.1)
