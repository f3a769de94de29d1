"""Smoothed latents as results: statistics by hand, frames, xarray and figures."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alternax.core.errors import InputError
from alternax.data import Sequences
from alternax.tasks.results import Smoothed

RNG = np.random.default_rng(0)
DATES = pd.date_range("2020-01-01", periods=6, freq="D")
BOTH = Sequences.from_numpy([np.zeros((6, 2)), np.zeros((4, 2))], names=["a", "b"])
ONE = Sequences.from_frame(pd.DataFrame({"day": DATES, "a": np.arange(6.0), "b": 1.0}))


def smoothed(data: Sequences, method: str = "backward", samples: int = 40) -> tuple[np.ndarray, Smoothed]:
    draws = RNG.normal(size=(samples, data.series, 6, 3))
    about = {"times": data.times, "valid": data.valid, "schema": data.schema, "batched": data.batched}
    effective = None if method == "exact" else np.where(data.valid, 7.0, np.nan)
    moments = {"mean": draws.mean(0), "var": draws.var(0, ddof=1)}
    return draws, Smoothed(samples=draws, **moments, effective=effective, method=method, **about, seed=2)


def test_statistics_of_draws_are_theirs_and_nan_on_padding():
    draws, found = smoothed(BOTH)
    assert found.names == ("z0", "z1", "z2") and found.mean.shape == (2, 6, 3)
    np.testing.assert_allclose(found.quantile([0.1, 0.9])[:, 1, :4], np.quantile(draws[:, 1, :4], [0.1, 0.9], axis=0))
    np.testing.assert_allclose(found.std[0], draws[:, 0].std(0, ddof=1))
    low, high = found.interval(0.8)
    np.testing.assert_allclose([low, high], found.quantile([0.1, 0.9]))
    for array in (found.mean, found.var, found.samples[0], low):
        assert np.isnan(array[1, 4:]).all() and np.isfinite(array[0]).all()
    assert repr(found) == "Smoothed(40 samples of 2 series, 6 rows, 3 dimensions, method 'backward', seed 2)"


def test_bands_of_an_exact_law_are_normal_and_one_series_has_no_axis():
    _, found = smoothed(ONE, "exact")
    assert found.mean.shape == (6, 3) and found.samples.shape == (40, 1, 6, 3)
    want = stats.norm.ppf(0.3, found.mean, found.std)
    np.testing.assert_allclose(found.quantile(0.3), want)
    np.testing.assert_allclose(found.quantile([0.7, 0.3])[1], want)


def test_frames_and_datasets_carry_moments_bands_and_draws():
    draws, found = smoothed(ONE)
    frame = found.to_frame(quantiles=(0.25, 0.75))
    assert list(frame.columns) == ["day", "feature", "mean", "std", "q0.25", "q0.75"]
    row = frame[(frame.feature == "z2") & (frame.day == DATES[4])]
    np.testing.assert_allclose(row["q0.25"], np.quantile(draws[:, 0, 4, 2], 0.25))
    np.testing.assert_allclose(row["mean"], draws[:, 0, 4, 2].mean())
    data = found.to_xarray()
    assert set(data.data_vars) == {"mean", "std", "samples"} and data["samples"].dims[0] == "sample"
    np.testing.assert_allclose(data["samples"].sel(latent="z1").values, draws[:, 0, :, 1])
    assert list(data["latent"].values) == ["z0", "z1", "z2"]
    many = smoothed(BOTH)[1]
    assert many.to_xarray()["samples"].shape == (40, 2, 6, 3) and len(many.to_frame()) == 10 * 3


def test_a_figure_has_one_panel_a_dimension():
    found = smoothed(BOTH)[1]
    figure = found.plot(series=1)
    assert [axes.get_title(loc="left") or axes.get_title() for axes in figure.axes[:3]] == ["z0", "z1", "z2"]
    assert len(found.plot([2]).axes) == 1
    with pytest.raises(InputError, match="series must be a position below 2, found 5"):
        found.plot(series=5)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda found: found.quantile(0.0), "above 0 and below 1, found 0.0"),
        (lambda found: found.interval(1.0), "interval: expected a level between 0 and 1, found 1.0"),
        (lambda found: found.plot([3]), "dimensions must be positions below 3; found"),
    ],
)
def test_impossible_questions_are_refused(ask, message):
    with pytest.raises(InputError, match=message):
        ask(smoothed(ONE)[1])
