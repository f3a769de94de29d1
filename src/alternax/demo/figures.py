"""The figures of the main job."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from alternax.demo import scores
from alternax.demo.result import Result
from alternax.metrics import correlation, rmse
from alternax.plots import fan_chart, map_grid, skill_curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STORIES = ("2014-05", "2015-05", "2015-11", "2017-08", "2020-06", "2021-05")
PAST_MONTHS = 12
MAP_LEADS = (1, 3, 6)


def nino34_fans(result: Result) -> "Figure":
    """The index forecast from several origins, with the year before and what happened."""
    chosen = _chosen(result)
    ours = next(iter(result.paths.values()))[:, chosen] @ result.nino34
    first = len(result.past) - len(result.truth) + 1
    past = (result.past @ result.nino34)[first + chosen[:, None] + np.arange(-PAST_MONTHS, 0)]
    figure = fan_chart(
        result.leads,
        np.moveaxis(ours, 1, -1),
        [f"known until {pd.Timestamp(result.known_until[i]):%B %Y}" for i in chosen],
        past=(np.arange(1 - PAST_MONTHS, 1), past.T),
        truth=(result.truth @ result.nino34)[chosen].T,
        unit="Nino-3.4, °C",
    )
    axes = figure.axes
    low, high = min(a.get_ylim()[0] for a in axes), max(a.get_ylim()[1] for a in axes)
    for one in axes:
        one.set_ylim(low, high)
        one.set_xlabel("months after the last known month", fontsize=9)
        one.axhline(0, color="#8a8a8a", linewidth=0.8, zorder=0)
    return figure


def nino34_history(result: Result, lead: int) -> "Figure":
    """The index of every month as forecast `lead` months before it."""
    ours = next(iter(result.paths.values()))[:, :, lead - 1] @ result.nino34
    return fan_chart(
        result.times[:, lead - 1],
        ours[..., None],
        [f"Nino-3.4 as forecast {lead} months ahead"],
        truth=(result.truth[:, lead - 1] @ result.nino34)[:, None],
        unit="°C",
    )


def skill(result: Result, cells: pd.DataFrame, nino34: pd.DataFrame) -> "Figure":
    """All scores by lead: of the cells, and RMSE and spread-skill ratio of the index."""
    panels = {f"All cells: {title}": scores.by_lead(cells, score) for score, title in scores.SCORES.items()}
    for score in ("rmse", "ssr"):
        panels[f"Nino-3.4: {scores.SCORES[score]}"] = scores.by_lead(nino34, score)
    targets = {title: 1.0 for title in panels if "ratio" in title} | {title: 0.9 for title in panels if "90 %" in title}
    return skill_curve(result.leads, panels, targets=targets, lead_label="lead, months")


def error_maps(result: Result) -> "Figure":
    """RMSE of our mean relative to the linear inverse model's, cell by cell."""
    ours, other = (result.paths[name].mean(0, dtype=float) for name in ("alternator", "linear inverse model"))
    change = 100 * (rmse(ours, result.truth, axis=0) / rmse(other, result.truth, axis=0) - 1)
    return _maps(result, change, label="change of RMSE, %", diverging=True, limits=(-40, 40))


def correlation_maps(result: Result) -> "Figure":
    """Correlation of our mean with what happened, cell by cell."""
    ours = result.paths["alternator"].mean(0, dtype=float)
    return _maps(result, correlation(ours, result.truth, axis=0), label="correlation", limits=(0, 1))


def _maps(result: Result, values: np.ndarray, **options) -> "Figure":
    fields, lat, lon = grid(result, values)
    names = {f"{lead} month{'s' * (lead > 1)} ahead": fields[lead - 1] for lead in MAP_LEADS if lead in result.leads}
    return map_grid(names, lat, lon, columns=1, **options)


def grid(result: Result, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values `(..., cell)` on the grid `(..., lat, lon)`, NaN on land, with its coordinates."""
    lat, row = np.unique(result.latitude, return_inverse=True)
    lon, column = np.unique(result.longitude, return_inverse=True)
    full = np.full((*values.shape[:-1], len(lat), len(lon)), np.nan, np.float32)
    full[..., row, column] = values
    return full, lat, lon


def _chosen(result: Result) -> np.ndarray:
    months = [str(date)[:7] for date in result.known_until]
    found = [months.index(month) for month in STORIES if month in months]
    return np.array(found) if found else np.unique(np.linspace(0, len(months) - 1, 4).astype(int))
