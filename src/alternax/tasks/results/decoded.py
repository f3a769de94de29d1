"""Targets decoded from the observations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from alternax.core.errors import InputError
from alternax.data.checks import as_names
from alternax.data.sequences import Sequences
from alternax.tasks.results.bands import Bands
from alternax.tasks.results.by_row import Quantiles
from alternax.tasks.results.moments import moments_frame, moments_quantile, moments_xarray
from alternax.tasks.results.reported import drop_padding, drop_series_axis

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Decoded(Quantiles):
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
        return moments_quantile(self.mean, self.std, q, self.bands)

    def plot(
        self,
        targets: str | Sequence[str] | None = None,
        *,
        series: int = 0,
        truth: Sequences | None = None,
        rows: slice = slice(None),
        levels: Sequence[float] = (0.5, 0.9),
        unit: str = "",
    ) -> "Figure":
        """Median and bands over time, one panel a target, with the labels if given.

        Args:
            targets: One name or several; default the first six.
            series: Position of the series.
            truth: The data decoded, whose labels are drawn where there are any.
            rows: Which rows to show, such as `slice(500, 700)`.
            levels: Probabilities of the shaded bands.
            unit: Label of the vertical axis.

        Raises:
            InputError: For a series or target that is not there, or a truth of other rows or targets.

        Example:
            >>> fitted.decode(data).plot(truth=data, rows=slice(0, 300), unit="pixels").savefig("decoded.png")
        """
        chosen = list(self.names[:6] if targets is None else as_names(targets))
        if unknown := [name for name in chosen if name not in self.names]:
            raise InputError(f"plot: no target named {unknown}; there are {list(self.names)}.")
        known = None
        if truth is not None:
            shape = (*self.times.shape, len(self.names))
            if truth.targets.shape != shape:
                raise InputError(f"plot: the truth must hold targets of shape {shape}, found {truth.targets.shape}.")
            known = np.where(truth.labelled, truth.targets, np.nan)
        columns = [self.names.index(name) for name in chosen]
        return self._fan(columns, series, rows, levels, truth=known, unit=unit)

    def to_frame(self) -> Any:
        """A long frame: time, feature (the target), mean and std."""
        return moments_frame(self.mean, self.std, self.names, self.times, self.schema, self.batched)

    def to_xarray(self) -> Any:
        """A Dataset of `mean` and `std` with dimensions `(series, time, target)`."""
        data = moments_xarray(self.mean, self.std, self.names, self.times, self.schema, self.batched)
        return data.rename(feature="target")

    def __repr__(self) -> str:
        (series, rows), bands = self.times.shape, "normal" if self.bands is None else "calibrated"
        return f"Decoded({series} series, {rows} rows, {len(self.names)} targets, {bands} bands, seed {self.seed})"
