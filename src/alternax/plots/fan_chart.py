"""Fan charts: the spread of sample paths over time, one panel a column."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Shaped

from alternax.core.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHADES = (0.18, 0.34, 0.5)


def fan_chart(
    times: Shaped[np.ndarray, "time"],
    samples: Float[np.ndarray, "sample time feature"],
    names: Sequence[str],
    *,
    past: tuple[Shaped[np.ndarray, "past"], Float[np.ndarray, "past feature"]] | None = None,
    truth: Float[np.ndarray, "time feature"] | None = None,
    levels: Sequence[float] = (0.5, 0.9),
    paths: int = 0,
    unit: str = "",
    columns: int = 2,
) -> "Figure":
    """Median and central intervals of sample paths, with what came before and what happened.

    Args:
        times: Time of each row, dates or numbers.
        samples: Sample paths.
        names: Title of each panel.
        past: Times and values before the paths; NaN leaves a gap. Where the last row is known the fan starts from it.
        truth: What happened; NaN leaves a gap.
        levels: Probabilities of the shaded intervals, up to three.
        paths: How many single sample paths to draw as thin lines.
        unit: Label of the vertical axis.
        columns: Panels side by side.

    Raises:
        InputError: If `levels` are not one to three probabilities.

    Example:
        >>> figure = fan_chart(np.arange(6), np.zeros((20, 6, 1)), ["x"])
        >>> figure.savefig("fan.png")
    """
    from alternax.plots.style import INK, legend_below, panels, time_axis, title

    levels = sorted(levels, reverse=True)
    if not 1 <= len(levels) <= len(_SHADES) or not 0 < levels[-1] <= levels[0] < 1:
        raise InputError(f"levels must be one to three probabilities between 0 and 1, found {levels}")
    figure, axes = panels(len(names), columns=columns, width=7.2 if len(names) == 1 else 5.0, height=3.2)
    for i, (one, name) in enumerate(zip(axes, names, strict=True)):
        before = None if past is None else (past[0], past[1][:, i])
        _fan(one, times, samples[:, :, i], before, levels)
        if paths:
            one.plot(times, samples[:paths, :, i].T, color=INK, linewidth=0.7, alpha=0.6)
        if truth is not None:
            one.plot(times, truth[:, i], color="black", linewidth=1.2, label="observed", **_points(truth[:, i]))
        title(one, name)
        one.set_ylabel(unit, fontsize=9)
        time_axis(one, times)
        one.margins(x=0.01)
    legend_below(figure, axes[0])
    return figure


def _fan(axes: "Axes", times: np.ndarray, paths: np.ndarray, past: tuple | None, levels: list[float]) -> None:
    from alternax.plots.style import COLOURS

    start = times[:0], paths[:, :0]
    if past is not None and len(past[0]):
        axes.plot(*past, color="#555555", linewidth=1.1, label="past", **_points(past[1]))
        if np.isfinite(past[1][-1]):
            start = past[0][-1:], np.full((len(paths), 1), past[1][-1])
    at = np.concatenate([start[0].astype(times.dtype), times])
    paths = np.concatenate([start[1], paths], axis=1)
    for level, shade in zip(levels, _SHADES, strict=False):
        low, high = np.quantile(paths, [(1 - level) / 2, (1 + level) / 2], axis=0)
        label = f"{100 * level:g} % interval"
        axes.fill_between(at, low, high, color=COLOURS[0], alpha=shade, linewidth=0, label=label)
    axes.plot(at, np.median(paths, axis=0), color=COLOURS[0], linewidth=1.8, label="median")


def _points(values: np.ndarray) -> dict[str, Any]:
    """Points are marked where a line alone would hide them: in short series, and between two gaps."""
    known = np.isfinite(np.pad(values, 1, constant_values=np.nan))
    alone = known[1:-1] & ~known[:-2] & ~known[2:]
    return {"marker": ".", "markevery": [True] * len(values) if len(values) <= 40 else alone.tolist()}
