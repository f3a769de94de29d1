"""What the model is and how it was trained."""

from typing import Any

import numpy as np

from alternax.core.fixed import parameter_count
from alternax.core.model import Classifier, LatentModel
from alternax.fitted import Fitted
from alternax.plots.style import COLOURS
from alternax.report.chart import Chart, Grid, Key, dashed_at
from alternax.report.page import Facts, Prose, Section
from alternax.report.values import number, numbers

BLUE, ORANGE, GREY = COLOURS[0], COLOURS[1], "#555555"
_EARLY, _TALL = 0.1, 3.0  # the first steps are cut off where they would hide the rest


def section(fitted: Fitted) -> Section:
    """Facts of the model and its training, and the curves."""
    record = fitted.record
    blocks: list[Any] = [Facts(facts(fitted))]
    if len(record.train_loss) > 1:
        key = [Key("training", BLUE)]
        if record.valid_loss:
            key += [Key("validation", ORANGE)]
        blocks.append(Grid([curves(fitted)], [*key, Key("step kept", GREY, "dashed")], least=40))
    else:
        blocks.append(Prose("There is no training curve: the loss was looked at once."))
    return Section("Model and training", blocks)


def facts(fitted: Fitted) -> list[tuple[str, str]]:
    """Model, transforms and training in words."""
    model, record = fitted.model, fitted.record
    context = (
        "all rows before a forecast" if model.context is None else f"the last {model.context} rows before a forecast"
    )
    found = [
        ("model", f"{type(model).__name__}, {parameter_count(model):,} parameters"),
        ("history used", context),
        ("scaling", type(fitted.transform).__name__),
    ]
    if isinstance(model, LatentModel):
        found.append(("latent", f"{model.latent_dim} dimensions"))
    if isinstance(model, Classifier) and model.class_count:
        found.append(("classes", str(model.class_count)))
    stopped = f"{record.stopped} after {record.steps:,} steps in {record.seconds:,.0f} s"
    found += [
        ("training", f"{stopped}, windows of {record.window} rows, seed {record.seed}"),
        ("parameters kept", f"those of step {record.best_step:,}{_best(fitted)}"),
    ]
    if fitted.metrics:
        kept = ", ".join(f"{name} {number(value)}" for name, value in fitted.metrics.items())
        found.append(("scores kept with the run", kept))
    return [*found, ("note", record.note)] if record.note else found


def _best(fitted: Fitted) -> str:
    losses = [loss for loss in fitted.record.valid_loss if np.isfinite(loss)]
    return f", the lowest validation loss ({number(min(losses))})" if losses else " (there was no validation)"


def curves(fitted: Fitted) -> Chart:
    """Loss by step, with the step whose parameters were kept."""
    record = fitted.record
    lines = {"training": (record.train_loss, BLUE), "validation": (record.valid_loss, ORANGE)}
    traces = [
        {
            "x": list(record.checked_at),
            "y": numbers(losses),
            "mode": "lines+markers" if len(losses) <= 60 else "lines",
            "marker": {"size": 4},
            "line": {"color": colour, "width": 2},
            "name": name,
            "hovertemplate": "%{y}",
        }
        for name, (losses, colour) in lines.items()
        if losses
    ]
    limits, note = _limits([np.array(losses) for losses, _ in lines.values() if losses])
    layout = {
        "xaxis": {"title": {"text": "optimiser step"}},
        "yaxis": {"title": {"text": "loss"}} | ({"range": limits} if limits else {}),
        "shapes": [dashed_at(record.best_step, GREY)],
    }
    caption = (
        "Loss by optimiser step, in scaled units (lower is better): the mean of the steps since the point before in "
        f"training, and of the held-out rows in validation.{note}"
    )
    return Chart(traces, caption, "Training curves", layout, height=300)


def _limits(curves: list[np.ndarray]) -> tuple[list[float] | None, str]:
    """Limits of the axis where the first steps stand so high that nothing else would be seen."""
    whole = np.concatenate(curves)
    finite = np.concatenate([losses[max(1, int(_EARLY * len(losses))) :] for losses in curves])
    finite = finite[np.isfinite(finite)]
    if len(finite) < 4 or np.nanmax(whole) - finite.min() < _TALL * np.ptp(finite) or np.ptp(finite) == 0:
        return None, ""
    pad = 0.06 * np.ptp(finite)
    return numbers(
        [finite.min() - pad, finite.max() + pad]
    ), " The first steps stand above the top: double-click to see all."
