import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alternax.core.errors import InputError, ModelFileError
from alternax.data import Sequences
from alternax.data.transforms import Chain, Identity, Log, MinMax, Scale, SeasonalAnomaly, Transform

KINDS = ("real", "real", "positive", "count", "binary", "category")
TRANSFORMS = {
    "identity": Identity(),
    "scale by column": Scale(),
    "scale by series": Scale("series"),
    "scale all": Scale("all"),
    "min-max": MinMax(low=-0.5, high=2.0),
    "log": Log(shift=20.0),
    "log of one column": Log(columns=("x2",)),
    "anomaly": SeasonalAnomaly("month"),
    "log after min-max": Chain([MinMax(low=1.0, high=2.0), Log()]),
    "chain": Chain([Log(columns=("x2",)), SeasonalAnomaly("weekday"), Scale("all")]),
}


@pytest.fixture(scope="module")
def data():
    """Three series of different lengths with gaps, in every kind of column."""
    rng = np.random.default_rng(0)
    series, times = [], []
    for i, length in enumerate((40, 25, 33)):
        real = rng.normal(5.0 * i, [1.0, 3.0], (length, 2))
        x = np.column_stack(
            [real, rng.gamma(2.0, 10.0, length), rng.poisson(3, length), rng.integers(0, 2, (length, 2))]
        )
        series.append(np.where(rng.random(x.shape) < 0.2, np.nan, x))
        times.append(pd.date_range("2020-01-05", periods=length, freq="11D"))
    return Sequences.from_numpy(series, times=times, kinds=KINDS)


def one(*columns, **options):
    """One series with these columns."""
    return Sequences.from_numpy(np.array(columns, float).T, **options)


