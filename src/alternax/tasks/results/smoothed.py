"""Latent trajectories given whole series: joint draws, moments and credible bands."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from alternax.tasks.results.latent import LatentMoments
from alternax.tasks.results.levels import open_probabilities
from alternax.tasks.results.moments import moments_xarray
from alternax.tasks.results.reported import as_xarray, drop_padding, long_frame, named


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Smoothed(LatentMoments):
    """The law of the latent after every row, given the rows before and after it.

    Attributes:
        samples: Joint draws of whole latent paths; NaN on padding.
        mean: Without the series axis if unbatched; NaN on padding. In closed form for "exact", else of the draws.
        var: Variance, shaped like `mean`, likewise.
        effective: Effective number of particles of the filter at every row; None for "exact". Where it is low the
            draws there stand on few particles.
        method: "exact", "backward", "gibbs" or "ancestry".
        times: Time of every row.
        valid: False on padding rows.
        schema: Layout of the data.
        batched: False if the data were one unbatched series.
        seed: Seed of the draws.
    """

    samples: Float[np.ndarray, "sample series time latent"]
    effective: Float[np.ndarray, "series time"] | None
    method: str

    def __post_init__(self) -> None:
        super().__post_init__()
        drop_padding(self, "samples")

    def quantile(self, q: float | Sequence[float]) -> np.ndarray:
        """Quantiles, entry by entry: of the normal law for method "exact", else of the draws.

        Args:
            q: One probability, or several: then they lead the result's axes.

        Raises:
            InputError: If a probability is not between 0 and 1.
        """
        if self.method == "exact":
            return super().quantile(q)
        return np.quantile(self.samples if self.batched else self.samples[:, 0], open_probabilities(q), axis=0)

    def to_frame(self, *, quantiles: Sequence[float] = (0.05, 0.5, 0.95)) -> Any:
        """A long frame: time, feature (`z0`, ...), mean, std and quantiles."""
        bands = {f"q{q:g}": row for q, row in zip(quantiles, self.quantile(list(quantiles)), strict=True)}
        statistics = {"mean": self.mean, "std": self.std} | bands
        whole = {name: array.reshape(*self.times.shape, -1) for name, array in statistics.items()}
        return long_frame(whole, self.times, named(self.schema, self.names), self.batched)

    def to_xarray(self) -> Any:
        """A Dataset of `mean`, `std` `(series, time, latent)` and `samples`, which `sample` leads."""
        data = moments_xarray(self.mean, self.std, self.names, self.times, self.schema, self.batched)
        draws = as_xarray(self.samples, self.times, named(self.schema, self.names), self.batched)
        return data.assign(samples=draws).rename(feature="latent")

    def __repr__(self) -> str:
        count, series, rows, columns = self.samples.shape
        sizes = f"{count} samples of {series} series, {rows} rows, {columns} dimensions"
        return f"Smoothed({sizes}, method {self.method!r}, seed {self.seed})"
