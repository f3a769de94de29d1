"""Forecast fans: the spread of sample paths beside what happened."""

import numpy as np

from alternax.data.sequences import Sequences
from alternax.plots.style import COLOURS
from alternax.report.chart import Chart, Grid, Key, band
from alternax.report.overview import pairs, panel_name
from alternax.report.page import Prose, Section
from alternax.report.plan import Plan
from alternax.report.values import evenly, numbers, some, stamp, stamps, time_axis
from alternax.tasks.results import Backtest

PANELS = 12
BLUE, WIDE, NARROW, PAST = COLOURS[0], "rgba(0,114,178,.18)", "rgba(0,114,178,.36)", "#777777"


def section(plan: Plan, backtest: Backtest) -> Section:
    """Fans of some series, columns and origins, and which they are."""
    panel = plan.panel
    drawn = pairs(panel)
    origins = evenly(len(plan.origins), max(1, PANELS // len(drawn)))
    charts = [_fan(plan, backtest, s, c, i) for s, c in drawn for i in origins]
    columns = list(dict.fromkeys(panel.schema.values[c] for _, c in drawn))
    series = list(dict.fromkeys(panel.schema.ids[s] for s, _ in drawn))
    text = f"""{len(backtest.samples)} joint sample paths from each of {len(plan.origins)} origins, {plan.horizon} rows
    ahead, in {plan.where}. Drawn are {len(origins)} origins, evenly spaced and not chosen by how well they went, of
    {_of(columns, backtest.schema.values, "column")} and {_of(series, panel.schema.ids, "series")}. Each panel names the
    last row that was known; vertical axes are in the units of the column."""
    key = [
        Key("known before", PAST),
        Key("what happened", "#000000"),
        Key("median", BLUE),
        Key("50 % interval", NARROW, "band"),
        Key("90 % interval", WIDE, "band"),
    ]
    return Section("Forecasts", [Prose(text), Grid(charts, key)])


def _of(shown: list, every: tuple, word: str) -> str:
    plural = word if word == "series" or len(every) == 1 else f"{word}s"
    return f"{len(shown)} of {len(every)} {plural} ({some(shown)})" if len(shown) < len(every) else (
        f"all {len(every)} {plural}" if len(every) > 1 else f"the only {word}"
    )  # fmt: skip


def _fan(plan: Plan, backtest: Backtest, series: int, column: int, origin: int) -> Chart:
    panel, known = plan.panel, int(plan.origins[origin])
    place = backtest.schema.values.index(panel.schema.values[column])
    paths = backtest.samples[:, series, origin, :, place]
    before = slice(max(0, known - max(2 * plan.horizon, 12)), known)
    past = np.where(panel.observed, panel.x, np.nan)[series, before, column]
    shown = stamps(panel.times[series, before], panel.schema)
    ahead = stamps(panel.times[series, known : known + plan.horizon], panel.schema)
    start = shown[-1:] if len(past) and np.isfinite(past[-1]) else []
    # The fan opens at the last known value, where there is one.
    from_here = [numbers(past[-1:])[0]] if start else []
    levels = np.quantile(paths, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)
    low, lower, middle, upper, high = (from_here + numbers(level) for level in levels)
    truth = numbers(backtest.truth[series, origin, :, place])
    dots = {"mode": "lines+markers", "marker": {"size": 4}, "hovertemplate": "%{y}"}
    traces = [
        *band(start + ahead, low, high, WIDE),
        *band(start + ahead, lower, upper, NARROW),
        {"x": shown, "y": numbers(past), **dots, "line": {"color": PAST, "width": 1.2}, "name": "known before"},
        {
            "x": start + ahead,
            "y": middle,
            "mode": "lines",
            "line": {"color": BLUE, "width": 2},
            "name": "median",
            "customdata": [[a, b] for a, b in zip(low, high, strict=True)],
            "hovertemplate": "%{y} (90 %: %{customdata[0]} to %{customdata[1]})",
        },
        {"x": ahead, "y": truth, **dots, "line": {"color": "#000", "width": 1.4}, "name": "what happened"},
    ]
    name = f"{panel_name(panel, series, column)}, known until {_until(panel, series, known)}"
    return Chart(traces, "", name, {"xaxis": time_axis(panel.schema), "yaxis": {"nticks": 5}}, height=220)


def _until(panel: Sequences, series: int, known: int) -> str:
    return stamp(panel.times[series, known - 1], panel.schema)
