"""Means and standard deviations: their quantiles, as frames, in xarray."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from alternax.data.output import to_xarray
from alternax.data.schema import Schema
from alternax.tasks.results.bands import Bands, gaussian
from alternax.tasks.results.levels import open_probabilities
from alternax.tasks.results.reported import long_frame, named, with_series


def moments_quantile(
    mean: np.ndarray, std: np.ndarray, q: float | Sequence[float], bands: Bands | None = None
) -> np.ndarray:
    """Quantiles entry by entry: where `bands` lie, else those of the normal law; the probabilities lead.

    Raises:
        InputError: If a probability is not between 0 and 1.
    """
    probabilities = open_probabilities(q)
    edges = gaussian(probabilities)[..., None] if bands is None else bands.at(probabilities)
    return mean + std * edges.reshape(*probabilities.shape, *(1,) * (mean.ndim - 1), edges.shape[-1])


def moments_frame(
    mean: np.ndarray, std: np.ndarray, names: Sequence[str], times: np.ndarray, schema: Schema, batched: bool
) -> Any:
    """A long frame of two moments `([series,] time, name)`."""
    statistics = {"mean": with_series(mean), "std": with_series(std)}
    return long_frame(statistics, times, named(schema, names), batched)


def moments_xarray(
    mean: np.ndarray, std: np.ndarray, names: Sequence[str], times: np.ndarray, schema: Schema, batched: bool
) -> Any:
    """A Dataset of two moments `([series,] time, name)` with dimension `feature` for the names."""
    import xarray as xr

    layout = named(schema, names)
    arrays = {"mean": with_series(mean), "std": with_series(std)}
    return xr.Dataset({name: to_xarray(array, times, layout, batched) for name, array in arrays.items()})