def entries(data, x):
    """`x` of the data, NaN where not observed."""
    return np.where(data.observed, x, np.nan)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_inverse_undoes_forward_on_every_sample_path(name, data):
    fitted = TRANSFORMS[name].fit(data)
    x = np.where(data.observed, data.x, 1.0) * np.array([1.0, 1.1, 0.7])[:, None, None, None]
    y = fitted.forward(x, data.times, data.schema.ids)
    assert y.shape == (3, *data.x.shape)
    np.testing.assert_allclose(fitted.inverse(y, data.times, data.schema.ids), x, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_log_jacobian_is_the_log_derivative_of_forward(name, data):
    fitted, where = TRANSFORMS[name].fit(data), (data.times, data.schema.ids)
    x, step = np.where(data.observed, data.x, 1.0), 1e-6
    slope = (fitted.forward(x + step, *where) - fitted.forward(x - step, *where)) / (2 * step)
    np.testing.assert_allclose(np.exp(fitted.log_jacobian(x, *where)), slope, rtol=1e-6)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_saved_transform_is_the_transform(name, data):
    fitted = TRANSFORMS[name].fit(data)
    record, arrays = fitted.to_dict()
    loaded = Transform.from_dict(json.loads(json.dumps(record)), arrays)
    assert type(loaded) is type(fitted)
    np.testing.assert_array_equal(loaded.apply(data).x, fitted.apply(data).x)
    assert loaded.to_dict()[0] == record


@pytest.mark.parametrize("name", TRANSFORMS)
def test_apply_changes_what_is_observed_and_real_and_nothing_else(name, data):
    applied = TRANSFORMS[name].fit(data).apply(data)
    np.testing.assert_array_equal(applied.observed, data.observed)
    np.testing.assert_array_equal(applied.x[~data.observed], 0.0)
    np.testing.assert_array_equal(applied.x[..., 3:], data.x[..., 3:])
    assert applied.schema.kinds[3:] == KINDS[3:]
    assert np.isfinite(applied.x).all()


def test_scale_by_column_standardises_the_observed_entries_of_all_series(data):
    scaled = Scale().fit(data).apply(data)
    y = entries(scaled, scaled.x)[..., :2]
    np.testing.assert_allclose(np.nanmean(y, (0, 1)), 0, atol=1e-12)
    np.testing.assert_allclose(np.nanstd(y, (0, 1)), 1)


def test_scale_by_series_standardises_every_series(data):
    scaled = Scale("series").fit(data).apply(data)
    y = entries(scaled, scaled.x)[..., :2]
    np.testing.assert_allclose(np.nanmean(y, 1), 0, atol=1e-12)
    np.testing.assert_allclose(np.nanstd(y, 1), 1)
    alone = scaled.take([1])
    np.testing.assert_array_equal(Scale("series").fit(data).apply(data.take([1])).x, alone.x)


def test_scale_all_shares_one_scale_and_keeps_relative_variances(data):
    scaled = Scale("all").fit(data).apply(data)
    x, y = entries(data, data.x)[..., :2], entries(scaled, scaled.x)[..., :2]
    np.testing.assert_allclose(np.nanmean(y, (0, 1)), 0, atol=1e-12)
    assert np.nanmean(y**2) == pytest.approx(1)
    ratios = np.nanstd(y, (0, 1)) / np.nanstd(x, (0, 1))
    assert ratios[0] == pytest.approx(ratios[1])


def test_scale_all_scales_covariates_apart():
    rng = np.random.default_rng(1)
    data = Sequences.from_numpy(rng.normal(0, [1.0, 2.0, 300.0], (50, 3)), covariates=["x2"])
    y = Scale("all").fit(data).apply(data).x[0]
    assert np.mean(y[:, :2] ** 2) == pytest.approx(1)
    assert np.mean(y[:, 2] ** 2) == pytest.approx(1)


@pytest.mark.parametrize("per", ["column", "series", "all"])
def test_scale_keeps_positive_columns_positive(per, data):
    scaled = Scale(per).fit(data).apply(data)
    y = scaled.x[..., 2][data.observed[..., 2]]
    assert (y > 0).all()
    if per != "series":
        assert y.mean() == pytest.approx(1)


@pytest.mark.parametrize("per", ["column", "series", "all"])
def test_constant_columns_are_centred_and_not_stretched(per):
    data = one([0.1] * 7, [1e9 + 0.1] * 7)
    fitted = Scale(per).fit(data)
    np.testing.assert_allclose(fitted.apply(data).x, 0, atol=1e-6)
    later = one([0.1, 3.1], [1e9, 2e9])
    assert fitted.apply(later).x[0, 1, 0] == pytest.approx(3.0)
    assert np.abs(fitted.apply(later).x).max() == pytest.approx(1e9)


@pytest.mark.parametrize("transform", [Scale(), Scale("series"), MinMax(), SeasonalAnomaly(3)])
def test_a_column_silent_in_training_passes_as_it_is_when_it_wakes_up(transform):
    data = one([np.nan] * 6 + [4.0, 9.0], [1.0, 1, 2, 2, 3, 3, 4, 4])
    before, after = data.split(6)
    np.testing.assert_allclose(transform.fit(before).apply(after).x[0, :, 0], [4.0, 9.0])


def test_a_silent_cell_of_a_field_takes_the_scale_of_the_field():
    data = one([np.nan] * 4 + [4.0], [1.0, 3.0, 1.0, 3.0, 5.0], [0.0, 4.0, 0.0, 4.0, 9.0])
    before, after = data.split(4)
    np.testing.assert_allclose(Scale("all").fit(before).apply(after).x[0, 0], np.array([4.0, 3.0, 7.0]) / np.sqrt(2.5))


def test_a_series_silent_or_constant_in_training_takes_the_scale_of_the_column():
    parts = [[[1.0], [3.0], [5.0]], [[np.nan], [np.nan], [np.nan]], [[7.0], [7.0], [7.0]]]
    data = Sequences.from_numpy(np.array(parts))
    fitted = Scale("series").fit(data)
    pooled = np.array([1.0, 3, 5, 7, 7, 7])
    np.testing.assert_allclose(fitted.location[:, 0], [3.0, pooled.mean(), 7.0])
    np.testing.assert_allclose(fitted.scale[:, 0], [np.std([1, 3, 5]), pooled.std(), pooled.std()])


def test_values_of_any_magnitude_are_scaled_without_overflow():
    data = one([1e200, -1e200, 3e200], [1e-200, 2e-200, 5e-200])
    for transform in (Scale(), MinMax()):
        y = transform.fit(data).apply(data).x
        assert np.isfinite(y).all()
        assert 0.5 < np.abs(y).max() < 2


def test_min_max_maps_the_training_range_and_goes_beyond_it_later():
    train = one([2.0, 6.0, np.nan, 4.0], [5.0, 5.0, 5.0, 5.0])
    fitted = MinMax(low=-1.0, high=3.0).fit(train)
    np.testing.assert_allclose(fitted.apply(train).x[0, [0, 1, 3], 0], [-1.0, 3.0, 1.0])
    np.testing.assert_allclose(fitted.apply(train).x[0, :, 1], 1.0)
    np.testing.assert_allclose(fitted.apply(one([8.0], [7.0])).x[0, 0], [5.0, 3.0])


def test_min_max_does_not_stretch_rounding_errors():
    fitted = MinMax().fit(one([0.3, 0.1 + 0.2]))
    assert fitted.apply(one([1.3])).x.item() == pytest.approx(1.0)


def test_log_turns_a_normal_density_into_the_lognormal_one():
    data = one([0.5, 2.0, 7.0], kinds=["positive"])
    fitted = Log().fit(data)
    applied = fitted.apply(data)
    assert applied.schema.kinds == ("real",)
    density = stats.norm(0.3, 0.8).logpdf(applied.x) + fitted.log_jacobian(data.x, data.times, data.schema.ids)
    np.testing.assert_allclose(density, stats.lognorm(0.8, scale=np.exp(0.3)).logpdf(data.x))


def test_monthly_anomalies_equal_the_groups_of_pandas(data):
    anomalies = SeasonalAnomaly("month").fit(data).apply(data)
    rows = pd.DataFrame({"x": entries(data, data.x)[..., 0].ravel(), "time": data.times.ravel()}).dropna()
    expected = rows["x"] - rows.groupby(rows["time"].dt.month)["x"].transform("mean")
    np.testing.assert_allclose(anomalies.x[..., 0].ravel()[rows.index], expected, atol=1e-12)
    np.testing.assert_array_equal(anomalies.x[..., 2], data.x[..., 2])


def test_the_climatology_is_that_of_the_training_part_alone():
    months = pd.date_range("2000-01", periods=36, freq="MS")
    x = np.tile(np.arange(12.0), 3) + np.repeat([0.0, 0.0, 100.0], 12)
    train, test = one(x, times=months).split("2002-01")
    np.testing.assert_allclose(SeasonalAnomaly("month").fit(train).apply(test).x[0, :, 0], 100.0)


def test_a_season_never_observed_takes_the_mean_of_the_column():
    months = pd.date_range("2000-01", periods=12, freq="MS")
    x = np.where(np.arange(12) == 6, np.nan, np.arange(12.0))
    fitted = SeasonalAnomaly("month").fit(one(x, times=months))
    july = one([10.0], times=pd.DatetimeIndex(["2001-07-20"]))
    assert fitted.apply(july).x.item() == pytest.approx(10 - np.nanmean(x))


def test_hours_are_those_of_the_clock_of_the_data():
    times = pd.date_range("2024-03-29", periods=24 * 6, freq="h", tz="Europe/Berlin")
    data = one(times.hour, times=times)
    np.testing.assert_allclose(SeasonalAnomaly("hour").fit(data).apply(data).x, 0, atol=1e-12)


@pytest.mark.parametrize(("step", "period", "seasons"), [(1.0, 5, 5), (0.1, 0.7, 7), (1.0, 2.5, 3)])
def test_numeric_times_have_seasons_of_one_step(step, period, seasons):
    times = step * np.arange(60)
    season = np.floor(np.arange(60) % (period / step) + 1e-9)
    data = one(season**2, times=times)
    fitted = SeasonalAnomaly(period).fit(data)
    assert len(fitted.climatology) == seasons
    np.testing.assert_allclose(fitted.apply(data).x, 0, atol=1e-12)


def test_every_part_of_a_chain_is_fitted_to_what_the_parts_before_it_return(data):
    chain = Chain([Log(columns=("x2",)), SeasonalAnomaly("month"), Scale()]).fit(data)
    step = data
    for part in (Log(columns=("x2",)), SeasonalAnomaly("month"), Scale()):
        step = part.fit(step).apply(step)
    applied = chain.apply(data)
    np.testing.assert_array_equal(applied.x, step.x)
    assert applied.schema.kinds == ("real", "real", "real", "count", "binary", "category")
    np.testing.assert_allclose(np.nanstd(entries(applied, applied.x)[..., :3], (0, 1)), 1)


def _scale_of_another_series():
    fitted = Scale("series").fit(one([1.0, 2.0]))
    fitted.forward(np.ones((1, 1, 1)), np.zeros((1, 1)), ("elsewhere",))


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: MinMax(low=1.0, high=1.0), "low must lie below high, found low=1.0, high=1.0"),
        (lambda: SeasonalAnomaly("moon"), "period must be one of month, .* found 'moon'"),
        (lambda: SeasonalAnomaly(0), "or a positive number, found 0"),
        (lambda: SeasonalAnomaly("month").fit(one([1.0, 2.0])), "times that are numbers: period must be a number"),
        (
            lambda: SeasonalAnomaly(12).fit(one([1.0, 2.0], times=pd.date_range("2000", periods=2))),
            "times that are dates: period must be a name",
        ),
        (
            lambda: SeasonalAnomaly(12).fit(one([1.0, 2.0])).apply(one([1.0], times=pd.date_range("2000", periods=1))),
            "fitted to other times, found datetime64",
        ),
        (lambda: Scale().apply(one([1.0])), r"Scale is not fitted; call Scale\(...\).fit\(train\) first"),
        (lambda: Scale().fit(one([1.0, 2.0])).apply(one([1.0], [2.0])), "fitted to 1 columns, found 2"),
        (_scale_of_another_series, "not fitted to series 'elsewhere'"),
        (
            lambda: Log().fit(one([1.0, 2.0], [3.0, -0.5])),
            "above -?0, found -0.5 in column 'x1' of series '0' at row 1",
        ),
        (lambda: Log().fit(one([1.0])).apply(one([0.0])), "found 0 in column 'x0' of series '0' at row 0"),
        (lambda: Log(columns=("x0",)).fit(one([1.0], kinds=["count"])), "cannot transform column 'x0'"),
        (lambda: Log(columns=("z",)).fit(one([1.0])), "Unknown column 'z'"),
    ],
)
def test_what_cannot_be_transformed_is_refused(action, message):
    with pytest.raises(InputError, match=message):
        action()


def _record(change):
    record, arrays = Chain([Scale()]).fit(one([1.0, 2.0])).to_dict()
    change(record, arrays)
    Transform.from_dict(record, arrays)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r, a: r.update(transform="Melt"), "unknown transform 'Melt'; this version knows Chain, Identity, Log"),
        (lambda r, a: r["parts"][0].pop("per"), "Scale needs the fields"),
        (lambda r, a: r["parts"][0].update(per="galaxy"), "Scale cannot be restored: per must be .* found 'galaxy'"),
        (lambda r, a: a.pop("0.scale"), r"array scale of transform Scale must have shape \[1\], is missing"),
        (lambda r, a: a.update({"0.scale": np.ones(2)}), r"must have shape \[1\], is of shape \[2\]"),
    ],
)
def test_a_damaged_file_is_refused(change, message):
    with pytest.raises(ModelFileError, match=message):
        _record(change)
