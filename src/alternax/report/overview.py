"""What the data are: their columns, how much of them is missing and where, and how they look."""

from typing import Any

import numpy as np
from jaxtyping import Float

from alternax.data.sequences import Sequences
from alternax.data.transforms.moments import moments
from alternax.fitted import Fitted
from alternax.plots.style import COLOURS
from alternax.report.chart import Chart, Grid, Key, dashed_at
from alternax.report.history import in_training, trained_until
from alternax.report.page import Facts, Prose, Section, Table
from alternax.report.values import evenly, number, numbers, percent, plotly, some, stamp, stamps, time_axis

COLUMNS, LANES, BINS, POINTS = 12, 60, 240, 1200  # rows of the table and the map, its time bins, points of a line
PANELS = 6
BLUE, GREY = COLOURS[0], "#555555"
_SHARES = [
    Key("all missing", "#d55e00", "band"),
    Key("half", "#f2b48a", "band"),
    Key("all observed", "#d6e8f4", "band"),
]


def section(fitted: Fitted, data: Sequences) -> Section:
    """Facts, a table of the columns, the map of gaps, and some of the series.

    Args:
        fitted: The run.
        data: Series as `Sequences.like` reads them.
    """
    blocks: list[Any] = [Facts(facts(fitted, data)), columns_table(data)]
    if (data.observed | ~data.valid[..., None]).all() and (data.lengths == data.lengths[0]).all():
        blocks.append(Prose("Nothing is missing: every column of every row is observed."))
    else:
        blocks.append(Grid([gap_map(data)], _SHARES, least=84))
    blocks.append(_series(fitted, data))
    return Section("Data", blocks)


def facts(fitted: Fitted, data: Sequences) -> list[tuple[str, str]]:
    """Sizes and times in words."""
    schema, lengths = data.schema, data.lengths
    rows = f"{lengths[0]:,}" if (lengths == lengths[0]).all() else f"{lengths.min():,} to {lengths.max():,}"
    present = data.times[data.valid]
    seen = in_training(fitted, data).sum()
    found = [
        ("series", f"{data.series}" + (f": {some(schema.ids)}" if data.series > 1 else "")),
        ("rows of a series", rows),
        ("time", f"{stamp(present.min(), schema)} to {stamp(present.max(), schema)}, step {schema.step_name}"),
        ("columns", f"{len(schema.values)}: {some(schema.values)}"),
        ("missing", f"{percent(1 - data.observed[data.valid].mean())} of {data.valid.sum() * data.obs_dim:,} values"),
        ("seen in training", f"{seen:,} of {data.valid.sum():,} rows (those up to the end of the training data)"),
    ]
    for role in ("covariates", "controls", "calendar", "targets", "static"):
        names = getattr(schema, role)
        if names:
            found.append((role, some(names)))
    if schema.timezone:
        found.append(("time zone", schema.timezone))
    return found


def columns_table(data: Sequences) -> Table:
    """One row a column: what it is, how much is missing, and its values in its own unit."""
    shown = evenly(data.obs_dim, COLUMNS)
    total = data.valid.sum()
    mean, deviation = moments(data.x, data.observed, (0, 1))
    rows = []
    for i in shown:
        seen = data.x[..., i][data.observed[..., i]]
        ends = (seen.min(), seen.max()) if len(seen) else (np.nan, np.nan)
        middle = (mean[i], deviation[i]) if len(seen) else (np.nan, np.nan)
        kind = data.schema.kinds[i] + (", covariate" if data.schema.values[i] in data.schema.covariates else "")
        share = percent(1 - len(seen) / total)
        cells = [number(v) for v in (*middle, *ends)]
        rows.append([data.schema.values[i], kind, f"{len(seen):,}", share, *cells])
    left = "" if data.obs_dim <= COLUMNS else f" {COLUMNS} of {data.obs_dim}."
    header = ["column", "kind", "observed values", "missing", "mean", "standard deviation", "least", "greatest"]
    return Table(header, rows, caption=f"Columns, each in its own unit.{left}")


