"""Standardising, and mapping to a range: y = (x - location) / scale with constants from the training part."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from jaxtyping import Bool, Float

from alternax.core.errors import InputError
from alternax.data.cells import variables
from alternax.data.sequences import Sequences
from alternax.data.transforms.affine import Affine
from alternax.data.transforms.moments import ROUNDING, constant_scale, moments
from alternax.data.transforms.transform import require_fitted, touched


@dataclass(frozen=True, eq=False)
class Scale(Affine):
    """Zero mean and unit standard deviation over the observed training entries.

    Columns of kind positive are divided by their mean instead, so that they stay positive. A column that is constant
    or silent in training has scale 1, so that it may wake up later.

    Args:
        per: `"column"`: every column has its mean and scale. `"series"`: every series of every column; where a series
            is constant or silent the scale (and where silent the mean) of the whole column is taken. `"all"`: every
            column has its mean, and all real columns of one variable (covariates apart) share one scale, so that a
            field keeps the relative variances of its cells.
        ids: Series that were fitted (`per="series"`); filled by `fit`.
        location: Filled by `fit`.
        scale: Filled by `fit`.

    Example:
        >>> data = Sequences.from_numpy(np.array([[1.0], [3.0]]))
        >>> Scale().fit(data).apply(data).x[:, :, 0]
        array([[-1.,  1.]])
    """

    per: str = "column"
    ids: tuple[str | int, ...] | None = None
    location: Float[np.ndarray, "*series obs_dim"] | None = None
    scale: Float[np.ndarray, "*series obs_dim"] | None = None

    def __post_init__(self) -> None:
        if self.per not in ("column", "series", "all"):
            raise InputError(f"per must be 'column', 'series' or 'all', found {self.per!r}")

    def fit(self, data: Sequences) -> Self:
        """Means and standard deviations of the observed entries of `data`."""
        positive = np.array(data.schema.kinds) == "positive"
        location, scale, _ = _measure(data.x, data.observed, positive, (0, 1))
        ids = None
        if self.per == "all":
            scale = _shared(data, scale, positive)
        elif self.per == "series":
            own_location, own_scale, silent = _measure(data.x, data.observed, positive, (1,))
            location = np.where(silent, location, own_location)
            scale = np.where(own_scale > 0, own_scale, scale)
            ids = tuple(data.schema.ids)
        mask = touched(data)
        scale = np.where(scale > 0, scale, constant_scale(location))
        return replace(self, ids=ids, location=np.where(mask, location, 0.0), scale=np.where(mask, scale, 1.0))

    def location_scale(self, times: np.ndarray, ids: Sequence[str | int], width: int) -> tuple[np.ndarray, np.ndarray]:
        """The fitted constants, for `per="series"` those of the series named."""
        location, scale = require_fitted(self, self.location, width), require_fitted(self, self.scale, width)
        if self.ids is None:
            return location, scale
        row = {name: i for i, name in enumerate(self.ids)}
        unknown = [name for name in ids if name not in row]
        if unknown:
            raise InputError(
                f"Scale(per='series') was not fitted to series {unknown[0]!r} (it knows {len(row)}); "
                "fit on data that hold it, or use per='column'"
            )
        rows = [row[name] for name in ids]
        return location[rows][:, None], scale[rows][:, None]


@dataclass(frozen=True, eq=False)
class MinMax(Affine):
    """Maps the training range of every real column to `[low, high]`; what lies outside later goes beyond it.

    A column that is constant in training is moved to the middle and not stretched.

    Args:
        low: Image of the smallest training value.
        high: Image of the largest.
        location: Filled by `fit`.
        scale: Filled by `fit`.
    """

    low: float = -1.0
    high: float = 1.0
    location: Float[np.ndarray, "obs_dim"] | None = None
    scale: Float[np.ndarray, "obs_dim"] | None = None

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise InputError(f"low must lie below high, found low={self.low}, high={self.high}")

    def fit(self, data: Sequences) -> Self:
        """The extremes of the observed entries of `data`."""
        seen, real = data.observed, np.array(data.schema.kinds) == "real"
        smallest = np.where(seen, data.x, np.inf).min((0, 1))
        largest = np.where(seen, data.x, -np.inf).max((0, 1))
        some = np.isfinite(smallest)
        smallest, largest = np.where(some, smallest, 0.0), np.where(some, largest, 0.0)
        half = largest / 2 - smallest / 2
        spread = half / (self.high / 2 - self.low / 2)
        scale = np.where(half > ROUNDING * np.abs(largest), spread, constant_scale(largest))
        location = smallest + half - (self.low + self.high) / 2 * scale
        return replace(self, location=np.where(real, location, 0.0), scale=np.where(real, scale, 1.0))

    def location_scale(self, times: np.ndarray, ids: Sequence[str | int], width: int) -> tuple[np.ndarray, np.ndarray]:
        """The fitted constants."""
        return require_fitted(self, self.location, width), require_fitted(self, self.scale, width)


def _measure(
    x: np.ndarray, seen: np.ndarray, positive: Bool[np.ndarray, "obs_dim"], axes: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Location and scale over `axes` (scale 0 where constant or silent), and where nothing was seen."""
    mean, deviation = moments(x, seen, axes)
    return np.where(positive, 0.0, mean), np.where(positive, mean, deviation), seen.sum(axes) == 0


def _shared(data: Sequences, scale: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """One scale for all real columns of a variable: the root mean square of all deviations from the columns' means."""
    owner, shares, count = variables(data.schema), touched(data) & ~positive, data.observed.sum((0, 1))
    shared = scale.copy()
    for variable in np.unique(owner[shares]):
        columns = shares & (owner == variable)
        unit = scale[columns].max() or 1.0
        squares = count[columns] * (scale[columns] / unit) ** 2
        shared[columns] = unit * np.sqrt(squares.sum() / max(count[columns].sum(), 1))
    return shared
