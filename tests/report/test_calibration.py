import numpy as np
import pytest
from report.written import charts

import alternax as ax
from alternax import metrics
from alternax.report import calibration
from alternax.tasks.results import Backtest


def backtest(width, *, shift=0.0, samples=99, origins=120, memory=0.0, seed=0):
    """Forecasts N(shift, width^2) of a truth N(0, 1); with memory, leads share a part of their noise."""
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return np.sqrt(memory) * rng.normal(size=(*shape, 1, 1)) + np.sqrt(1 - memory) * rng.normal(size=(*shape, 4, 2))

    truth = draw(1, origins)
    truth[0, :10, 0, 0] = np.nan
    schema = ax.Sequences.from_numpy(np.ones((3, 2))).schema
    rows = np.arange(origins)
    return Backtest(
        samples=shift + width * draw(samples, 1, origins), truth=truth, origins=rows,
        times=np.zeros((1, origins, 4)), schema=schema, batched=False,
    )  # fmt: skip


def inside(found):
    low, high = found.coverage_band
    return (low <= found.coverage) & (found.coverage <= high)


def test_bands_hold_nine_tenths_of_calibrated_forecasts():
    """Over ten draws of ten levels and ten bins; neighbouring levels hang together, hence the room."""
    found = [calibration.measure(backtest(1.0, seed=seed), seed=0) for seed in range(10)]
    levels = np.mean([inside(one) for one in found])
    bins = np.mean([(one.counts_band[0] <= one.counts) & (one.counts <= one.counts_band[1]) for one in found])
    assert 0.75 < levels < 0.99 and 0.82 < bins < 0.97


def test_narrow_wide_and_shifted_forecasts_are_told_apart():
    narrow, wide = (calibration.measure(backtest(width), seed=0) for width in (0.5, 2.0))
    assert (narrow.coverage < narrow.coverage_band[0]).all() and (wide.coverage > wide.coverage_band[1]).all()
    assert narrow.counts[[0, -1]].min() > 2 * narrow.counts[4:6].max() > 4 * wide.counts[[0, -1]].max()
    shifted = calibration.measure(backtest(1.0, shift=1.0), seed=0)
    assert shifted.counts[0] > 3 * shifted.counts[-1]


def test_numbers_are_those_of_the_scores():
    found, tested = calibration.measure(backtest(0.8), seed=0), backtest(0.8)
    assert found.entries == np.isfinite(tested.truth).sum() == found.counts.sum() == 950
    for level, share in zip(calibration.LEVELS, found.coverage, strict=True):
        whole = metrics.coverage(tested.samples, tested.truth, level=float(level))
        np.testing.assert_allclose(share, whole, rtol=1e-12)


def test_bands_know_that_leads_hang_together():
    """Half of the noise is common to all leads and columns: fewer independent truths, wider bands."""

    def width(memory):
        low, high = calibration.measure(backtest(1.0, memory=memory), seed=0).coverage_band
        return (high - low)[4]

    assert width(0.9) > 1.5 * width(0.0)


def test_band_of_independent_truths_is_binomial():
    found = calibration.measure(backtest(1.0, samples=400), seed=0)
    half = found.coverage_band[1, 4] - found.coverage_band[0, 4]
    np.testing.assert_allclose(half / 2, 1.645 * np.sqrt(0.25 / found.entries), rtol=0.2)


def test_truths_that_tie_with_samples_have_a_place_at_random():
    tested = backtest(1.0)
    coarse = Backtest(**{**vars(tested), "samples": np.round(tested.samples), "truth": np.round(tested.truth)})
    counts = calibration.measure(coarse, seed=0).counts
    np.testing.assert_allclose(counts / counts.sum(), 0.1, atol=0.03)


@pytest.mark.parametrize("part", ["Reliability", "PIT histogram"])
def test_charts_hold_the_numbers(part):
    found = calibration.measure(backtest(0.8), seed=0)
    section = calibration.section(backtest(0.8), found)
    drawn = next(figure for label, figure in charts(section.blocks[1].html()).items() if label.startswith(part))
    named = next(trace for trace in drawn["data"] if trace.get("name") == "observed")
    expected = found.coverage if part == "Reliability" else found.counts
    np.testing.assert_allclose(named["y"], expected, rtol=1e-6)
