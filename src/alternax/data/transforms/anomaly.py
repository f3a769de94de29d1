"""Departures from a mean seasonal cycle (climatology)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from alternax.core.errors import InputError
from alternax.data.sequences import Sequences
from alternax.data.times import to_local
from alternax.data.transforms.affine import Affine
from alternax.data.transforms.moments import moments
from alternax.data.transforms.transform import require_fitted

SEASONS = {"month": 12, "weekday": 7, "hour": 24, "day_of_year": 366}


@dataclass(frozen=True, eq=False)
class SeasonalAnomaly(Affine):
    """y = x - the column's mean over all training rows of the same season.

    A season that a column was never observed in takes the column's mean; a column never observed takes 0. Only
    columns of kind real are touched.

    Args:
        period: `"month"`, `"weekday"`, `"hour"` or `"day_of_year"` for dates; for numeric times the length of the cycle
            in their unit, a season being one usual step.
        step: Length of a season (numeric times); filled by `fit`.
        timezone: Zone whose clock and calendar are meant; filled by `fit`.
        climatology: Mean per season and column; filled by `fit`.

    Example:
        >>> data = Sequences.from_numpy(np.array([[1.0], [5.0], [3.0], [5.0]]))
        >>> SeasonalAnomaly(2).fit(data).apply(data).x[:, :, 0]
        array([[-1.,  0.,  1.,  0.]])
    """

    period: str | float | int = "month"
    step: float | None = None
    timezone: str | None = None
    climatology: Float[np.ndarray, "seasons obs_dim"] | None = None

    def __post_init__(self) -> None:
        named = isinstance(self.period, str)
        if (named and self.period not in SEASONS) or (not named and not self.period > 0):
            raise InputError(f"period must be one of {', '.join(SEASONS)} or a positive number, found {self.period!r}")

    def fit(self, data: Sequences) -> Self:
        """The climatology of the observed entries of `data`."""
        schema = data.schema
        if isinstance(self.period, str) != (schema.time_kind == "datetime"):
            kind, need = (
                ("dates", "a name such as 'month'") if schema.time_kind == "datetime" else ("numbers", "a number")
            )
            raise InputError(
                f"SeasonalAnomaly({self.period!r}) does not fit times that are {kind}: period must be {need}"
            )
        step = None if isinstance(self.period, str) else float(schema.step or 1)
        fitted = replace(self, step=step, timezone=schema.timezone)
        season = fitted._season(data.times)
        mean, _ = moments(data.x, data.observed, (0, 1))
        table = np.tile(mean, (fitted._count(), 1))
        for s in range(len(table)):
            rows = season == s
            seen = data.observed[rows]
            own, _ = moments(data.x[rows], seen, (0,))
            table[s] = np.where(seen.any(0), own, mean)
        return replace(fitted, climatology=np.where(np.array(schema.kinds) == "real", table, 0.0))

    def location_scale(
        self, times: np.ndarray, ids: Sequence[str | int], width: int
    ) -> tuple[Float[np.ndarray, "series time width"], np.ndarray]:
        """The climatology of every row, and 1."""
        table = require_fitted(self, self.climatology, width)
        return table[self._season(times)], np.ones(width)

    def _count(self) -> int:
        if isinstance(self.period, str):
            return SEASONS[self.period]
        return max(1, math.ceil(self.period / self.step - 1e-6))

    def _season(self, times: np.ndarray) -> Int[np.ndarray, "series time"]:
        """Which season every row belongs to; padding counts as season 0."""
        if (times.dtype.kind == "M") != isinstance(self.period, str):
            raise InputError(f"SeasonalAnomaly({self.period!r}) was fitted to other times, found {times.dtype}")
        if not isinstance(self.period, str):
            # A little forward, so that 0.1 + 0.2 falls into the season of 0.3.
            phase = np.nan_to_num(times / self.step) + 1e-6
            return (phase % (self.period / self.step)).astype(int) % self._count()
        index = pd.DatetimeIndex(to_local(times, self.timezone).ravel())
        first = {"month": index.month - 1, "weekday": index.day_of_week, "hour": index.hour}
        season = index.day_of_year - 1 if self.period == "day_of_year" else first[self.period]
        return np.nan_to_num(season.to_numpy(float)).astype(int).reshape(times.shape)
