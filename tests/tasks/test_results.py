"""Result objects: their statistics by hand, and their way back into the layouts the data came in."""

from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr

from alternax import metrics
from alternax.core.errors import InputError
from alternax.data import Sequences
from alternax.tasks.results import Backtest, Decoded, Filtered, Forecast, Imputed, LogProb, Modes, Samples

RNG = np.random.default_rng(0)
DATES = pd.date_range("2020-01-01", periods=6, freq="D")


def wide():
    return Sequences.from_frame(
        pd.DataFrame({"day": DATES, "a": np.arange(6.0), "wind": 1.0, "b": -np.arange(6.0)}), covariates="wind"
    )


def long():
    frame = pd.DataFrame({"unique_id": ["u"] * 6 + ["v"] * 4, "ds": [*DATES, *DATES[:4]], "y": np.arange(10.0)})
    return Sequences.from_frame(frame)


def forecast(data, samples=8, horizon=3, **kwargs):
    values = RNG.normal(size=(samples, data.series, horizon, data.obs_dim))
    times = data.future_times(horizon)
    return values, Forecast(samples=values, times=times, schema=data.schema, batched=data.batched, seed=1, **kwargs)


def test_forecast_statistics_of_an_unbatched_series_have_no_series_axis_and_no_covariates():
    values, fc = forecast(wide())
    kept = values[:, 0][..., [0, 2]]
    assert fc.samples.shape == (8, 1, 3, 2) and fc.schema.values == ("a", "b") and fc.horizon == 3
    np.testing.assert_allclose(fc.mean, kept.mean(0))
    np.testing.assert_allclose(fc.median, np.median(kept, axis=0))
    np.testing.assert_allclose(fc.std, kept.std(0, ddof=1))
    np.testing.assert_allclose(fc.quantile([0.1, 0.9]), np.quantile(kept, [0.1, 0.9], axis=0))
    np.testing.assert_allclose(fc.interval(0.8), np.quantile(kept, [0.1, 0.9], axis=0))
    assert replace(fc, seed=2).schema == fc.schema


def test_forecast_of_several_series_keeps_their_axis():
    values, fc = forecast(long())
    np.testing.assert_allclose(fc.quantile(0.25), np.quantile(values, 0.25, axis=0))
    assert fc.mean.shape == (2, 3, 1)


def test_forecast_long_frame_has_a_row_for_every_series_time_and_feature():
    values, fc = forecast(long())
    frame = fc.to_frame(quantiles=(0.1, 0.9))
    assert list(frame.columns) == ["unique_id", "ds", "feature", "mean", "q0.1", "q0.9"]
    row = frame[(frame.unique_id == "v") & (frame.ds == "2020-01-06")]
    assert row.feature.tolist() == ["y"]
    np.testing.assert_allclose(row["mean"], values[:, 1, 1, 0].mean())
    np.testing.assert_allclose(row["q0.9"], np.quantile(values[:, 1, 1, 0], 0.9))


def test_forecast_frames_of_a_wide_frame_keep_its_time_column():
    values, fc = forecast(wide())
    assert list(fc.to_frame().columns) == ["day", "feature", "mean", "q0.05", "q0.5", "q0.95"]
    assert fc.to_frame().feature.tolist() == ["a", "b"] * 3
    mean = fc.to_frame(layout="wide")
    assert list(mean.columns) == ["day", "a", "b"] and mean.day.tolist() == list(pd.date_range("2020-01-07", periods=3))
    np.testing.assert_allclose(mean["b"], values[:, 0, :, 2].mean(0))


def test_forecast_of_polars_data_is_a_polars_frame():
    data = Sequences.from_frame(pl.DataFrame({"day": DATES.to_numpy(), "a": np.arange(6.0), "b": np.ones(6)}))
    values, fc = forecast(data)
    frame = fc.to_frame()
    assert isinstance(frame, pl.DataFrame) and frame["feature"].to_list() == ["a", "b"] * 3
    np.testing.assert_allclose(frame.filter(pl.col("feature") == "b")["mean"], values[:, 0, :, 1].mean(0))


def field():
    sea = RNG.normal(size=(6, 2, 3))
    sea[:, 0, 1] = np.nan
    coords = {"time": DATES, "lat": [0.0, 5.0], "lon": [10.0, 15.0, 20.0]}
    wind = xr.DataArray(
        RNG.normal(size=(6, 2)), dims=("time", "station"), coords={"time": DATES, "station": ["n", "s"]}
    )
    return Sequences.from_xarray(
        xr.Dataset({"sst": xr.DataArray(sea, coords, ("time", "lat", "lon")), "u": wind}), covariates="u"
    )


