"""Whether forecasts mean what they say: coverage of intervals and the probability integral transform, with bands.

The bands show what the same numbers would be if the forecasts were right: the truth of every forecast is replaced by
one of its own sample paths, drawn whole, so that leads and columns hang together as the forecasts say they do.

References: Gneiting, Balabdaoui and Raftery, "Probabilistic forecasts, calibration and sharpness" (2007); Broecker and
Smith, "Increasing the reliability of reliability diagrams" (2007).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from alternax.plots.style import COLOURS
from alternax.report.chart import Chart, Grid, Key, band
from alternax.report.page import Prose, Section, Table
from alternax.report.values import numbers, percent
from alternax.tasks.results import Backtest

LEVELS = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
BINS, REPLICATES, BAND = 10, 200, 0.9
BLUE, SHADE, GREY = COLOURS[0], "rgba(0,114,178,.18)", "#555555"
_DASHED = {"mode": "lines", "line": {"color": GREY, "dash": "dash", "width": 1}, "hoverinfo": "skip"}


@dataclass(frozen=True, eq=False)
class Calibration:
    """Coverage and histogram of a backtest beside their bands.

    Args:
        coverage: Share of the truth inside the central interval of each of `LEVELS`.
        coverage_band: Low and high end of where it would lie.
        counts: Truths by tenth of the forecast law.
        counts_band: Low and high end of where they would lie.
        entries: Truths counted.
    """

    coverage: Float[np.ndarray, "level"]
    coverage_band: Float[np.ndarray, "2 level"]
    counts: Int[np.ndarray, "bin"]
    counts_band: Float[np.ndarray, "2 bin"]
    entries: int


def measure(backtest: Backtest, *, seed: int) -> Calibration:
    """Calibration over all series, origins, leads and columns."""
    rng = np.random.default_rng(seed)
    samples, truth = backtest.samples, backtest.truth
    known, count = np.isfinite(truth), len(samples)
    below, upto = (samples < truth).sum(0), (samples <= truth).sum(0)
    # A truth that ties with samples, as counts do, has a place at random among them.
    place = (below + rng.random(truth.shape) * (upto - below + 1)) / (count + 1)
    ranks = samples.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable").astype(np.int32)
    histograms, shares = [], []
    for _ in range(REPLICATES):
        member = rng.integers(count, size=truth.shape[:2])[None, :, :, None, None]
        rank = np.take_along_axis(ranks, np.broadcast_to(member, (1, *truth.shape)), axis=0)[0]
        drawn = (rank + rng.random(truth.shape)) / count
        histograms.append(_histogram(drawn[known]))
        shares.append(_inside(drawn[known]))
    ends = [(1 - BAND) / 2, (1 + BAND) / 2]
    pooled = np.array([_pooled_coverage(backtest, float(level)) for level in LEVELS])
    return Calibration(
        coverage=pooled,
        coverage_band=np.quantile(shares, ends, axis=0),
        counts=_histogram(place[known]),
        counts_band=np.quantile(histograms, ends, axis=0),
        entries=int(known.sum()),
    )


def _pooled_coverage(backtest: Backtest, level: float) -> float:
    """Mean of `Backtest.coverage` over leads, each truth counting the same."""
    counts = np.isfinite(backtest.truth).sum((0, 1, 3))
    return float(np.nansum(backtest.coverage(level) * counts) / counts.sum())


def _histogram(places: np.ndarray) -> np.ndarray:
    return np.histogram(places, bins=BINS, range=(0, 1))[0]


def _inside(places: np.ndarray) -> np.ndarray:
    return (np.abs(places - 0.5) <= LEVELS[:, None] / 2).mean(axis=1)


def section(backtest: Backtest, found: Calibration) -> Section:
    """Reliability diagram and PIT histogram, and their numbers."""
    origins, series = len(backtest.origins), backtest.truth.shape[0]
    counted = f"{found.entries:,} values ({series} series, {origins} origins, all leads and columns)"
    text = f"""Counted are {counted}. Reliability: the share of the truth that falls into the central interval of each
    probability; on the diagonal is calibrated, below it intervals are too narrow, above too wide. PIT histogram: in
    which tenth of the forecast the truth fell; flat is calibrated, a U too narrow, a hump too wide, a slope biased.

    The shaded bands hold {percent(BAND, 0)} of what calibrated forecasts from these origins would show: every truth is
    replaced by one of its own sample paths. Neighbouring origins count as independent, so where their rows overlap the
    bands are somewhat too narrow."""
    key = [
        Key("observed", BLUE),
        Key("if calibrated", GREY, "dashed"),
        Key("90 % of calibrated forecasts", SHADE, "band"),
    ]
    rows = [
        [percent(level, 0), percent(share), f"{percent(low)} to {percent(high)}"]
        for level, share, low, high in zip(LEVELS, found.coverage, *found.coverage_band, strict=True)
    ]
    table = Table(
        ["probability of the interval", "truth inside", "90 % of calibrated forecasts"],
        rows,
        caption="Coverage of central intervals.",
    )
    return Section("Calibration", [Prose(text), Grid([_reliability(found), _pit(found)], key, least=26), table])


def _reliability(found: Calibration) -> Chart:
    low, high = found.coverage_band
    levels = numbers(LEVELS)
    traces = [
        *band(levels, numbers(low), numbers(high), SHADE),
        {"x": [0, 1], "y": [0, 1], **_DASHED},
        {
            "x": levels,
            "y": numbers(found.coverage),
            "mode": "lines+markers",
            "line": {"color": BLUE, "width": 2},
            "name": "observed",
            "hovertemplate": "%{y:.1%} inside",
        },
    ]
    axis = {"range": [0, 1.005], "tickformat": ".0%", "dtick": 0.2}
    layout = {
        "xaxis": axis | {"title": {"text": "probability of the interval"}},
        "yaxis": axis | {"title": {"text": "observed inside"}},
        "margin": {"l": 50, "r": 26, "t": 10, "b": 40},
    }
    return Chart(traces, "Share of the truth inside central intervals.", "Reliability", layout, height=330)


def _pit(found: Calibration) -> Chart:
    middles, width = (np.arange(BINS) + 0.5) / BINS, 1 / BINS
    edges = np.repeat(np.arange(BINS + 1) / BINS, 2)[1:-1]
    low, high = (np.repeat(end, 2) for end in found.counts_band)
    even = found.entries / BINS
    traces = [
        {
            "type": "bar",
            "x": numbers(middles),
            "y": found.counts.tolist(),
            "width": 0.92 * width,
            "marker": {"color": "rgba(0,114,178,.55)"},
            "name": "observed",
            "hovertemplate": "%{y:,} truths",
        },
        *band(numbers(edges), numbers(low), numbers(high), "rgba(0,0,0,.16)"),
        {"x": [0, 1], "y": [even, even], **_DASHED},
    ]
    layout = {
        "xaxis": {"range": [0, 1], "title": {"text": "place of the truth in the forecast"}, "tickformat": ".1f"},
        "yaxis": {"title": {"text": "truths"}, "rangemode": "tozero"},
        "hovermode": "closest",
    }
    return Chart(
        traces,
        f"Truths by tenth of the forecast; {even:,.0f} in each if calibrated.",
        "PIT histogram",
        layout,
        height=330,
    )
