"""A forecast: joint sample paths of the rows ahead."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alternax.core.errors import InputError
from alternax.data.output import to_frame
from alternax.data.sequences import Sequences
from alternax.tasks.results.paths import Paths
from alternax.tasks.results.reported import drop_covariates, long_frame, positions, series_position

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Forecast(Paths):
    """Joint sample paths `(sample, series, time, feature)` of the rows ahead, in the units of the data.

    Attributes:
        past: Data before the forecast, for `plot`; may be None.

    Example:
        >>> low, high = fitted.forecast(horizon=12).interval(0.9)
    """

    past: Sequences | None = None

    def __post_init__(self) -> None:
        drop_covariates(self, "samples")

    @property
    def horizon(self) -> int:
        """Rows ahead."""
        return self.samples.shape[2]

    def to_frame(self, *, quantiles: Sequence[float] = (0.05, 0.5, 0.95), layout: str = "long") -> Any:
        """The forecast as a frame of the library the data came in.

        Args:
            quantiles: Probabilities; each becomes a column such as `q0.05` of the long layout.
            layout: `long`: one row a series, time and feature, with mean and quantiles; `wide`: the mean alone, one
                column a feature, as the data are.

        Raises:
            InputError: If the layout is unknown.
        """
        if layout == "wide":
            return to_frame(self.samples.mean(0), self.times, self.schema, self.batched)
        if layout != "long":
            raise InputError(f"to_frame: expected layout 'long' or 'wide', found {layout!r}")
        return long_frame(self._statistics(quantiles), self.times, self.schema, self.batched)

    def plot(
        self,
        columns: str | Sequence[str] | None = None,
        *,
        series: int = 0,
        truth: Sequences | None = None,
        levels: Sequence[float] = (0.5, 0.9),
        past_rows: int | None = None,
        unit: str = "",
    ) -> "Figure":
        """Fan charts with the past before them and, if given, what happened.

        Args:
            columns: Name of a column, or several; default the first six.
            series: Position of the series.
            truth: Data that hold what happened at some of the forecast's times.
            levels: Probabilities of the shaded intervals.
            past_rows: Rows of the past to show; default four times the horizon.
            unit: Label of the vertical axis.
        """
        from alternax.plots import fan_chart

        series, chosen = series_position(self.schema, series), positions(self.schema, columns, 6)
        names = [self.schema.values[i] for i in chosen]
        past = None if self.past is None else _shown(self.past, series, names, past_rows or 4 * self.horizon)
        happened = None if truth is None else _at(truth, series, names, self.times[series])
        return fan_chart(
            self.times[series],
            self.samples[:, series][..., chosen],
            names,
            past=past,
            truth=happened,
            levels=levels,
            unit=unit,
        )


def _shown(data: Sequences, series: int, names: list[str], rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Times and values of the last rows of a series, NaN where missing."""
    last = data.select(names).take([series]).tail(rows)
    return last.times[0], np.where(last.observed, last.x, np.nan)[0]


def _at(data: Sequences, series: int, names: list[str], times: np.ndarray) -> np.ndarray:
    """Values of a series at these times, NaN where missing or absent."""
    one = data.select(names).take([series])
    known, values = one.times[0, : one.lengths[0]], np.where(one.observed, one.x, np.nan)[0]
    if known.dtype.kind != times.dtype.kind:
        raise InputError("plot: the truth must have times of the same kind (dates or numbers) as the forecast")
    place = np.minimum(np.searchsorted(known, times), max(len(known) - 1, 0))
    return np.where((known[place] == times)[:, None], values[place], np.nan)
