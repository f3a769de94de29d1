"""The latent of a user's data at the door: units, padding, choice of method, and every refusal."""

from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest
from inference.dense import MILD, dense, mild
from models.alternator.linear_gaussian import OBS, affine
from test_compile_count import compilations
from trained import days, small, untrained, walk

import alternax as ax
from alternax.core.errors import InferenceError, InputError
from alternax.tasks.collapse import check_draws, check_finite, check_particles, check_sum

LENGTHS = (9, 7)
X = [0.7 * np.random.default_rng(seed).normal(size=(rows, OBS)) for seed, rows in enumerate(LENGTHS)]
X[0][3], X[1][2, 1] = np.nan, np.nan
DATA = ax.Sequences.from_numpy(X)
LAWS = [dense(x, unseen=MILD) for x in X]
RECURRENT = {"latent_dim": 2, "ftn": "affine", "otn": "gru", "width": 4, "depth": 1, "sigma_z": 0.4}


def recurrent(**settings) -> ax.Alternator:
    return ax.Alternator(OBS, **(RECURRENT | settings), key=jax.random.key(0))


@cache
def linear() -> ax.Fitted:
    return untrained(mild(affine()), DATA)


@cache
def with_memory() -> ax.Fitted:
    return untrained(recurrent(), DATA)


def drawn() -> ax.Fitted:
    return linear().with_model(linear().model.with_gap("draw"))


def test_smoothed_moments_and_bands_are_exact_for_every_series_of_any_length():
    found = linear().smooth(DATA, samples=3)
    assert (found.method, found.effective, found.samples.shape) == ("exact", None, (3, 2, 9, 2))
    for series, (rows, law) in enumerate(zip(LENGTHS, LAWS, strict=True)):
        mean, covariance = law.given()
        std = np.sqrt(np.diag(covariance)).reshape(mean.shape)
        np.testing.assert_allclose(found.mean[series, :rows], mean, atol=1e-4)
        np.testing.assert_allclose(found.std[series, :rows], std, rtol=1e-4)
        low, high = found.interval(0.9)
        np.testing.assert_allclose(low[series, :rows], mean - 1.6448536 * std, atol=2e-4)
        np.testing.assert_allclose(high[series, :rows], mean + 1.6448536 * std, atol=2e-4)
    assert np.isnan(found.mean[1, 7:]).all() and np.isnan(found.samples[:, 1, 7:]).all()
    again = linear().smooth(DATA, samples=3, seed=1)
    np.testing.assert_array_equal(again.mean, found.mean)
    assert np.all((again.samples != found.samples)[:, DATA.valid])


@pytest.mark.slow
def test_filters_differ_as_encoder_and_posterior_do():
    exact, particles = (linear().filter(DATA, method=method) for method in ("auto", "particles"))
    encoder = linear().filter(DATA)
    assert (encoder.method, exact.method, particles.method) == ("encoder", "exact", "particles")
    assert encoder.effective is None and exact.effective is None
    assert particles.effective.shape == (2, 9) and np.isnan(particles.effective[1, 7:]).all()
    assert np.all((particles.effective > 1) == DATA.valid)
    for series, (rows, law) in enumerate(zip(LENGTHS, LAWS, strict=True)):
        mean, variance = law.filtered()
        np.testing.assert_allclose(exact.mean[series, :rows], mean, atol=1e-4)
        np.testing.assert_allclose(exact.var[series, :rows], variance, rtol=1e-4)
        assert np.abs(particles.mean[series, :rows] - mean).max() < 0.15
        assert np.abs(encoder.mean[series, :rows] - mean).max() > 0.15
        assert np.all(encoder.var[series, :rows] > 1.05 * variance)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["backward", "gibbs", "ancestry"])
def test_smoothers_by_particles_have_the_exact_moments(method):
    found = linear().smooth(DATA, method=method, samples=400, particles=1000, lag=9)
    assert found.method == method and found.samples.shape == (400, 2, 9, 2)
    for series, (rows, law) in enumerate(zip(LENGTHS, LAWS, strict=True)):
        mean, covariance = law.given()
        std = np.sqrt(np.diag(covariance)).reshape(mean.shape)
        # Sweeps and ancestors are not independent: a few times the error of 400 that are.
        assert np.abs((found.mean[series, :rows] - mean) / std).max() < 0.3
        np.testing.assert_allclose(found.std[series, :rows], std, rtol=0.25)
    assert np.all(np.isfinite(found.effective) == DATA.valid)
    low, high = found.interval(0.5)
    np.testing.assert_allclose(low, np.quantile(found.samples, 0.25, axis=0), equal_nan=True)
    assert np.all((low < found.mean) & (found.mean < high) | np.isnan(found.mean))


@pytest.mark.slow
def test_a_recurrent_otn_is_smoothed_by_ancestry_and_scored_by_particles():
    fitted = with_memory()
    found = fitted.smooth(DATA, samples=50)
    assert found.method == "ancestry" and np.all(np.isfinite(found.samples[:, DATA.valid]))
    assert np.all(fitted.log_prob(DATA).standard_error > 0)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["exact", "backward"])
def test_other_data_of_the_same_shape_compile_nothing(method):
    other = ax.Sequences.from_numpy([x + 0.1 for x in X])
    linear().smooth(DATA, method=method, samples=4, particles=8)
    with compilations() as names:
        linear().smooth(other, method=method, samples=4, particles=8, seed=3)
    assert names == []


