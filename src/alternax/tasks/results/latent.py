"""What is said of a latent trajectory: moments of z after every row."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from alternax.data.schema import Schema
from alternax.tasks.results.reported import drop_padding, drop_series_axis


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class LatentMoments:
    """Mean and variance of the latent after every row; abstract.

    Attributes:
        mean: Without the series axis if unbatched; NaN on padding.
        var: Variance, shaped like `mean`.
        times: Time of every row.
        valid: False on padding rows.
        schema: Layout of the data.
        batched: False if the data were one unbatched series.
        seed: Seed of the draws behind it, if any.
    """

    mean: Float[np.ndarray, "*series time latent"]
    var: Float[np.ndarray, "*series time latent"]
    times: Shaped[np.ndarray, "rows time"]
    valid: Bool[np.ndarray, "rows time"]
    schema: Schema
    batched: bool
    seed: int = 0

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
