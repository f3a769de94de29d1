"""Means and standard deviations as frames and xarray."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from alternax.data.output import to_xarray
from alternax.data.schema import Schema
from alternax.tasks.results.reported import long_frame, named


def moments_frame(
    mean: np.ndarray, std: np.ndarray, names: Sequence[str], times: np.ndarray, schema: Schema, batched: bool
) -> Any:
    """A long frame of two moments `([series,] time, name)`."""
    statistics = {"mean": _with_series(mean), "std": _with_series(std)}
    return long_frame(statistics, times, named(schema, names), batched)


def moments_xarray(
    mean: np.ndarray, std: np.ndarray, names: Sequence[str], times: np.ndarray, schema: Schema, batched: bool
) -> Any:
    """A Dataset of two moments `([series,] time, name)` with dimension `feature` for the names."""
    import xarray as xr

    layout = named(schema, names)
    arrays = {"mean": _with_series(mean), "std": _with_series(std)}
    return xr.Dataset({name: to_xarray(array, times, layout, batched) for name, array in arrays.items()})


def _with_series(array: np.ndarray) -> np.ndarray:
    return array if array.ndim == 3 else array[None]
