"""Scores against scoringrules, scipy and hand-made examples, with truth missing here and there."""

import numpy as np
import pytest
import scoringrules
from scipy import stats

from alternax import metrics
from alternax.core.errors import InputError
from alternax.metrics import entries

RNG = np.random.default_rng(0)
SAMPLES = RNG.normal(size=(7, 4, 5, 3)) + 2.0
TRUTH = RNG.normal(size=(4, 5, 3))
GAPPY = np.where(RNG.random(TRUTH.shape) < 0.3, np.nan, TRUTH)


@pytest.fixture(params=["one block", "many blocks"])
def blocks(request, monkeypatch):
    if request.param == "many blocks":
        monkeypatch.setattr(entries, "_BLOCK", 50)


def test_crps_is_the_fair_estimator_of_scoringrules(blocks):
    expected = scoringrules.crps_ensemble(TRUTH, SAMPLES, m_axis=0, estimator="fair", backend="numpy")
    np.testing.assert_allclose(metrics.crps(SAMPLES, TRUTH, axis=()), expected, rtol=1e-6)
    known = ~np.isnan(GAPPY)
    np.testing.assert_allclose(metrics.crps(SAMPLES, GAPPY), expected[known].mean(), rtol=1e-6)


def test_crps_keeps_its_digits_far_from_zero():
    np.testing.assert_allclose(metrics.crps(SAMPLES + 1e8, TRUTH + 1e8), metrics.crps(SAMPLES, TRUTH), rtol=1e-6)


def test_energy_score_is_the_fair_estimator_of_scoringrules(blocks):
    expected = scoringrules.es_ensemble(TRUTH, SAMPLES, m_axis=0, estimator="fair", backend="numpy")
    np.testing.assert_allclose(metrics.energy_score(SAMPLES, TRUTH, axis=()), expected, rtol=1e-6)


def test_energy_score_measures_vectors_in_the_known_entries_only(blocks):
    truth = TRUTH.copy()
    truth[..., 1] = np.nan
    truth[2, 3] = np.nan
    expected = scoringrules.es_ensemble(TRUTH[..., ::2], SAMPLES[..., ::2], m_axis=0, estimator="fair", backend="numpy")
    expected[2, 3] = np.nan
    np.testing.assert_allclose(metrics.energy_score(SAMPLES, truth, axis=0), np.nanmean(expected, axis=0), rtol=1e-6)


def test_energy_score_of_one_feature_is_the_crps():
    np.testing.assert_allclose(
        metrics.energy_score(SAMPLES[..., None], TRUTH[..., None], axis=()),
        metrics.crps(SAMPLES, TRUTH, axis=()),
        rtol=1e-9,
    )


def test_crps_of_few_samples_is_unbiased_for_the_gaussian_score():
    draws, truth = RNG.normal(size=(3, 40_000)), np.full(40_000, 0.7)
    values = metrics.crps(draws, truth, axis=())
    exact = metrics.crps_gaussian(np.zeros(1), np.ones(1), np.array([0.7]))
    assert abs(values.mean() - exact) < 4 * values.std() / np.sqrt(values.size)


def test_gaussian_crps_is_that_of_scoringrules():
    std = np.exp(TRUTH[::-1])
    expected = scoringrules.crps_normal(TRUTH, SAMPLES[0], std, backend="numpy")
    np.testing.assert_allclose(metrics.crps_gaussian(SAMPLES[0], std, TRUTH, axis=()), expected, rtol=1e-9)


def test_point_errors_and_correlation_leave_missing_truth_out():
    prediction, known = SAMPLES[0], ~np.isnan(GAPPY)
    p, y = prediction[known], TRUTH[known]
    np.testing.assert_allclose(metrics.rmse(prediction, GAPPY), np.sqrt(np.mean((p - y) ** 2)))
    np.testing.assert_allclose(metrics.mae(prediction, GAPPY), np.abs(p - y).mean())
    np.testing.assert_allclose(metrics.correlation(prediction, GAPPY), stats.pearsonr(p, y).statistic)
    column = [stats.pearsonr(prediction[..., c].ravel(), TRUTH[..., c].ravel()).statistic for c in range(3)]
    np.testing.assert_allclose(metrics.correlation(prediction, TRUTH, axis=(0, 1)), column)


def test_axis_averages_over_the_others_only():
    per_lead = metrics.rmse(SAMPLES[0], GAPPY, axis=(0, 2))
    expected = [np.sqrt(np.nanmean((SAMPLES[0, :, lead] - GAPPY[:, lead]) ** 2)) for lead in range(5)]
    np.testing.assert_allclose(per_lead, expected)