def test_forecast_of_a_field_returns_to_its_grid_with_land_and_without_covariates():
    values, fc = forecast(field())
    data = fc.to_xarray()
    assert set(data.data_vars) == {"sst"} and set(data.dims) == {"sample", "time", "lat", "lon"}
    assert data.sst.dims == ("sample", "time", "lat", "lon")
    np.testing.assert_array_equal(np.isnan(data.sst[0, 0]), [[False, True, False], [False, False, False]])
    np.testing.assert_allclose(data.sst.sel(lat=5.0, lon=20.0), values[:, 0, :, 4])


def test_samples_frame_lists_every_path():
    data = wide()
    values = RNG.normal(size=(4, 1, 3, 3))
    drawn = Samples(samples=values, times=data.future_times(3), schema=data.schema, batched=False, seed=0)
    frame = drawn.to_frame()
    assert list(frame.columns) == ["sample", "day", "a", "b"]
    np.testing.assert_allclose(frame[frame["sample"] == 2]["b"], values[2, 0, :, 2])


def gappy():
    x = np.where(RNG.random((6, 2)) < 0.4, np.nan, RNG.normal(size=(6, 2)))
    x[2, 0], x[0] = np.nan, [1.0, 2.0]
    return Sequences.from_numpy([x, RNG.normal(size=(4, 2))], names=["a", "b"])


def imputed(data, samples=50):
    draws = np.where(data.observed, data.x, RNG.normal(size=(samples, *data.x.shape)))
    return draws, Imputed(
        samples=draws,
        observed=data.observed,
        times=data.times,
        valid=data.valid,
        schema=data.schema,
        batched=data.batched,
        seed=0,
    )


def test_imputed_frame_keeps_what_was_observed_and_fills_the_rest():
    data = gappy()
    draws, filled = imputed(data)
    before, after, second = data.to_frame(), filled.to_frame(), filled.to_frame(sample=2)
    known = before[["a", "b"]].notna().to_numpy()
    assert len(after) == 10 and not after.isna().any().any() and not known.all()
    np.testing.assert_allclose(after[["a", "b"]].to_numpy()[known], before[["a", "b"]].to_numpy()[known])
    np.testing.assert_allclose(after["a"][2], draws[:, 0, 2, 0].mean())
    np.testing.assert_allclose(second["a"][2], draws[2, 0, 2, 0])


def test_imputed_gaps_lists_missing_entries_only():
    data = gappy()
    draws, filled = imputed(data)
    gaps = filled.gaps(quantiles=(0.5,))
    assert len(gaps) == (~data.observed & data.valid[..., None]).sum()
    row = gaps[(gaps.series == gaps.series.iloc[0]) & (gaps.time == 2) & (gaps.feature == "a")]
    np.testing.assert_allclose(row["q0.5"], np.median(draws[:, 0, 2, 0]))


def test_padding_is_nan_in_results():
    data = gappy()
    filled = imputed(data)[1]
    assert np.isnan(filled.mean[1, 4:]).all() and np.isfinite(filled.mean[1, :4]).all()
    assert np.isnan(filled.quantile(0.5)[1, 4:]).all()
    moments = {"times": data.times, "valid": data.valid, "schema": data.schema, "batched": True}
    latent = Filtered(mean=np.zeros((2, 6, 3)), var=np.ones((2, 6, 3)), **moments)
    assert np.isnan(latent.std[1, 4:]).all() and len(latent.to_frame()) == 30


def test_filtered_and_decoded_of_one_series_are_unbatched_and_named():
    data = Sequences.from_numpy(RNG.normal(size=(6, 2)), targets=RNG.normal(size=(6, 2)), target_names=["px", "py"])
    mean, var = RNG.normal(size=(1, 6, 2)), RNG.uniform(1, 2, size=(1, 6, 2))
    common = {"times": data.times, "valid": data.valid, "schema": data.schema, "batched": False}
    latent, decoded = Filtered(mean=mean, var=var, **common), Decoded(mean=mean, std=var, **common)
    np.testing.assert_array_equal(latent.mean, mean[0])
    np.testing.assert_allclose(latent.std, np.sqrt(var[0]))
    np.testing.assert_array_equal(replace(latent, seed=3).mean, mean[0])
    assert latent.to_frame().feature.tolist() == ["z0", "z1"] * 6
    low, high = latent.interval(0.9)
    np.testing.assert_allclose([low, high], mean[0] + np.array([[[-1.644854]], [[1.644854]]]) * latent.std, atol=1e-5)
    axes = latent.plot([1], rows=slice(2, 5), levels=(0.9,)).axes
    np.testing.assert_allclose(axes[0].lines[0].get_ydata(), mean[0, 2:5, 1], atol=1e-9)
    edges = axes[0].collections[0].get_paths()[0].vertices[:, 1]
    np.testing.assert_allclose([edges.min(), edges.max()], [low[2:5, 1].min(), high[2:5, 1].max()], atol=1e-9)
    frame = decoded.to_frame()
    np.testing.assert_array_equal(frame[frame.feature == "py"]["mean"], mean[0, :, 1])
    assert list(frame.columns) == ["time", "feature", "mean", "std"]
    np.testing.assert_array_equal(decoded.to_xarray()["std"].sel(target="px"), var[0, :, 0])
    assert latent.to_xarray()["mean"].dims == ("time", "latent")


