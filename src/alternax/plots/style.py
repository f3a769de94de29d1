"""What all figures look like."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito 2008: told apart with any colour vision, and in print.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6b6b6b")
INK, GRID, LAND = "#222222", "#e4e4e4", "#d9d9d9"


def panels(count: int, *, columns: int, width: float, height: float) -> "tuple[Figure, list[Axes]]":
    """A figure of `count` panels of `width` x `height` inches each, at most `columns` side by side."""
    from matplotlib.figure import Figure

    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained", facecolor="white")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for unused in axes[count:]:
        unused.remove()
    for one in axes[:count]:
        _plain(one)
    return figure, list(axes[:count])


def _plain(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#8a8a8a")
    axes.tick_params(colors=INK, labelsize=9, color="#8a8a8a")
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def title(axes: "Axes", text: str) -> None:
    """A panel's title, at its left edge."""
    axes.set_title(text, loc="left", fontsize=10.5, color=INK)


def legend_below(figure: "Figure", axes: "Axes") -> None:
    """One legend for all panels, under them."""
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        figure.legend(
            handles,
            labels,
            loc="outside lower center",
            ncols=5 if figure.get_figwidth() > 6 else 3,
            frameon=False,
            fontsize=9,
        )


def time_axis(axes: "Axes", times: np.ndarray) -> None:
    """Short date labels when the times are dates."""
    if np.asarray(times).dtype.kind == "M":
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator(minticks=3, maxticks=7)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
