"""`Fitted`: what goes in and comes out of every task, in the units, times and shapes of the data."""

from dataclasses import replace

import jax
import numpy as np
import pandas as pd
import pytest
from models.alternator.linear_gaussian import affine
from trained import days, ragged, small, trained, untrained, walk

import alternax as ax
from alternax import tasks
from alternax.core.errors import InputError
from alternax.data.calendar import calendar_features


@pytest.fixture
def seen(monkeypatch):
    """What a forecast hands to the model, nothing being computed."""
    calls = []

    def forecast(model, series, *, controls, dts, samples, key):
        calls.append({"controls": np.asarray(controls), "dts": np.asarray(dts), "rows": series.length})
        return np.zeros((samples, *dts.shape, model.obs_dim))

    monkeypatch.setattr(tasks.forecast, "forecast", forecast)
    return calls


def test_forecast_of_several_series_has_their_axis_and_goes_on_from_each_end():
    forecast = trained().forecast(horizon=4, samples=6)
    assert forecast.samples.shape == (6, 2, 4, 2)
    assert forecast.mean.shape == (2, 4, 2) and forecast.quantile([0.1, 0.9]).shape == (2, 2, 4, 2)
    np.testing.assert_array_equal(forecast.times[0], days(64)[60:])
    np.testing.assert_array_equal(forecast.times[1], days(54)[50:])
    assert np.abs(forecast.samples[:, 0, 0] - walk(60, 0)[-1]).max() < 5
    np.testing.assert_array_equal(forecast.samples, trained().forecast(ragged(), horizon=4, samples=6).samples)
    other = trained().forecast(horizon=4, samples=6, seed=1)
    assert np.all(other.samples != forecast.samples) and other.seed == 1


def test_forecast_of_one_unbatched_series_has_four_axes_of_samples_and_no_series_in_its_statistics(seen):
    forecast = untrained(small(), ax.Sequences.from_numpy(walk(20))).forecast(horizon=3, samples=5)
    assert forecast.samples.shape == (5, 1, 3, 2)
    assert forecast.mean.shape == (3, 2) and forecast.quantile([0.1, 0.9]).shape == (2, 3, 2)
    np.testing.assert_array_equal(forecast.times, [[20, 21, 22]])


def test_a_gap_in_one_series_changes_no_other_series_and_the_forecast_goes_on_over_missing_last_rows():
    whole, gap = (
        trained().forecast(ragged(gap=rows), horizon=4, samples=6).samples for rows in (slice(0), slice(40, 50))
    )
    np.testing.assert_array_equal(whole[:, 0], gap[:, 0])
    assert np.isfinite(gap).all()
    assert np.all(whole[:, 1] != gap[:, 1])


def test_values_under_a_gap_are_never_read():
    data = ragged(gap=slice(40, 50))
    filled = replace(data, x=np.where(data.observed, data.x, 1e6))
    a, b = (trained().forecast(d, horizon=4, samples=6).samples for d in (data, filled))
    np.testing.assert_array_equal(a, b)


def test_calendar_controls_of_the_rows_ahead_are_filled_in(seen):
    trained().forecast(horizon=3, samples=1)
    want = calendar_features(np.stack([days(63)[60:], days(53)[50:]]), ["weekday"])
    np.testing.assert_allclose(seen[0]["controls"], want, atol=1e-6)


def test_calendar_of_data_in_a_time_zone_is_that_of_its_clock(seen):
    """Regression: future stamps were taken for local times, an hour or more in the past."""
    stamps = pd.date_range("2024-06-01", periods=30, freq="h", tz="Europe/Berlin")
    data = ax.Sequences.from_frame(pd.DataFrame({"t": stamps, "a": np.arange(30.0), "b": 1.0}), calendar=("hour",))
    forecast = untrained(small(control_dim=2), data).forecast(horizon=2, samples=1)
    assert forecast.to_frame(layout="wide")["t"].tolist() == [stamps[-1] + pd.Timedelta(hours=h) for h in (1, 2)]
    hours = 2 * np.pi * np.array([6, 7]) / 24
    np.testing.assert_allclose(seen[0]["controls"][0], np.stack([np.sin(hours), np.cos(hours)], -1), atol=1e-6)
    untrained(small(control_dim=2), data).forecast(horizon=1, samples=1, times=["2024-06-02 12:00"])
    np.testing.assert_allclose(seen[1]["controls"][0], [[0, -1]], atol=1e-6)
    np.testing.assert_allclose(seen[1]["dts"], [[7]])


def test_times_of_the_rows_ahead_can_be_given_as_text(seen):
    """Regression: they were kept as text."""
    forecast = trained().forecast(horizon=2, samples=1, times=["2024-03-02", "2024-03-05"])
    np.testing.assert_array_equal(forecast.times[0], np.array(["2024-03-02", "2024-03-05"], "datetime64[ns]"))
    np.testing.assert_allclose(seen[0]["dts"], [[2, 3], [12, 3]])
    with pytest.raises(InputError, match=r"expected a time after 2024-02-29, found 2024-02-20"):
        trained().forecast(horizon=1, samples=1, times=["2024-02-20"])
    with pytest.raises(InputError, match=r"expected 3 future dates, found 1"):
        trained().forecast(horizon=3, samples=1, times=["2024-03-02"])