def gap_map(data: Sequences) -> Chart:
    """Share of observed values by time, one lane a column, a series, or a group of them."""
    names, lanes, share = _lanes(data)
    at, cells = _binned(data, lanes)
    step = max(1, -(-len(names) // 24))
    ticks = list(range(0, len(names), step))
    trace = {
        "type": "heatmap",
        "x": at,
        "y": list(range(len(names))),
        "z": numbers(100 * cells),
        "zmin": 0,
        "zmax": 100,
        "colorscale": [[0, "#d55e00"], [0.5, "#f2b48a"], [1, "#d6e8f4"]],
        "showscale": False,
        "text": [[plotly(name)] * len(at) for name in names],
        "hovertemplate": "%{text}<br>%{x}<br>%{z:.0f} % observed<extra></extra>",
        "hoverongaps": False,
        "ygap": 1 if len(names) <= 30 else 0,
    }
    axis = {"tickvals": ticks, "ticktext": [plotly(names[i]) for i in ticks], "autorange": "reversed"}
    layout = {"xaxis": time_axis(data.schema), "yaxis": axis, "hovermode": "closest"}
    caption = f"Each lane is {share}; blank is before the first or after the last row."
    return Chart(
        [trace], caption, "Where values are missing", layout, height=int(np.clip(60 + 20 * len(names), 110, 620))
    )


def _lanes(data: Sequences) -> tuple[list[str], list[tuple[np.ndarray, np.ndarray]], str]:
    """Name of every lane, the series and columns it holds, and in words what a lane is."""
    series, columns, ids, values = np.arange(data.series), np.arange(data.obs_dim), data.schema.ids, data.schema.values
    if data.series == 1:
        parts = np.array_split(columns, min(LANES, len(columns)))
        word = "a column" if len(columns) <= LANES else "a group of neighbouring columns"
        return [_span(values, part) for part in parts], [(series, part) for part in parts], word
    if data.series * data.obs_dim <= LANES:
        both = [(s, c) for s in series for c in columns]
        names = [f"{ids[s]} · {values[c]}" if len(columns) > 1 else str(ids[s]) for s, c in both]
        return names, [(series[[s]], columns[[c]]) for s, c in both], "a column of a series"
    parts = np.array_split(series, min(LANES, len(series)))
    word = "a series, all columns" if len(series) <= LANES else "a group of series, all columns"
    return [_span(ids, part) for part in parts], [(part, columns) for part in parts], word


def _span(names: tuple, part: np.ndarray) -> str:
    return str(names[part[0]]) if len(part) == 1 else f"{names[part[0]]} … {names[part[-1]]}"


def _binned(data: Sequences, lanes: list[tuple[np.ndarray, np.ndarray]]) -> tuple[list, Float[np.ndarray, "lane bin"]]:
    """Times of the bins, and the share observed in each, NaN where there are no rows."""
    longest = int(data.lengths.argmax())
    times, rows = data.times[longest, : data.lengths[longest]], data.lengths[longest]
    # Rows of the longest series cut time into bins: regular data of one calendar fall into them evenly.
    starts = times[:: max(1, -(-rows // BINS))]
    early, last = data.times[data.valid].min(), data.times[data.valid].max()
    if early < starts[0] or last > times[-1]:
        starts = np.linspace(early.astype(float), last.astype(float), min(BINS, rows)).astype(data.times.dtype)
    where = np.clip(np.searchsorted(starts, data.times, side="right") - 1, 0, len(starts) - 1)
    cells = np.full((len(lanes), len(starts)), np.nan)
    for i, (series, columns) in enumerate(lanes):
        valid = data.valid[series]
        place = where[series][valid]
        count = np.bincount(place, minlength=len(starts))
        seen = np.bincount(place, data.observed[series][:, :, columns].mean(-1)[valid], minlength=len(starts))
        cells[i] = np.where(count > 0, seen / np.maximum(count, 1), np.nan)
    return stamps(starts, data.schema), cells


def pairs(data: Sequences) -> list[tuple[int, int]]:
    """Series and column of the panels that are drawn: few of many, evenly spaced."""
    scored = np.flatnonzero(data.scored)
    count = min(data.series, PANELS if len(scored) == 1 else max(1, PANELS // min(len(scored), 2)))
    columns = [int(scored[i]) for i in evenly(len(scored), max(1, PANELS // count))]
    return [(s, c) for s in evenly(data.series, count) for c in columns]


def panel_name(data: Sequences, series: int, column: int) -> str:
    """Title of a panel."""
    name = data.schema.values[column]
    return f"{data.schema.ids[series]} · {name}" if data.series > 1 else name


def _series(fitted: Fitted, data: Sequences) -> Grid:
    until = trained_until(fitted, data)
    charts = [_line(data, s, c, until[s]) for s, c in pairs(data)]
    return Grid(charts, [Key("observed", BLUE), Key("end of training", GREY, "dashed")])


def _line(data: Sequences, series: int, column: int, until: Any) -> Chart:
    rows = int(data.lengths[series])
    values = np.where(data.observed, data.x, np.nan)[series, :rows, column]
    at, shown = thinned(data.times[series, :rows], values)
    spots = np.isnan(shown).any() and len(shown) <= 600
    trace = {
        "x": stamps(at, data.schema),
        "y": numbers(shown),
        "mode": "lines+markers" if spots else "lines",
        "marker": {"size": 3},
        "line": {"color": BLUE, "width": 1.1},
        "name": "observed",
        "hovertemplate": "%{y}",
    }
    layout: dict[str, Any] = {"xaxis": time_axis(data.schema), "yaxis": {"nticks": 5}}
    if until == until and until < data.times[series, rows - 1]:
        layout["shapes"] = [dashed_at(stamps(np.array([until]), data.schema)[0], GREY)]
    caption = "" if len(at) == rows else f"Least and greatest of every {2 * rows // len(at)} rows."
    return Chart([trace], caption, panel_name(data, series, column), layout, height=190)


def thinned(times: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A line of at most `POINTS` points: the least and greatest value of every block of rows."""
    if len(values) <= POINTS:
        return times, values
    size = -(-2 * len(values) // POINTS)
    starts = np.arange(0, len(values), size)
    known = np.isfinite(values)
    low = np.minimum.reduceat(np.where(known, values, np.inf), starts)
    high = np.maximum.reduceat(np.where(known, values, -np.inf), starts)
    both = np.stack([low, high], axis=1)
    return np.repeat(times[starts], 2), np.where(np.isfinite(both), both, np.nan).ravel()
