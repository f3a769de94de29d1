"""Modes of behaviour: how probable each was at every row."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from alternax.data.output import to_xarray
from alternax.tasks.results.by_row import ByRow
from alternax.tasks.results.reported import drop_padding, drop_series_axis, long_frame, named, with_series


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Modes(ByRow):
    """Probability of every mode at every row.

    Attributes:
        probabilities: Without the series axis if unbatched; NaN on padding.
        smoothed: Whether they are given all rows, or those up to each.
        times: Time of every row.
        valid: False on padding rows.
        schema: Layout of the data.
        batched: False if the data were one unbatched series.
        seed: Seed of the draws of the latents.
    """

    probabilities: Float[np.ndarray, "*series time modes"]
    smoothed: bool

    def __post_init__(self) -> None:
        drop_padding(self, "probabilities")
        drop_series_axis(self, "probabilities", ndim=3)

    @property
    def most_likely(self) -> Int[np.ndarray, "*series time"]:
        """The most probable mode at every row; -1 on padding."""
        known = ~np.isnan(self.probabilities).any(-1)
        return np.where(known, np.nan_to_num(self.probabilities).argmax(-1), -1)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the modes: `mode0`, `mode1`, ..."""
        return tuple(f"mode{i}" for i in range(self.probabilities.shape[-1]))

    def to_frame(self) -> Any:
        """A long frame: time, feature (`mode0`, ...), probability."""
        statistics = {"probability": with_series(self.probabilities)}
        return long_frame(statistics, self.times, named(self.schema, self.names), self.batched)

    def to_xarray(self) -> Any:
        """A DataArray with dimensions `(series, time, mode)`."""
        data = to_xarray(with_series(self.probabilities), self.times, named(self.schema, self.names), self.batched)
        return data.rename(feature="mode")

    def __repr__(self) -> str:
        (series, rows), given = self.times.shape, "smoothed" if self.smoothed else "filtered"
        return f"Modes({series} series, {rows} rows, {len(self.names)} modes, {given}, seed {self.seed})"