def test_future_controls_are_asked_for_and_used(seen):
    data = ax.Sequences.from_numpy(walk(20), controls=np.arange(20.0)[:, None])
    fitted = untrained(small(control_dim=1), data)
    with pytest.raises(InputError, match=r"pass controls= with their values in the 2 future rows"):
        fitted.forecast(horizon=2, samples=1)
    with pytest.raises(InputError, match=r"expected future rows of shape \(2, 1\).*found \(3, 1\)"):
        fitted.forecast(horizon=2, samples=1, controls=np.zeros((3, 1)))
    fitted.forecast(horizon=2, samples=1, controls=[[7.0], [8.0]])
    np.testing.assert_array_equal(seen[0]["controls"], [[[7], [8]]])
    with pytest.raises(InputError, match=r"The data have controls 'control0'"):
        fitted.sample(length=3)


def test_model_with_a_context_is_given_its_last_rows_alone():
    data = ax.Sequences.from_numpy(walk(30))
    fitted = untrained(small(context=6), data, ax.Scale().fit(data))
    changed = data.replace_x(np.where(np.arange(30)[:, None] < 24, 1e3, data.x))
    a, b, c = (fitted.forecast(d, horizon=2, samples=4).samples for d in (data, data.tail(6), changed))
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(a, c)
    late = data.replace_x(np.where(np.arange(30)[:, None] == 24, 9.0, data.x))
    assert np.all(fitted.forecast(late, horizon=2, samples=4).samples != a)


def test_backtest_starts_where_training_ended_and_is_scored_against_the_rows_that_followed():
    longer = ragged(lengths=(70, 70))
    test = trained().backtest(longer, horizon=3, stride=2, samples=30)
    # Series 0 was trained until row 60, series 1 until row 50: no origin may lie before either.
    np.testing.assert_array_equal(test.origins, [60, 62, 64, 66])
    for i, origin in enumerate(test.origins):
        for series in range(2):
            np.testing.assert_array_equal(test.truth[series, i], walk(70, series)[origin : origin + 3])
            np.testing.assert_array_equal(test.times[series, i], days(70)[origin : origin + 3])
    assert test.samples.shape == (30, 2, 4, 3, 2)
    error = test.samples.mean(0) - test.truth
    np.testing.assert_allclose(test.table["rmse"], np.sqrt((error**2).mean((0, 1, 3))))
    dated = trained().backtest(longer, horizon=3, stride=2, samples=30, start="2024-03-01")
    np.testing.assert_array_equal(dated.samples, test.samples)
    assert trained().backtest(longer, horizon=3, stride=2, samples=30, start=59, stop=66).origins.tolist() == [
        59,
        61,
        63,
        65,
    ]


def test_backtest_is_the_forecast_from_the_same_origin():
    longer, count = ragged(lengths=(70, 70)), 2000
    test = trained().backtest(longer, horizon=3, stride=3, start=60, samples=count)
    assert test.origins.tolist() == [60, 63, 66]
    before = trained().forecast(longer.rows(0, 60), horizon=3, samples=count, seed=9).samples
    a, b = test.samples[:, :, 0], before
    error = np.sqrt((a.var(0) + b.var(0)) / count)
    print("largest difference of means, standard errors:", np.abs((a.mean(0) - b.mean(0)) / error).max())
    assert np.abs(a.mean(0) - b.mean(0)).max() < (4 * error).max()
    assert np.abs(np.log(a.std(0) / b.std(0))).max() < 4 / np.sqrt(count)


def test_backtest_without_origins_says_why():
    with pytest.raises(InputError, match=r"no origin to test from: the first is row 60, the data have 50 rows"):
        trained().backtest(ragged(), horizon=3)
    with pytest.raises(InputError, match=r"the first origin is row 0, but the model needs 1 rows"):
        trained().backtest(ragged(), horizon=3, start=0)


def test_imputation_keeps_observed_entries_exactly_and_fills_the_others():
    data = ragged(gap=slice(20, 23))
    filled = trained().impute(data, samples=5, lag=8)
    assert filled.samples.shape == (5, 2, 60, 2)
    for sample in filled.samples:
        np.testing.assert_array_equal(sample[data.observed], data.x[data.observed])
    gap = filled.samples[:, 1, 20:23]
    assert np.isfinite(gap).all() and np.all(gap.std(0) > 0)
    assert np.abs(gap - walk(50, 1)[20:23]).max() < 5
    assert np.isnan(filled.samples[:, 1, 50:]).all()


