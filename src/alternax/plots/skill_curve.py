"""Scores against lead, one panel a score, one line a model."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def skill_curve(
    leads: Sequence[float] | np.ndarray,
    scores: Mapping[str, Mapping[str, np.ndarray]],
    *,
    targets: Mapping[str, float] | None = None,
    lead_label: str = "lead",
) -> "Figure":
    """Score by lead for several models.

    Args:
        leads: Steps ahead.
        scores: By title of the panel (with the unit), then by name of the model: one value a lead. The first model is
            drawn strongest; a model keeps its colour in all panels.
        targets: By title of the panel: the value a calibrated forecast has, drawn as a dashed line.
        lead_label: Label of the horizontal axis, with the unit.

    Example:
        >>> figure = skill_curve([1, 2], {"RMSE, degC": {"model": np.array([0.3, 0.4])}})
    """
    from matplotlib.ticker import MaxNLocator

    from alternax.plots.style import COLOURS, legend_below, panels, title

    models = list(dict.fromkeys(model for by_model in scores.values() for model in by_model))
    figure, axes = panels(len(scores), columns=2, width=7.2 if len(scores) == 1 else 4.4, height=3.2)
    for one, (name, by_model) in zip(axes, scores.items(), strict=True):
        if targets and name in targets:
            one.axhline(targets[name], color="#555555", linewidth=1, linestyle="--")
        for model, values in by_model.items():
            rank = models.index(model)
            style = {"linewidth": 2.4 if rank == 0 else 1.4, "markersize": 5 if rank == 0 else 3.5, "zorder": 10 - rank}
            one.plot(leads, values, marker="o", color=COLOURS[rank % len(COLOURS)], label=model, **style)
        title(one, name)
        one.set_xlabel(lead_label, fontsize=9)
        one.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend_below(figure, max(axes, key=lambda a: len(a.get_legend_handles_labels()[1])))
    return figure