def test_a_plot_of_decoded_targets_shows_the_bands_the_labels_and_the_rows_asked_for():
    labels = np.where(np.arange(12).reshape(6, 2) % 3 == 0, np.nan, 1.0)
    data = Sequences.from_numpy(RNG.normal(size=(6, 2)), targets=labels, target_names=["px", "py"])
    common = {"times": data.times, "valid": data.valid, "schema": data.schema, "batched": False}
    decoded = Decoded(mean=np.zeros((1, 6, 2)), std=np.full((1, 6, 2), 2.0), **common)
    axes = decoded.plot(["py"], truth=data, rows=slice(1, 5), levels=(0.9,), unit="m").axes
    assert [one.get_title(loc="left") or one.get_title() for one in axes] == ["py"]
    edges = axes[0].collections[0].get_paths()[0].vertices[:, 1]
    np.testing.assert_allclose(
        [edges.min(), edges.max()], decoded.interval(0.9)[0][0, 0] * np.array([1, -1]), rtol=1e-6
    )
    drawn = next(line for line in axes[0].lines if line.get_label() == "observed")
    np.testing.assert_array_equal(drawn.get_ydata(), labels[1:5, 1])
    assert len(decoded.plot().axes) == 2
    with pytest.raises(InputError, match=r"no target named \['pz'\]; there are \['px', 'py'\]"):
        decoded.plot(["pz"])
    with pytest.raises(InputError, match=r"targets of shape \(1, 6, 2\), found \(1, 4, 2\)"):
        decoded.plot(truth=data.rows(0, 4))


def test_log_prob_is_a_number_for_one_series_and_a_row_each_for_several():
    one = LogProb(value=np.array([-3.0]), standard_error=np.array([0.1]), ids=("0",), batched=False)
    assert one.value == -3.0 and one.standard_error == 0.1 and one.to_frame().value.tolist() == [-3.0]
    two = LogProb(value=np.array([-3.0, -4.0]), standard_error=np.array([0.1, 0.2]), ids=("u", "v"), batched=True)
    assert two.to_frame().series.tolist() == ["u", "v"] and two.value.shape == (2,)


def backtest(data, origins=(2, 3), horizon=2, samples=20):
    origins = np.array(origins)
    rows = origins[:, None] + np.arange(horizon)
    truth = np.where(data.observed, data.x, np.nan)[:, rows]
    values = RNG.normal(size=(samples, *truth.shape))
    return Backtest(
        samples=values,
        truth=truth,
        origins=origins,
        times=data.times[:, rows],
        schema=data.schema,
        batched=data.batched,
        seed=0,
    )


def test_backtest_scores_every_lead_by_itself_and_leaves_missing_truth_and_covariates_out():
    data = wide()
    hidden = data.observed.copy()
    hidden[0, 3, 0] = False
    test = backtest(data.replace_x(data.x, hidden))
    assert test.samples.shape == (20, 1, 2, 2, 2) and np.isnan(test.truth).sum() == 2
    for i in range(2):
        x, y = test.samples[:, :, :, i], test.truth[:, :, i]
        assert test.table["rmse"][i] == pytest.approx(np.sqrt(np.nanmean((x.mean(0) - y) ** 2)))
        assert test.table["mae"][i] == pytest.approx(np.nanmean(np.abs(np.median(x, 0) - y)))
        assert test.table["crps"][i] == pytest.approx(metrics.crps(x, y))
        assert test.table["ssr"][i] == pytest.approx(metrics.spread_skill_ratio(x, y))
        assert test.table["coverage90"][i] == test.coverage(0.9)[i] == metrics.coverage(x, y, level=0.9)
    assert list(test.to_frame().columns) == ["lead", "rmse", "mae", "crps", "ssr", "coverage90"]
    by_column = test.to_frame(by_column=True)
    row = by_column[(by_column.lead == 2) & (by_column.feature == "b")]
    assert row["crps"].item() == pytest.approx(metrics.crps(test.samples[..., 1, 1], test.truth[..., 1, 1]))


def test_backtest_of_a_field_has_origins_leads_and_cells():
    test = backtest(field())
    data = test.to_xarray()
    assert data.sst.dims == ("sample", "origin", "lead", "lat", "lon")
    np.testing.assert_allclose(data.sst.sel(origin=3, lead=2, lat=5.0, lon=20.0), test.samples[:, 0, 1, 1, 4])
    assert data.time.sel(origin=3, lead=2) == DATES[4].to_datetime64()


