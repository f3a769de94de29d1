"""What is said of a latent trajectory: moments of z after every row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from alternax.core.errors import InputError
from alternax.tasks.results.by_row import Quantiles
from alternax.tasks.results.moments import moments_quantile
from alternax.tasks.results.reported import drop_padding, drop_series_axis

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class LatentMoments(Quantiles):
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

    def quantile(self, q: float | Sequence[float]) -> np.ndarray:
        """Quantiles of the normal law with these moments, entry by entry.

        Args:
            q: One probability, or several: then they lead the result's axes.

        Raises:
            InputError: If a probability is not between 0 and 1.
        """
        return moments_quantile(self.mean, self.std, q)

    def plot(
        self,
        dimensions: Sequence[int] | None = None,
        *,
        series: int = 0,
        rows: slice = slice(None),
        levels: Sequence[float] = (0.5, 0.9),
    ) -> "Figure":
        """Median and credible bands over time, one panel a dimension.

        Args:
            dimensions: Positions of dimensions; default the first six.
            series: Position of the series.
            rows: Which rows to show, such as `slice(500, 700)`.
            levels: Probabilities of the shaded bands.

        Raises:
            InputError: For a series or dimension that is not there.

        Example:
            >>> fitted.filter(data).plot([0, 1], rows=slice(0, 300)).savefig("latent.png")
        """
        chosen = list(range(min(len(self.names), 6))) if dimensions is None else list(dimensions)
        if not all(0 <= i < len(self.names) for i in chosen):
            raise InputError(f"dimensions must be positions below {len(self.names)}; found {chosen}.")
        return self._fan(chosen, series, rows, levels)
