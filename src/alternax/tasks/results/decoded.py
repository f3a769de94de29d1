"""Targets decoded from the observations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Shaped

from alternax.data.schema import Schema
from alternax.tasks.results.bands import Bands, gaussian
from alternax.tasks.results.levels import central, open_probabilities
from alternax.tasks.results.moments import moments_frame, moments_xarray
from alternax.tasks.results.reported import drop_padding, drop_series_axis


@dataclass(frozen=True, eq=False, kw_only=True)
class Decoded:
    """Targets at every row, given the rows up to it, in the units of the targets.

    Attributes:
        mean: Without the series axis if unbatched; NaN on padding.
        std: Standard deviation, shaped like `mean`.
        times: Time of every row.
        valid: False on padding rows.
        schema: Layout of the data, with the names of the targets.
        batched: False if the data were one unbatched series.
        seed: Seed of the draws the decoder may make.
        bands: Where the edges of bands lie, if the run was calibrated.
    """

    mean: Float[np.ndarray, "*series time target"]
    std: Float[np.ndarray, "*series time target"]
    times: Shaped[np.ndarray, "rows time"]
    valid: Bool[np.ndarray, "rows time"]
    schema: Schema
    batched: bool
    seed: int = 0
    bands: Bands | None = None

    def __post_init__(self) -> None:
        drop_padding(self, "mean", "std")
        drop_series_axis(self, "mean", "std", ndim=3)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the targets; numbered if the data came without targets."""
        count = self.mean.shape[-1]
        return self.schema.targets if len(self.schema.targets) == count else tuple(f"target{i}" for i in range(count))

    def quantile(self, q: float | Sequence[float]) -> np.ndarray:
        """Quantiles of the targets, entry by entry: those of `calibrate`, else of a normal law of `mean` and `std`.

        Args:
            q: One probability, or several: then they lead the result's axes.

        Raises:
            InputError: If a probability is not between 0 and 1.
        """
        probabilities = open_probabilities(q)
        edges = gaussian(probabilities)[..., None] if self.bands is None else self.bands.at(probabilities)
        rows = (1,) * (self.mean.ndim - 1)
        return self.mean + self.std * edges.reshape(*probabilities.shape, *rows, edges.shape[-1])

    def interval(self, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end of the central interval of probability `level`, entry by entry."""
        return central(self.quantile, level)

    def to_frame(self) -> Any:
        """A long frame: time, feature (the target), mean and std."""
        return moments_frame(self.mean, self.std, self.names, self.times, self.schema, self.batched)

    def to_xarray(self) -> Any:
        """A Dataset of `mean` and `std` with dimensions `(series, time, target)`."""
        data = moments_xarray(self.mean, self.std, self.names, self.times, self.schema, self.batched)
        return data.rename(feature="target")
