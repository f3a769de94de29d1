"""Latent trajectories: moments of z after every row."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from alternax.tasks.results.latent import LatentMoments
from alternax.tasks.results.moments import moments_frame, moments_xarray


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Filtered(LatentMoments):
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

    method: str = "encoder"
    effective: Float[np.ndarray, "rows time"] | None = None

    def to_frame(self) -> Any:
        """A long frame: time, feature (`z0`, ...), mean and std."""
        return moments_frame(self.mean, self.std, self.names, self.times, self.schema, self.batched)

    def to_xarray(self) -> Any:
        """A Dataset of `mean` and `std` with dimensions `(series, time, latent)`."""
        data = moments_xarray(self.mean, self.std, self.names, self.times, self.schema, self.batched)
        return data.rename(feature="latent")

    def __repr__(self) -> str:
        series, rows = self.times.shape
        sizes = f"{series} series, {rows} rows, {len(self.names)} dimensions"
        return f"Filtered({sizes}, method {self.method!r}, seed {self.seed})"
