"""What a model tells besides forecasts: targets at every row, and the class of whole series."""

import numpy as np

from alternax.core.model import Classifier, LatentModel
from alternax.data.sequences import Sequences
from alternax.fitted import Fitted
from alternax.metrics import correlation, rmse
from alternax.plots.style import COLOURS
from alternax.report.chart import Chart, Grid, Key, band
from alternax.report.history import in_training
from alternax.report.page import Prose, Section, Table
from alternax.report.values import number, numbers, percent, stamps, time_axis
from alternax.tasks.results import Classified, Decoded

DRAWN, ROWS, CLASSES, LISTED = 4, 600, 12, 30
BLUE, SHADE = COLOURS[0], "rgba(0,114,178,.22)"


def sections(fitted: Fitted, data: Sequences, *, seed: int) -> list[Section]:
    """A section for decoded targets and one for classes, where the model has them.

    Args:
        fitted: The run.
        data: Series as `Sequences.like` reads them.
        seed: Seed of the model's draws.
    """
    model, found = fitted.model, []
    if isinstance(model, LatentModel) and model.target_dim:
        found.append(_targets(fitted.decode(data, seed=seed), fitted, data))
    if isinstance(model, Classifier) and model.class_count:
        found.append(_classes(fitted.classify(data, seed=seed), fitted, data))
    return found


def _targets(decoded: Decoded, fitted: Fitted, data: Sequences) -> Section:
    shape = (data.series, data.valid.shape[1], len(decoded.names))
    mean, std = np.reshape(decoded.mean, shape), np.reshape(decoded.std, shape)
    truth = np.where(data.labelled, data.targets, np.nan)
    new = ~in_training(fitted, data) & data.valid
    judged = new if (new[..., None] & data.labelled).any() else data.valid
    where = "rows after the end of training" if judged is new else "rows that WERE PART OF TRAINING"
    scores = [_score(mean[judged][:, i], truth[judged][:, i]) for i in range(shape[2])]
    rows = [
        [name, f"{n:,}", *(number(v) for v in values)] for name, (n, *values) in zip(decoded.names, scores, strict=True)
    ]
    text = f"""Targets at each row, decoded from the rows up to it; scored on {where}. RMSE and standard deviation are
    in the units of the target; explained is 1 minus the squared RMSE over the variance of the truth there."""
    header = ["target", "labelled rows", "RMSE", "standard deviation of the truth", "explained", "correlation"]
    charts = [_target(decoded.names[i], data, mean, std, truth, i) for i in range(min(DRAWN, shape[2]))]
    key = [Key("what was labelled", "#000"), Key("decoded", BLUE), Key("two standard deviations", SHADE, "band")]
    table = Table(header, rows[:LISTED], caption="Decoded targets.")
    return Section("Decoded targets", [Prose(text), table, Grid(charts, key)])


def _score(mean: np.ndarray, truth: np.ndarray) -> tuple[float, ...]:
    known = np.isfinite(truth)
    if known.sum() < 2:
        return (int(known.sum()), *[float("nan")] * 4)
    error, spread = float(rmse(mean, truth)), float(np.std(truth[known]))
    explained = 1 - (error / spread) ** 2 if spread > 0 else float("nan")
    return int(known.sum()), error, spread, explained, float(correlation(mean, truth))


def _target(name: str, data: Sequences, mean: np.ndarray, std: np.ndarray, truth: np.ndarray, i: int) -> Chart:
    rows = slice(max(0, int(data.lengths[0]) - ROWS), int(data.lengths[0]))
    at, centre, width = stamps(data.times[0, rows], data.schema), mean[0, rows, i], 2 * std[0, rows, i]
    line = {"x": at, "mode": "lines", "hovertemplate": "%{y}"}
    traces = [
        *band(at, numbers(centre - width), numbers(centre + width), SHADE),
        {**line, "y": numbers(centre), "line": {"color": BLUE, "width": 1.6}, "name": "decoded"},
        {**line, "y": numbers(truth[0, rows, i]), "line": {"color": "#000", "width": 1.1}, "name": "what was labelled"},
    ]
    caption = f"Series {data.schema.ids[0]}, the last {rows.stop - rows.start} rows, in the unit of the target."
    return Chart(traces, caption, name, {"xaxis": time_axis(data.schema), "yaxis": {"nticks": 5}}, height=220)


def _classes(told: Classified, fitted: Fitted, data: Sequences) -> Section:
    known = told.labels >= 0
    trained = set(fitted.tail.schema.ids)
    new = sum(name not in trained for name in data.schema.ids)
    note = (
        "None of them was in training, by name."
        if new == data.series
        else f"{data.series - new} of them bear names of series in training, where a model does better than on others."
    )
    if not known.any():
        text = f"The {data.series} series came without classes: the table counts what they were taken for. {note}"
        table = np.atleast_2d(told.probabilities)
        counts = np.bincount(table.argmax(1), minlength=len(told.classes))
        rows = [[str(name), str(count)] for name, count in zip(told.classes, counts, strict=True)]
        return Section("Classes", [Prose(text), Table(["class", "series taken for it"], rows[:LISTED])])
    frequent = percent(told.confusion.sum(1).max() / known.sum())
    text = f"""{percent(told.accuracy)} of the {known.sum()} labelled series have their own class as the most probable
    one; always naming the most frequent class would give {frequent}. {note}"""
    shown = told.classes[:CLASSES]
    rows = [[str(name), *(str(n) for n in told.confusion[i, : len(shown)])] for i, name in enumerate(shown)]
    caption = "Series of each class (row) by the class they were taken for (column)."
    if len(told.classes) > CLASSES:
        caption += f" The first {CLASSES} of {len(told.classes)} classes."
    best = frozenset((i, i + 1) for i in range(len(shown)))
    header = ["class", *(f"taken for {name}" for name in shown)]
    return Section("Classes", [Prose(text), Table(header, rows, caption=caption, best=best)])
