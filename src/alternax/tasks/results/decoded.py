"""Targets decoded from the observations."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Shaped

from alternax.data.schema import Schema
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
    """

    mean: Float[np.ndarray, "*series time target"]
    std: Float[np.ndarray, "*series time target"]
    times: Shaped[np.ndarray, "rows time"]
    valid: Bool[np.ndarray, "rows time"]
    schema: Schema
    batched: bool
    seed: int = 0

    def __post_init__(self) -> None:
        drop_padding(self, "mean", "std")
        drop_series_axis(self, "mean", "std", ndim=3)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the targets; numbered if the data came without targets."""
        count = self.mean.shape[-1]
        return self.schema.targets if len(self.schema.targets) == count else tuple(f"target{i}" for i in range(count))

    def to_frame(self) -> Any:
        """A long frame: time, feature (the target), mean and std."""
        return moments_frame(self.mean, self.std, self.names, self.times, self.schema, self.batched)

    def to_xarray(self) -> Any:
        """A Dataset of `mean` and `std` with dimensions `(series, time, target)`."""
        data = moments_xarray(self.mean, self.std, self.names, self.times, self.schema, self.batched)
        return data.rename(feature="target")
