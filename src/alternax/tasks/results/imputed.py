"""Gaps filled in: joint draws of the missing entries given the observed ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool

from alternax.core.errors import InputError
from alternax.data.output import to_frame
from alternax.tasks.results.paths import Paths
from alternax.tasks.results.reported import drop_covariates, drop_padding, long_frame, positions, shown_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Imputed(Paths):
    """Completed series `(sample, series, time, feature)`; observed entries are the same in every sample.

    Attributes:
        observed: True where the entry was measured.
        valid: False on padding rows, where samples are NaN.
    """

    observed: Bool[np.ndarray, "series time feature"]
    valid: Bool[np.ndarray, "series time"]

    def __post_init__(self) -> None:
        drop_covariates(self, "samples", "observed")
        drop_padding(self, "samples")

    def to_frame(self, *, sample: int | None = None) -> Any:
        """The data as they came, missing entries filled in.

        Args:
            sample: Which joint draw to fill in with; default the mean of all, which is smoother than any real series.
        """
        if sample is not None and not 0 <= sample < len(self.samples):
            raise InputError(f"sample must be below {len(self.samples)}, found {sample}")
        filled = self.samples.mean(0) if sample is None else self.samples[sample]
        return to_frame(filled, self.times, self.schema, self.batched)

    def gaps(self, *, quantiles: Sequence[float] = (0.05, 0.5, 0.95)) -> Any:
        """A long frame of the missing entries alone: time, feature, mean and quantiles of the draws."""
        keep = ~self.observed & self.valid[..., None]
        return long_frame(self._statistics(quantiles), self.times, self.schema, self.batched, keep=keep)

    def plot(
        self,
        columns: str | Sequence[str] | None = None,
        *,
        series: int = 0,
        rows: slice = slice(None),
        levels: Sequence[float] = (0.5, 0.9),
        unit: str = "",
    ) -> "Figure":
        """Observed entries and the spread of the draws between them, one panel a column.

        Args:
            columns: One name or several; default the first six.
            series: Position of the series.
            rows: Which rows to show, such as `slice(500, 700)`.
            levels: Probabilities of the shaded intervals.
            unit: Label of the vertical axis.
        """
        from alternax.plots import fan_chart

        series, shown = shown_rows(self.schema, self.valid, series, rows)
        chosen = positions(self.schema, columns, 6)
        names = [self.schema.values[i] for i in chosen]
        paths = self.samples[:, series][:, shown][..., chosen]
        known = np.where(self.observed[series][shown][:, chosen], paths[0], np.nan)
        return fan_chart(self.times[series][shown], paths, names, truth=known, levels=levels, unit=unit)