def test_backtest_of_several_series_keeps_their_axis():
    test = backtest(long(), origins=(1, 2))
    data = test.to_xarray()
    assert data.dims == ("sample", "series", "origin", "lead", "feature")
    np.testing.assert_allclose(data.sel(series="v", origin=2, lead=1, feature="y"), test.samples[:, 1, 1, 0, 0])


def test_results_draw_what_they_hold():
    data = wide()
    values, fc = forecast(data.split(3)[0], past=data.split(3)[0])
    figure = fc.plot(["b"], truth=data, unit="K")
    (axes,) = figure.axes
    median, observed = ({line.get_label(): line for line in axes.lines}[k] for k in ("median", "observed"))
    np.testing.assert_allclose(median.get_ydata()[1:], np.median(values[:, 0, :, 2], axis=0))
    np.testing.assert_array_equal(observed.get_ydata(), [-3.0, -4.0, -5.0])
    assert len(fc.plot().axes) == 2
    assert len(imputed(gappy())[1].plot(series=1).axes) == 2
    shown = imputed(gappy())[1].plot(rows=slice(1, 4)).axes[0].lines[0]
    assert len(shown.get_ydata()) == 3
    drawn = Samples(samples=values, times=fc.times, schema=data.schema, batched=False)
    assert len(drawn.plot(["a"], paths=3).axes[0].lines) == 4
    test = backtest(data)
    assert len(test.plot({"twice": test.table}).axes) == 5 and len(test.plot_calibration().axes) == 1


def test_results_refuse_what_they_do_not_have():
    fc, filled = forecast(wide())[1], imputed(gappy())[1]
    with pytest.raises(InputError, match="Unknown column 'wind'"):
        fc.plot(["wind"])
    with pytest.raises(InputError, match="series must be a position below 1, found 3"):
        fc.plot(series=3)
    with pytest.raises(InputError, match=r"probabilities between 0 and 1, found \[10\.0\]"):
        fc.quantile([10.0])
    with pytest.raises(InputError, match="level between 0 and 1, found 1"):
        fc.interval(1.0)
    with pytest.raises(InputError, match="layout 'long' or 'wide', found 'broad'"):
        fc.to_frame(layout="broad")
    with pytest.raises(InputError, match="sample must be below 50, found 50"):
        filled.to_frame(sample=50)
    with pytest.raises(InputError, match="same kind"):
        fc.plot(["a", "b"], truth=gappy())


def test_results_describe_themselves():
    assert repr(forecast(wide())[1]) == "Forecast(8 samples of 1 series, 3 rows, 2 columns, seed 1)"
    assert repr(backtest(wide())) == "Backtest(20 samples, 1 series, 2 origins, 2 leads, 2 columns)"
    data, flat = gappy(), np.ones((2, 6, 3))
    about = {"times": data.times, "valid": data.valid, "schema": data.schema, "batched": True, "seed": 4}
    latent, modes = Filtered(mean=flat, var=flat, **about), Modes(probabilities=flat / 3, smoothed=False, **about)
    assert repr(latent) == "Filtered(2 series, 6 rows, 3 dimensions, method 'encoder', seed 4)"
    assert repr(Decoded(mean=flat, std=flat, **about)) == "Decoded(2 series, 6 rows, 3 targets, normal bands, seed 4)"
    assert repr(modes) == "Modes(2 series, 6 rows, 3 modes, filtered, seed 4)"
    one = LogProb(value=np.array([-3.25]), standard_error=np.array([0.1]), ids=("0",), batched=False)
    assert repr(one) == "LogProb(-3.25 nats, standard error 0.1, seed 0)"
    two = LogProb(value=np.array([-3.0, -4.0]), standard_error=np.array([0.1, 0.2]), ids=("u", "v"), batched=True)
    assert repr(two) == "LogProb(2 series of -4 to -3 nats, standard errors up to 0.2, seed 0)"


def test_a_single_column_is_plotted_by_its_name_alone():
    """Regression: a text was read letter by letter."""
    filled = imputed(wide())[1]
    assert len(forecast(wide())[1].plot("b").axes) == len(filled.plot("a").axes) == 1
    data = Sequences.from_numpy(RNG.normal(size=(6, 1)), targets=np.ones((6, 2)), target_names=["px", "py"])
    about = {"times": data.times, "valid": data.valid, "schema": data.schema, "batched": False}
    (axes,) = Decoded(mean=np.zeros((1, 6, 2)), std=np.ones((1, 6, 2)), **about).plot("py").axes
    assert "py" in (axes.get_title(loc="left"), axes.get_title())
    with pytest.raises(InputError, match="Unknown column 'wind'"):
        filled.plot("wind")