def test_spread_skill_ratio_of_a_calibrated_small_ensemble_is_one():
    centre = 5 * RNG.normal(size=20_000)
    draws, truth = centre + RNG.normal(size=(3, 20_000)), centre + RNG.normal(size=20_000)
    ratio = metrics.spread_skill_ratio(draws, truth)
    # Delta method: var(log ratio) = (var(v)/E[v]^2 + var(e^2)/E[e^2]^2) / 4n with v chi-square of 2 degrees, e^2 of 1.
    assert abs(np.log(ratio)) < 4 * np.sqrt((1 + 2) / (4 * 20_000))


def test_spread_skill_ratio_by_hand():
    samples, truth = np.array([[0.0], [2.0]]), np.array([3.0])
    assert metrics.spread_skill_ratio(samples, truth) == pytest.approx(np.sqrt(2 * 3 / 2) / 2)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_coverage_of_a_calibrated_small_ensemble_is_its_level(level, blocks):
    draws, truth = RNG.normal(size=(2, 19, 2000))[0], RNG.normal(size=2000)
    assert abs(metrics.coverage(draws, truth, level=level) - level) < 4 * np.sqrt(level * (1 - level) / 2000)


def test_slice_without_truth_is_nan_and_the_others_are_not():
    truth = GAPPY.copy()
    truth[:, 2] = np.nan
    for value in (
        metrics.rmse(SAMPLES[0], truth, axis=(0, 2)),
        metrics.correlation(SAMPLES[0], truth, axis=(0, 2)),
        metrics.crps(SAMPLES, truth, axis=(0, 2)),
        metrics.energy_score(SAMPLES, truth, axis=0),
        metrics.spread_skill_ratio(SAMPLES, truth, axis=(0, 2)),
        metrics.coverage(SAMPLES, truth, axis=(0, 2)),
    ):
        np.testing.assert_array_equal(np.isnan(value), [False, False, True, False, False])


def test_samples_that_are_infinite_where_nothing_is_known_do_not_matter():
    samples = np.where(np.isnan(GAPPY), np.inf, SAMPLES)
    for score in (metrics.crps, metrics.energy_score, metrics.spread_skill_ratio, metrics.coverage):
        assert score(samples, GAPPY) == score(SAMPLES, GAPPY)


def test_correlation_with_a_constant_is_nan():
    for constant in (np.ones(4), np.full(7, 0.1), np.full(7, -1e6 / 3)):
        truth = np.arange(float(len(constant)))
        assert np.isnan(metrics.correlation(constant, truth)) and np.isnan(metrics.r2(truth, constant))
    assert metrics.correlation(1e6 + np.arange(4.0), np.arange(4.0)) == pytest.approx(1.0)


def test_r2_is_the_share_of_the_variance_explained():
    truth, prediction = GAPPY, SAMPLES[0]
    kept = ~np.isnan(truth)
    want = 1 - ((prediction - truth)[kept] ** 2).mean() / truth[kept].var()
    assert metrics.r2(prediction, truth) == pytest.approx(want)
    column = [1 - ((prediction - TRUTH)[..., i] ** 2).mean() / TRUTH[..., i].var() for i in range(TRUTH.shape[-1])]
    np.testing.assert_allclose(metrics.r2(prediction, TRUTH, axis=tuple(range(TRUTH.ndim - 1))), column)
    assert metrics.r2(np.full(3, 2.0), np.array([1.0, 2.0, 3.0])) == 0.0


@pytest.mark.parametrize("score", [metrics.crps, metrics.energy_score, metrics.spread_skill_ratio, metrics.coverage])
def test_ensemble_scores_refuse_what_they_cannot_score(score):
    with pytest.raises(InputError, match=r"shape of the truth \(4, 5, 3\), found \(5, 3\)"):
        score(SAMPLES[0], TRUTH)
    with pytest.raises(InputError, match="at least 2 samples, found 1"):
        score(SAMPLES[:1], TRUTH)
    with pytest.raises(InputError, match="all 60 entries of the truth are missing"):
        score(SAMPLES, np.full(TRUTH.shape, np.nan))
    broken = SAMPLES.copy()
    broken[3, 1, 2, 0] = np.inf
    with pytest.raises(InputError, match=r"samples must be finite .* entry \(1, 2, 0\)"):
        score(broken, TRUTH)


@pytest.mark.parametrize("score", [metrics.rmse, metrics.mae, metrics.r2, metrics.correlation])
def test_point_scores_refuse_what_they_cannot_score(score):
    with pytest.raises(InputError, match=r"prediction must have the shape of the truth"):
        score(SAMPLES, TRUTH)
    with pytest.raises(InputError, match="nothing to score"):
        score(TRUTH, np.full(TRUTH.shape, np.nan))
    with pytest.raises(InputError, match=r"prediction must be finite"):
        score(GAPPY, TRUTH)


def test_coverage_level_outside_zero_and_one_is_refused():
    with pytest.raises(InputError, match=r"level must be between 0 and 1, found 90\.0"):
        metrics.coverage(SAMPLES, TRUTH, level=90.0)
