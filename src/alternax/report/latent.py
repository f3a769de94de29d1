"""Latent trajectories: the filter's means with their spread, and the plane in which they move most."""

from typing import Any

import numpy as np
from jaxtyping import Float

from alternax.core.model import LatentModel
from alternax.data.sequences import Sequences
from alternax.fitted import Fitted
from alternax.plots.style import COLOURS
from alternax.report.chart import Chart, Grid, Key, band
from alternax.report.page import Prose, Section
from alternax.report.values import evenly, numbers, percent, plotly, stamps, time_axis

SERIES, ROWS, DRAWN, DIMENSIONS = 3, 4096, 800, 4  # rows filtered, and the last of them that are drawn
SHADE = "rgba(0,114,178,.22)"


def section(fitted: Fitted, data: Sequences, *, seed: int) -> Section:
    """Dimensions that vary most over time, and their two principal components.

    Args:
        fitted: The run.
        data: Series as `Sequences.like` reads them.
        seed: Seed of the filter's draws.
    """
    model = fitted.model
    if not isinstance(model, LatentModel):
        return Section("Latent trajectories", [Prose(f"A {type(model).__name__} has no latent vector.")])
    part = data.take(evenly(data.series, SERIES)).tail(min(ROWS, int(data.lengths.max())))
    found = fitted.filter(part, seed=seed)
    shape = (part.series, part.valid.shape[1], model.latent_dim)
    mean, var = np.reshape(found.mean, shape), np.reshape(found.var, shape)
    known = bool(np.nanmax(var) == 0)
    last = part.valid & (np.arange(part.valid.shape[1]) >= part.lengths[:, None] - DRAWN)
    if not np.isfinite(mean[part.valid]).all():
        return Section("Latent trajectories", [Prose("The filter's means are not finite: there is nothing to draw.")])
    letter = "h" if known else "z"
    charts = [_dimension(f"{letter}{d}", part, last, mean, var, int(d)) for d in _widest(mean[last])]
    key = [Key(str(part.schema.ids[s]), COLOURS[s]) for s in range(part.series)] if part.series > 1 else []
    blocks: list[Any] = [Prose(_words(model, part, data, known)), Grid(charts, key, least=17)]
    if model.latent_dim > 1:
        blocks.append(Grid([_plane(part, last, mean, known)], key, least=40))
    return Section("Latent trajectories", blocks)


def _words(model: LatentModel, part: Sequences, data: Sequences, known: bool) -> str:
    name, count = type(model).__name__, min(DIMENSIONS, model.latent_dim)
    what = (
        f"There is no latent variable in this model ({name}): drawn are the features h that its body makes of the rows "
        "so far, known exactly once the rows are."
        if known
        else f"Mean of the latent vector z of the {name} after each row, given the rows up to it, with two standard "
        "deviations to either side where a single series is drawn."
    )
    which = f"the last {DRAWN} rows" if data.lengths.max() > DRAWN else "all rows"
    whose = f" of {part.series} of {data.series} series" if part.series < data.series else ""
    return (
        f"{what} These are the {count} of {model.latent_dim} dimensions that vary most, over {which}{whose}. "
        "They have no unit, and their order and sign mean nothing."
    )


def _widest(mean: Float[np.ndarray, "row latent"]) -> Float[np.ndarray, "chosen"]:
    """Dimensions of the largest variance, the largest first."""
    return np.argsort(-mean.var(axis=0), kind="stable")[:DIMENSIONS]


def _dimension(title: str, part: Sequences, last: np.ndarray, mean: np.ndarray, var: np.ndarray, d: int) -> Chart:
    traces = []
    for s in range(part.series):
        rows = np.flatnonzero(last[s])
        at, centre = stamps(part.times[s, rows], part.schema), mean[s, rows, d]
        if part.series == 1 and var.max() > 0:
            width = 2 * np.sqrt(var[s, rows, d])
            traces += band(at, numbers(centre - width), numbers(centre + width), SHADE)
        line = {"color": COLOURS[s], "width": 1.2}
        traces.append({"x": at, "y": numbers(centre), "mode": "lines", "line": line, "name": _name(part, s)})
    layout = {"xaxis": time_axis(part.schema), "yaxis": {"nticks": 5}}
    return Chart(traces, "", title, layout, height=190)


def _plane(part: Sequences, last: np.ndarray, mean: np.ndarray, known: bool) -> Chart:
    """The first two principal components of all series' means; the colour is the time, or the series if several."""
    centred = mean - mean[last].mean(axis=0)
    _, sizes, axes = np.linalg.svd(centred[last], full_matrices=False)
    share = sizes**2 / max((sizes**2).sum(), np.finfo(float).tiny)
    traces = []
    for s in range(part.series):
        rows = np.flatnonzero(last[s])
        x, y = (centred[s, rows] @ axes[:2].T).T
        times = part.times[s, rows].astype(float)
        place = (times - times[0]) / max(times[-1] - times[0], 1e-300)
        traces.append(
            {
                "x": numbers(x),
                "y": numbers(y),
                "mode": "lines+markers",
                "line": {"color": "rgba(90,90,90,.18)", "width": 1},
                "marker": {"size": 4} | ({"color": COLOURS[s]} if part.series > 1 else _by_time(place)),
                "name": _name(part, s),
                "text": [str(at) for at in stamps(part.times[s, rows], part.schema)],
                "hovertemplate": "%{text}",
            }
        )
    layout = {
        "xaxis": {"title": {"text": f"component 1 ({percent(share[0], 0)} of the variance)"}},
        "yaxis": {"title": {"text": f"component 2 ({percent(share[1], 0)})"}},
        "hovermode": "closest",
    }
    caption = f"Principal components of the {'features' if known else 'latent means'}."
    caption += "" if part.series > 1 else " Dark is early, light is late."
    return Chart(traces, caption, "The plane in which they move most", layout, height=420)


def _by_time(place: np.ndarray) -> dict:
    bar = {"tickvals": [0, 1], "ticktext": ["first", "last"], "thickness": 12, "len": 0.6}
    return {"color": numbers(place), "colorscale": "Viridis", "cmin": 0, "cmax": 1, "showscale": True, "colorbar": bar}


def _name(part: Sequences, series: int) -> str:
    return plotly(part.schema.ids[series])
