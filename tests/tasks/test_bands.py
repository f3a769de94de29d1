"""Bands of decoded targets: where their edges lie, how often the truth falls inside, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm, t

from alternax.core.errors import InputError
from alternax.data import Sequences
from alternax.tasks.results import Decoded
from alternax.tasks.results.bands import PROBABILITIES, Bands


def series(errors: np.ndarray, std: np.ndarray) -> tuple[Decoded, Sequences]:
    """Rows decoded as 5 whose truth is off by `errors`, a NaN being a row without label."""
    truth = np.where(np.isnan(errors), np.nan, 5.0 + errors)
    data = Sequences.from_numpy(np.zeros((len(errors), 1)), targets=truth, target_names=["px", "py"])
    common = {"times": data.times, "valid": data.valid, "schema": data.schema, "batched": data.batched}
    return Decoded(mean=np.full((1, *errors.shape), 5.0), std=std[None], **common), data


def heavy_tailed(seed: int, rows: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Errors of a Student-t law three times as wide as the standard deviations that are claimed, which vary."""
    rng = np.random.default_rng(seed)
    std = rng.uniform(0.5, 4.0, size=(rows, 2))
    return 3.0 * std * t.rvs(3, size=(rows, 2), random_state=rng), std


def share_inside(decoded: Decoded, data: Sequences, level: float) -> np.ndarray:
    low, high = decoded.interval(level)
    return ((low <= data.targets[0]) & (data.targets[0] <= high)).mean(0)


def test_without_calibration_bands_are_those_of_a_normal_law():
    decoded, _ = series(*heavy_tailed(0, rows=30))
    np.testing.assert_allclose(decoded.quantile(0.9), 5.0 + decoded.std * norm.ppf(0.9))
    assert decoded.quantile([0.1, 0.5, 0.9]).shape == (3, 30, 2)
    np.testing.assert_array_equal(decoded.interval(0.8), decoded.quantile([0.1, 0.9]))


def test_calibrated_bands_hold_on_rows_of_the_same_law_and_uncalibrated_ones_do_not():
    decoded, data = series(*heavy_tailed(1))
    bands = Bands.measured(decoded, data)
    fresh, other = series(*heavy_tailed(2))
    calibrated = replace(fresh, mean=fresh.mean[None], std=fresh.std[None] * bands.scale, bands=bands)
    for level in (0.5, 0.9, 0.99):
        error = np.sqrt(level * (1 - level) / 2000 * 2)
        assert np.all(np.abs(share_inside(calibrated, other, level) - level) < 3 * error)
    assert np.all(share_inside(fresh, other, 0.9) < 0.6)


def test_edges_are_the_quantiles_of_the_residuals_and_go_on_beyond_them():
    errors = np.stack([np.linspace(-2, 1, 399), np.linspace(-1, 3, 399)], 1)
    decoded, data = series(errors, np.ones_like(errors))
    bands = Bands.measured(decoded, data)
    np.testing.assert_allclose(bands.scale, np.sqrt((errors**2).mean(0)))
    np.testing.assert_allclose(bands.at(np.array(0.25)) * bands.scale, [-1.2525, 0.0], atol=2e-2)
    outside = bands.at(np.array([1e-6, 0.005, 0.995, 1 - 1e-6]))
    np.testing.assert_allclose(outside[[1, 2]], bands.quantiles[[0, -1]])
    step = norm.ppf(1e-6) - norm.ppf(0.005)
    np.testing.assert_allclose(outside[[0, 3]] - outside[[1, 2]], [[step, step], [-step, -step]], rtol=1e-6)


def test_rows_without_label_are_left_out():
    errors, std = heavy_tailed(3, rows=60)
    gaps = errors.copy()
    gaps[::3, 0] = np.nan
    found, want = Bands.measured(*series(gaps, std)), Bands.measured(*series(errors, std))
    kept = np.isfinite(gaps[:, 0])
    np.testing.assert_allclose(found.scale, [np.sqrt(((errors / std)[kept, 0] ** 2).mean()), want.scale[1]])
    np.testing.assert_array_equal(found.quantiles[:, 1], want.quantiles[:, 1])


def test_rows_asked_for_are_counted_in_every_series_without_its_padding():
    errors, std = heavy_tailed(6, rows=70)
    data = Sequences.from_numpy([np.zeros((40, 1)), np.zeros((30, 1))], targets=[5 + errors[:40], 5 + errors[40:]])
    padded = np.ones((2, 40, 2))
    padded[0], padded[1, :30] = std[:40], std[40:]
    about = {"times": data.times, "valid": data.valid, "schema": data.schema, "batched": True}
    decoded = Decoded(mean=np.full((2, 40, 2), 5.0), std=padded, **about)
    last = np.r_[25:40, 55:70]
    found = Bands.measured(decoded, data, slice(-15, None))
    np.testing.assert_allclose(found.scale, np.sqrt(((errors / std)[last] ** 2).mean(0)))


def test_too_few_labels_exact_targets_and_bad_probabilities_are_refused():
    errors, std = heavy_tailed(4, rows=40)
    errors[10:, 1] = np.nan
    with pytest.raises(
        InputError, match=r"target 'py' has 10 labelled rows, bands need 20 at the least: give labelled"
    ):
        Bands.measured(*series(errors, std))
    with pytest.raises(InputError, match=r"target 'px' has residuals without a scale \(it is 0\)"):
        Bands.measured(*series(np.zeros((40, 2)), std))
    decoded, _ = series(errors, std)
    for bad in (0.0, 1.0, [0.5, 1.2]):
        with pytest.raises(InputError, match="quantile: expected probabilities above 0 and below 1"):
            decoded.quantile(bad)
    with pytest.raises(InputError, match="interval: expected a level between 0 and 1, found 1"):
        decoded.interval(1.0)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("scale", np.ones(3), r"bands.scale must be float64 \(2,\)"),
        ("quantiles", [0.0], r"bands.quantiles must be float64 \(199, 2\)"),
        ("scale", np.array([1.0, -1.0]), "bands need positive scales and rising quantiles"),
        ("quantiles", np.zeros((199, 2)) - PROBABILITIES[:, None], "bands need positive scales and rising quantiles"),
    ],
)
def test_saved_bands_that_are_none_are_refused(name, value, message):
    saved = Bands.measured(*series(*heavy_tailed(5, rows=40))).to_dict()
    assert Bands.from_dict(saved, 2).to_dict().keys() == saved.keys()
    with pytest.raises(ValueError, match=message):
        Bands.from_dict(saved | {name: value}, 2)
