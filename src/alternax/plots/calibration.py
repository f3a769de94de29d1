"""Reliability of central intervals: the share of the truth inside against the probability claimed."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def calibration(levels: Sequence[float] | np.ndarray, observed: Mapping[str, np.ndarray]) -> "Figure":
    """Observed coverage by nominal level; on the diagonal is calibrated, below overconfident.

    Args:
        levels: Probabilities of the intervals.
        observed: By name (a model, a lead): coverage at each level, as from `metrics.coverage`.
    """
    from matplotlib.ticker import PercentFormatter

    from alternax.plots.style import COLOURS, panels, title

    figure, (axes,) = panels(1, columns=1, width=4.6, height=4.4)
    axes.plot([0, 1], [0, 1], color="#555555", linewidth=1, linestyle="--", label="calibrated")
    for i, (name, shares) in enumerate(observed.items()):
        axes.plot(levels, shares, marker="o", markersize=3.5, color=COLOURS[i % len(COLOURS)], label=name)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel("probability of the interval", fontsize=9)
    axes.set_ylabel("observed inside", fontsize=9)
    title(axes, "Calibration of intervals")
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    return figure
