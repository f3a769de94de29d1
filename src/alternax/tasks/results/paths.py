"""Statistics of joint sample paths, shared by every result that holds them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from alternax.data.schema import Schema
from alternax.tasks.results.levels import central, probabilities
from alternax.tasks.results.reported import as_xarray


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Paths:
    """Joint sample paths in the units of the data; abstract.

    Attributes:
        samples: The paths.
        times: Time of every row, UTC dates or numbers; NaT or NaN on padding.
        schema: Names and layout of the reported columns.
        batched: False if the data were one unbatched series.
        seed: Seed of the draws.
    """

    samples: Float[np.ndarray, "sample series time feature"]
    times: Shaped[np.ndarray, "series time"]
    schema: Schema
    batched: bool
    seed: int = 0

    @cached_property
    def mean(self) -> np.ndarray:
        """Mean of the samples, `(series, time, feature)`, without the series axis if unbatched."""
        return self._of(self.samples.mean(0))

    @cached_property
    def median(self) -> np.ndarray:
        """Median of the samples, shaped like `mean`."""
        return self.quantile(0.5)

    @cached_property
    def std(self) -> np.ndarray:
        """Standard deviation of the samples (`ddof=1`), shaped like `mean`; NaN for a single sample."""
        many = len(self.samples) > 1
        return self._of(self.samples.std(0, ddof=1) if many else np.full(self.samples.shape[1:], np.nan))

    def quantile(self, q: float | Sequence[float]) -> np.ndarray:
        """Quantiles of the samples, entry by entry.

        Args:
            q: One probability, or several: then they lead the result's axes.

        Raises:
            InputError: If a probability is outside 0 to 1.
        """
        return self._of(np.quantile(self.samples, probabilities(q), axis=0))

    def interval(self, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end of the central interval of probability `level`, entry by entry."""
        return central(self.quantile, level)

    def probabilities(self, column: str) -> dict[float, np.ndarray]:
        """Share of the samples of a column at each of its values: what to read of categories and counts.

        Returns:
            For every value that occurs its shares `(series, time)`, `(time,)` if unbatched; they add up to 1.

        Raises:
            InputError: If there is no such column.

        Example:
            >>> fitted.forecast(horizon=12).probabilities("state")[2.0]
        """
        drawn = self.samples[..., self.schema.positions([column])[0]]
        shares = {float(value): (drawn == value).mean(0) for value in np.unique(drawn[~np.isnan(drawn)])}
        return shares if self.batched else {value: share[0] for value, share in shares.items()}

    def to_xarray(self) -> Any:
        """The samples with dimensions `(sample, series, time, feature)`, or those of the xarray data they came from."""
        return as_xarray(self.samples, self.times, self.schema, self.batched)

    def __repr__(self) -> str:
        count, series, rows, columns = self.samples.shape
        sizes = f"{count} samples of {series} series, {rows} rows, {columns} columns"
        return f"{type(self).__name__}({sizes}, seed {self.seed})"

    def _of(self, statistic: np.ndarray) -> np.ndarray:
        return statistic if self.batched else statistic[..., 0, :, :]

    def _statistics(self, quantiles: Sequence[float]) -> dict[str, np.ndarray]:
        """Mean and quantiles with the series axis, by column name."""
        rows = np.quantile(self.samples, list(quantiles), axis=0)
        return {"mean": self.samples.mean(0)} | {f"q{q:g}": row for q, row in zip(quantiles, rows, strict=True)}
