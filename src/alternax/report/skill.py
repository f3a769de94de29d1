"""Skill by lead: scores of the model beside those of simple forecasts of the same rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from alternax.plots.style import COLOURS
from alternax.report import baselines
from alternax.report.chart import Chart, Grid, Key
from alternax.report.page import Prose, Section, Table
from alternax.report.plan import Plan
from alternax.report.values import NONE, cut, evenly, number, numbers, percent
from alternax.tasks.results import Backtest

SCORES = {"rmse": "RMSE", "crps": "CRPS", "ssr": "Spread-skill ratio", "coverage90": "90 % coverage"}
TARGETS = {"ssr": 1.0, "coverage90": 0.9}
LOWER = ("rmse", "crps")
COLUMNS, LEADS = 12, 12


@dataclass(frozen=True, eq=False)
class Skill:
    """Scores of every method by name, the model's first.

    Args:
        columns: By method and score: one value a lead and column, in the units of the column.
        pooled: By method and score: one value a lead over all columns, each divided by its standard deviation; of a
            single column as it is.
        unit: Unit of RMSE and CRPS in `pooled`.
        season: What climatology is, in words.
        note: Why there are no other methods, if so.
    """

    columns: Mapping[str, Mapping[str, Float[np.ndarray, "lead feature"]]]
    pooled: Mapping[str, Mapping[str, Float[np.ndarray, "lead"]]]
    unit: str
    season: str = ""
    note: str = ""

    @property
    def model(self) -> str:
        """Name of the model."""
        return next(iter(self.pooled))

    def best(self, score: str, lead: int) -> str:
        """The method with the lowest score at a lead."""
        return min(self.pooled, key=lambda name: np.nan_to_num(self.pooled[name][score][lead], nan=np.inf))


def measure(plan: Plan, backtest: Backtest, name: str, *, seed: int) -> Skill:
    """Score the model and, where there are rows enough to fit them, the simple forecasts."""
    task = baselines.task(plan.panel, plan.origins, plan.horizon, len(backtest.samples), seed)
    columns = {name: backtest.column_table}
    scale = task.scale if len(backtest.schema.values) > 1 else np.ones(1)
    standard = replace(backtest, truth=backtest.truth / scale, samples=backtest.samples / scale)
    pooled = {name: standard.table}
    note = ""
    if task.possible:
        for method, paths in baselines.ensembles(task):
            columns[method] = replace(backtest, samples=paths).column_table
            pooled[method] = replace(standard, samples=paths / scale).table
    else:
        note = f"There are too few values before the first origin ({task.train} rows) to fit other forecasts."
    several = "in standard deviations of each column"
    unit = several if len(scale) > 1 else f"in the unit of {cut(next(iter(backtest.schema.values)))}"
    return Skill(columns, pooled, unit, _season(task) if task.possible else "", note)


def _season(task: baselines.Task) -> str:
    name = task.normal[0]
    return f" in the same season, by the {name}, which predicts best there" if len(task.seasons) > 1 else ""


def verdict(found: Skill, plan: Plan, series: int) -> str:
    """In words and numbers: how good, against what, how well calibrated."""
    ours, last = found.pooled[found.model], plan.horizon - 1
    each = f" in each of {series} series" if series > 1 else ""
    sentences = [f"Tested from {len(plan.origins)} origin{'s' * (len(plan.origins) > 1)}{each}, on {plan.where}."]
    for lead in dict.fromkeys((0, last)):
        others = {name: table["crps"][lead] for name, table in found.pooled.items() if name != found.model}
        beside = ", ".join(f"{name} {number(value, 3)}" for name, value in others.items())
        when = f"{lead + 1} row{'s' * (lead > 0)} ahead"
        rank = "" if not others else " (the lowest)" if found.best("crps", lead) == found.model else " (not the lowest)"
        sentences.append(
            f"CRPS {when}, {found.unit}: {number(ours['crps'][lead], 3)}{rank}" + (f"; {beside}." if beside else ".")
        )
    ratio, share = ours["ssr"], ours["coverage90"]
    sentences.append(
        f"Spread over error: {_range(ratio, lambda v: number(v, 3))} (1 is calibrated); its 90 % intervals hold "
        f"{_range(share, lambda v: percent(v, 0))} of what happened."
    )
    return "\n\n".join(sentences)


def _range(values: np.ndarray, show: Callable[[float], str]) -> str:
    """The least and the greatest, or the one they are."""
    known = np.asarray(values, float)[np.isfinite(values)]
    ends = dict.fromkeys(show(end) for end in (known.min(initial=np.inf), known.max(initial=-np.inf)))
    return " to ".join(ends) if len(known) else NONE


def section(found: Skill, plan: Plan, counts: Float[np.ndarray, "lead"]) -> Section:
    """Curves, their table, and a table of the columns.

    Args:
        found: The scores.
        plan: What was tested.
        counts: Truths scored at each lead.
    """
    colours = dict(zip(found.pooled, COLOURS, strict=False))
    key = [Key(name, colours[name]) for name in found.pooled]
    key += [Key("if calibrated", "#555555", "dashed")]
    charts = [_curve(found, score, colours) for score in SCORES]
    blocks = [Prose(_definitions(found, plan, counts)), Grid(charts, key, least=17), *_tables(found)]
    if len(next(iter(found.columns.values()))["rmse"][0]) > 1:
        blocks.append(_column_table(found, plan))
    return Section("Skill by lead", blocks)


def _definitions(found: Skill, plan: Plan, counts: np.ndarray) -> str:
    left = f" Limits: {'; '.join(plan.notes)}." if plan.notes else ""
    methods = f"""Climatology draws from the values before the first origin{found.season}; persistence keeps the last
    value, with the errors that makes; the linear autoregression is one ridge regression a lead and column on the last
    values, with its own errors. All are fitted on the rows before the first origin, and their means are exact."""
    return f"""Each point is over {_range(counts, "{:,.0f}".format)} truths (all series, origins and columns).
    RMSE: root-mean-square error of the ensemble mean. CRPS: continuous ranked probability score of the whole ensemble
    (of a single value it would be the absolute error). Both are {found.unit}; lower is better. Spread-skill ratio:
    root of the mean ensemble variance over the RMSE; 1 if calibrated, below 1 too sure of itself. 90 % coverage: share
    of the truth inside the central 90 % interval.{left}

    {found.note or methods}"""


def _curve(found: Skill, score: str, colours: Mapping[str, str]) -> Chart:
    traces = []
    for rank, (name, table) in enumerate(found.pooled.items()):
        trace = {
            "x": table["lead"].tolist(),
            "y": numbers(table[score]),
            "mode": "lines+markers",
            "line": {"color": colours[name], "width": 3 if rank == 0 else 1.6},
            "marker": {"size": 7 if rank == 0 else 5},
            "name": name,
            "hovertemplate": "%{y:.3g}",
        }
        traces.insert(0, trace)  # the model on top
    axis: dict = {"tickformat": ".0%"} if score == "coverage90" else {"rangemode": "tozero"} if score in LOWER else {}
    layout: dict = {"xaxis": {"title": {"text": "lead, rows ahead"}, "tickformat": "d", "nticks": 8}, "yaxis": axis}
    if score in TARGETS:
        line = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": TARGETS[score], "y1": TARGETS[score]}
        layout["shapes"] = [line | {"line": {"color": "#555", "dash": "dash", "width": 1}, "layer": "below"}]
    caption = f"{found.unit[0].upper()}{found.unit[1:]}; lower is better." if score in LOWER else ""
    return Chart(traces, caption, SCORES[score], layout, height=240)


def _tables(found: Skill) -> list[Table]:
    """One table a score: one row a method, one column a lead, or as many leads as a page is wide."""
    leads = next(iter(found.pooled.values()))["lead"]
    shown = evenly(len(leads), LEADS)
    return [_table(found, score, title, leads, shown) for score, title in SCORES.items()]


def _table(found: Skill, score: str, title: str, leads: np.ndarray, shown: list[int]) -> Table:
    show = (lambda v: percent(v, 0)) if score == "coverage90" else (lambda v: number(v, 3))
    rows = [[name, *(show(table[score][lead]) for lead in shown)] for name, table in found.pooled.items()]
    names, best = list(found.pooled), frozenset()
    if score in LOWER and len(names) > 1:
        best = frozenset((names.index(found.best(score, lead)), i + 1) for i, lead in enumerate(shown))
    unit = f", {found.unit}; the lowest is bold" if score in LOWER else ""
    left = "" if len(shown) == len(leads) else f" {len(shown)} of {len(leads)} leads."
    return Table(["rows ahead", *(str(leads[lead]) for lead in shown)], rows, f"{title}{unit}.{left}", best)


def _column_table(found: Skill, plan: Plan) -> Table:
    ours, names = found.columns[found.model], plan.panel.schema.scored
    rivals = [name for name in found.columns if name != found.model]
    rows = []
    for i in evenly(len(names), COLUMNS):
        cells = [number(ours[score][lead, i]) for score in LOWER for lead in (0, -1)]
        others = {rival: found.columns[rival]["crps"][-1, i] for rival in rivals}
        known = {rival: value for rival, value in others.items() if np.isfinite(value)}
        least = min(known, key=lambda rival: known[rival]) if known else None
        rival = f"{number(known[least])} ({least})" if least else "–"
        rows.append([names[i], *cells, rival, percent(ours["coverage90"][-1, i])])
    left = "" if len(names) <= COLUMNS else f" {COLUMNS} of {len(names)}."
    last = f"lead {plan.horizon}"
    header = ["column", "RMSE, lead 1", f"RMSE, {last}", "CRPS, lead 1", f"CRPS, {last}"]
    header += [f"best other CRPS, {last}", f"90 % coverage, {last}"]
    return Table(header, rows, caption=f"The {found.model} by column, in the units of each column.{left}")
