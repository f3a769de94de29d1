"""What results with one law a row have in common: moments of latents and targets, probabilities of modes."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Shaped

from alternax.data.schema import Schema
from alternax.tasks.results.levels import DRAWN, central
from alternax.tasks.results.reported import shown_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ByRow:
    """Something at every row of every series: what such results are indexed by.

    Attributes:
        times: Time of every row.
        valid: False on padding rows.
        schema: Layout of the data.
        batched: False if the data were one unbatched series.
        seed: Seed of the draws behind it, if any.
    """

    times: Shaped[np.ndarray, "rows time"]
    valid: Bool[np.ndarray, "rows time"]
    schema: Schema
    batched: bool
    seed: int = 0


class Quantiles(ByRow, ABC):
    """The same, where every column has a name and every entry quantiles; abstract."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""

    @abstractmethod
    def quantile(self, q: float | Sequence[float]) -> np.ndarray:
        """Quantiles, entry by entry; several probabilities lead the result's axes."""

    def interval(self, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end of the central interval of probability `level`, entry by entry."""
        return central(self.quantile, level)

    def _fan(
        self,
        columns: Sequence[int],
        series: int,
        rows: slice,
        levels: Sequence[float],
        *,
        truth: np.ndarray | None = None,
        unit: str = "",
    ) -> "Figure":
        """Bands of these columns at these rows of one series, and what happened, `(series, time, column)`."""
        from alternax.plots import fan_chart

        series, shown = shown_rows(self.schema, self.valid, series, rows)
        law = self.quantile(DRAWN.tolist()).reshape(len(DRAWN), *self.times.shape, -1)
        known = None if truth is None else truth[series][shown][:, columns]
        paths = law[:, series][:, shown][..., columns]
        names = [self.names[i] for i in columns]
        return fan_chart(self.times[series][shown], paths, names, truth=known, levels=levels, unit=unit)