def observed_only() -> ax.Autoregressive:
    return ax.Autoregressive(OBS, body="affine", head="affine", law="constant", width=2, key=jax.random.key(0))


def test_a_model_that_draws_nothing_has_nothing_to_smooth():
    fitted = untrained(observed_only(), DATA)
    with pytest.raises(InputError, match=r"a Autoregressive has no latent chain.*fitted.filter\(data\) gives the law"):
        fitted.smooth(DATA)


@pytest.mark.slow
def test_a_model_that_draws_nothing_has_an_exact_likelihood():
    model = observed_only()
    fitted = untrained(model, DATA)
    found = fitted.log_prob(DATA)
    np.testing.assert_array_equal(found.standard_error, 0)
    seq = jax.tree.map(lambda a: a[1], DATA.arrays())
    want = model.unroll(seq, key=jax.random.key(5))[1].sum()
    assert found.value[1] == pytest.approx(float(want), rel=1e-5)


@pytest.mark.parametrize(
    ("task", "fitted", "settings", "message"),
    [
        ("filter", linear, {"method": "bayes"}, "method='bayes' is not known: choose 'encoder', 'auto', 'exact' or"),
        ("smooth", linear, {"method": "rts"}, "method='rts' is not known: choose 'auto', 'exact', 'backward', 'gibbs'"),
        ("filter", linear, {"resampling": "best"}, "resampling='best' is not known: choose one of systematic"),
        ("smooth", linear, {"threshold": -1.0}, r"share of effective particles .* found -1.0"),
        ("filter", linear, {"particles": 0}, "particles must be an integer of at least 1; found 0"),
        ("smooth", linear, {"samples": 0}, "samples must be an integer of at least 1; found 0"),
        ("smooth", linear, {"lag": 0}, "lag must be an integer of at least 1; found 0"),
        ("smooth", linear, {"burn_in": -1}, "burn_in"),
        ("smooth", linear, {"method": "ancestry", "particles": 5}, "samples=100 needs as many; found 5"),
        ("smooth", with_memory, {"method": "exact"}, "linear and Gaussian given the rows .*'affine'"),
        ("filter", with_memory, {"method": "exact"}, "use method='auto'"),
        (
            "smooth",
            with_memory,
            {"method": "backward"},
            "whole path of the latent .*method='ancestry'",
        ),
        ("smooth", drawn, {}, r"gap='draw' the latent depends on draws .*with_gap"),
        ("filter", drawn, {"method": "exact"}, r"gap='draw' the latent depends"),
    ],
)
def test_what_cannot_be_done_is_refused(task, fitted, settings, message):
    with pytest.raises(InputError, match=message):
        getattr(fitted(), task)(DATA, **settings)


def spoilt() -> ax.Sequences:
    x = walk(12)
    x[7] = 1e30
    return ax.Sequences.from_numpy(x, times=days(12))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "settings"),
    [
        ("smooth", {"method": "backward", "particles": 20}),
        ("filter", {"method": "particles", "particles": 20}),
        ("log_prob", {"particles": 20}),
        ("impute", {"samples": 5}),
    ],
)
def test_particles_that_are_all_lost_are_named_with_the_row(task, settings):
    fitted = untrained(small(noise="state"), spoilt())
    message = (
        r"none of (20|200) particles .*at row 7 \(time 2024-01-08.*density above 0.*outlier.*more particles.*sigma_x"
    )
    with pytest.raises(InferenceError, match=message):
        getattr(fitted, task)(spoilt(), **settings)


@pytest.mark.slow
def test_exact_laws_that_are_not_finite_are_named():
    data = spoilt()
    with pytest.raises(InferenceError, match=r"log p\(x\) of series .* is -inf: look for values far outside"):
        untrained(small(), data).log_prob(data)
    model = small()
    broken = replace(untrained(model, data), model=jax.tree.map(lambda a: a * np.nan, model))
    with pytest.raises(InferenceError, match=r"law of the latent is not finite from row 0 \(time 2024-01-01"):
        broken.filter(data, method="exact")


def test_one_particle_standing_for_the_law_for_long_is_warned_of():
    data = ax.Sequences.from_numpy(np.zeros((2, 60, 1)), times=np.stack([days(60)] * 2))
    effective = np.full((2, 60), 50.0)
    effective[1, 20:39] = 1.2
    check_particles(effective, data, 100)
    effective[1, 20:41] = 1.2
    with pytest.warns(
        RuntimeWarning, match=r"21 rows running, from series '1', row 20 .*100 particles were worth fewer"
    ):
        check_particles(effective, data, 100)
    effective[0, 5] = 0.0
    with pytest.raises(InferenceError, match=r"none of 100 particles .*series '0', row 5 \(time 2024-01-06"):
        check_particles(effective, data, 100)
    check_finite(effective, data)
    check_sum(np.zeros(2), data)


def test_draws_that_share_few_values_are_warned_of():
    data = ax.Sequences.from_numpy(np.zeros((30, 1)))
    draws = np.random.default_rng(0).normal(size=(100, 1, 30, 2))
    check_draws(draws, data)
    draws[:, 0, 4:9] = np.sign(draws[:, 0, 4:9])
    with pytest.warns(RuntimeWarning, match=r"at 5 rows, the first row 4 .*100 draws share 2 to 2 values.*shorter lag"):
        check_draws(draws, data)
    check_draws(draws[:10], data)
