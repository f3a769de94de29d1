"""Latent trajectories: moments of z after every row."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Shaped

from alternax.data.schema import Schema
from alternax.tasks.results.moments import moments_frame, moments_xarray
from alternax.tasks.results.reported import drop_padding, drop_series_axis


@dataclass(frozen=True, eq=False, kw_only=True)
class Filtered:
    """Mean and variance of the latent after every row, given the rows up to it.

    Attributes:
        mean: Without the series axis if unbatched; NaN on padding.
        var: Variance, shaped like `mean`.
        times: Time of every row.
        valid: False on padding rows.
        schema: Layout of the data.
        batched: False if the data were one unbatched series.
        seed: Seed of the draws the filter may make.
        method: "encoder" (the model's own law), or "exact" or "particles" for the Bayes posterior.
        effective: Effective number of particles at every row, `(series, time)`; None without particles. Where it is
            low the moments stand on few particles.
    """

    mean: Float[np.ndarray, "*series time latent"]
    var: Float[np.ndarray, "*series time latent"]
    times: Shaped[np.ndarray, "rows time"]
    valid: Bool[np.ndarray, "rows time"]
    schema: Schema
    batched: bool
    seed: int = 0
    method: str = "encoder"
    effective: Float[np.ndarray, "rows time"] | None = None

    def __post_init__(self) -> None:
        drop_padding(self, "mean", "var")
        drop_series_axis(self, "mean", "var", ndim=3)

    @property
    def std(self) -> np.ndarray:
        """Standard deviation, shaped like `mean`."""
        return np.sqrt(self.var)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the latent dimensions: `z0`, `z1`, ..."""
        return tuple(f"z{i}" for i in range(self.mean.shape[-1]))

    def to_frame(self) -> Any:
        """A long frame: time, feature (`z0`, ...), mean and std."""
        return moments_frame(self.mean, self.std, self.names, self.times, self.schema, self.batched)

    def to_xarray(self) -> Any:
        """A Dataset of `mean` and `std` with dimensions `(series, time, latent)`."""
        data = moments_xarray(self.mean, self.std, self.names, self.times, self.schema, self.batched)
        return data.rename(feature="latent")