def test_filter_of_ragged_series_is_that_of_each_alone_and_nan_on_padding():
    both = trained().filter(ragged())
    alone = trained().filter(ragged(series=slice(1, 2)))
    assert both.mean.shape == (2, 60, 3)
    np.testing.assert_allclose(both.mean[1, :50], alone.mean[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(both.var[1, :50], alone.var[0], rtol=1e-5)
    assert np.isnan(both.mean[1, 50:]).all()


def test_decoded_targets_come_back_in_their_own_units():
    """decode="latent" reads the targets off z, whose mean is known to `filter`; then the transform is inverted."""
    rng = np.random.default_rng(0)
    data = ax.Sequences.from_numpy(walk(30), targets=100 + 10 * rng.normal(size=(30, 1)))
    fitted = ax.fit(
        small(target_dim=1, decode="latent"), data, objective=ax.Supervised(), steps=1, window=12, valid=None
    )
    decoded, filtered = fitted.decode(data), fitted.filter(data)
    location, scale = data.targets.mean(), data.targets.std()
    np.testing.assert_allclose(decoded.mean, location + scale * filtered.mean[:, :1], rtol=1e-5)
    spread = scale * np.exp(float(fitted.model.target_log_scale[0]))
    np.testing.assert_allclose(decoded.std, np.full((30, 1), spread), rtol=1e-5)
    with pytest.raises(InputError, match=r"built with target_dim=0 and decodes nothing"):
        trained().decode(ragged())


def test_generated_series_follow_the_end_of_training_in_time_and_units():
    made = trained().sample(length=6, samples=4)
    assert made.samples.shape == (4, 1, 6, 2)
    np.testing.assert_array_equal(made.times[0], days(66)[60:])
    assert np.abs(made.samples[..., 1].mean() - walk(60, 0)[:, 1].mean()) < 3


def test_log_prob_is_in_data_units():
    """Data ten times as large have a density ten times smaller for each of their n observed numbers."""
    x = walk(30)
    x[3, 0] = np.nan
    data, large = ax.Sequences.from_numpy(x), ax.Sequences.from_numpy(10 * x)
    one, ten = (untrained(affine(), d, ax.Scale().fit(d)).log_prob(d, particles=50) for d in (data, large))
    assert ten.value - one.value == pytest.approx(-59 * np.log(10), rel=1e-5)
    assert np.ndim(one.value) == 0 and one.standard_error == 0
    plain = untrained(affine(), data, ax.Identity())
    scale = np.nanstd(x, axis=0)
    again = untrained(affine(), ax.Scale().fit(data).apply(data)).log_prob(
        ax.Scale().fit(data).apply(data), particles=50
    )
    assert one.value == pytest.approx(again.value - 29 * np.log(scale[0]) - 30 * np.log(scale[1]), rel=1e-5)
    assert plain.log_prob(data, particles=50).value != one.value


@pytest.mark.slow
def test_covariates_are_neither_reported_nor_scored():
    data = ax.Sequences.from_numpy(walk(20), names=["wind", "y"], covariates=["wind"])
    fitted = untrained(small(), data)
    forecast = fitted.forecast(horizon=2, samples=3)
    assert forecast.samples.shape == (3, 1, 2, 1) and forecast.schema.values == ("y",)
    assert fitted.impute(data, samples=3, lag=4).samples.shape == (3, 1, 20, 1)
    test = fitted.backtest(data, horizon=2, start=17, samples=3)
    np.testing.assert_array_equal(test.truth[0, 0, :, 0], walk(20)[17:19, 1])
    assert test.samples.shape == (3, 1, 2, 2, 1)


@pytest.mark.parametrize(
    ("task", "settings", "message"),
    [
        ("forecast", {"horizon": 0}, r"horizon must be an integer of at least 1; found 0"),
        ("forecast", {"horizon": 2, "samples": 0}, r"samples must be an integer of at least 1; found 0"),
        ("backtest", {"data": ragged(), "horizon": 0}, r"horizon must be an integer of at least 1"),
        ("backtest", {"data": ragged(), "horizon": 1, "stride": 0}, r"stride must be an integer of at least 1"),
        ("impute", {"data": ragged(), "samples": 0}, r"samples must be an integer"),
        ("impute", {"data": ragged(), "lag": 0}, r"lag must be an integer"),
        ("sample", {"length": 0}, r"length must be an integer"),
        ("log_prob", {"data": ragged(), "particles": 0}, r"particles must be an integer"),
        ("forecast", {"data": ax.Sequences.from_numpy(walk(9)), "horizon": 1}, r"fitted on times of kind datetime"),
    ],
)
def test_requests_that_cannot_be_met_are_refused(task, settings, message):
    with pytest.raises(InputError, match=message):
        getattr(trained(), task)(**settings)


def test_a_run_describes_itself_in_a_line():
    count = sum(leaf.size for leaf in jax.tree.leaves(trained().model) if hasattr(leaf, "size"))
    assert repr(trained()) == f"Fitted(Alternator, {count:,} parameters, 2 columns, trained 20 steps)"


def test_arrays_are_not_taken_for_data():
    with pytest.raises(TypeError, match=r"expected alternax Sequences, found ndarray: make them with"):
        trained().filter(walk(9))
