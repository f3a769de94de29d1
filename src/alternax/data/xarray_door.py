"""xarray in: every cell of every variable becomes a column; cells that are never observed (land) are left out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from alternax.core.errors import InputError
from alternax.data.assemble import Rows, assemble
from alternax.data.checks import as_names, known, listed, without_repeats
from alternax.data.classes import UNKNOWN
from alternax.data.schema import Schema, column_kinds
from alternax.data.sequences import Sequences
from alternax.data.times import parse_times


def from_xarray(
    data: Any,
    *,
    time: str,
    covariates: str | Sequence[str] | None,
    kinds: Mapping[str, str] | None,
    calendar: Sequence[str],
) -> Sequences:
    """See `Sequences.from_xarray`."""
    if not isinstance(data, xr.DataArray | xr.Dataset):
        raise InputError(f"Expected an xarray DataArray or Dataset, found {type(data).__name__}.")
    arrays = (
        {"value" if data.name is None else data.name: data} if isinstance(data, xr.DataArray) else dict(data.data_vars)
    )
    if not arrays:
        raise InputError("The Dataset has no variables.")
    for name, array in arrays.items():
        _check_variable(str(name), array, time)
    stamps, zone, time_kind = _times(data, time)
    covariates = tuple(known(name, arrays, "variable in covariates") for name in as_names(covariates))
    flat = {name: _flatten(str(name), array, time) for name, array in arrays.items()}
    columns = {name: entry["columns"] for name, (entry, _) in flat.items()}
    without_repeats([c for names in columns.values() for c in names])
    by_variable = dict(zip(arrays, column_kinds(kinds, list(arrays)), strict=True))
    schema = Schema(
        values=tuple(c for names in columns.values() for c in names),
        kinds=tuple(by_variable[name] for name, names in columns.items() for _ in names),
        covariates=tuple(c for name in covariates for c in columns[name]),
        calendar=as_names(calendar),
        layout="xarray",
        time_name=time,
        time_kind=time_kind,
        timezone=zone,
        grid=_grid(data, time, [entry for entry, _ in flat.values()]),
    )
    x = np.concatenate([values for _, values in flat.values()], axis=1)
    none = np.zeros((len(x), 0))
    number = np.zeros(len(x), int)
    rows = Rows(
        x=x,
        times=stamps,
        series=number,
        labels=np.arange(len(x)),
        controls=none,
        targets=none,
        static=np.zeros((1, 0)),
        classes=np.full(1, UNKNOWN),
    )
    return assemble(rows, schema, batched=False)


def _check_variable(name: str, array: xr.DataArray, time: str) -> None:
    if time not in array.dims:
        raise InputError(
            f"Variable {name!r} has no dimension {time!r}: its dimensions are {listed(array.dims)}. "
            "Name the time dimension with time=, or drop the variable."
        )
    if array.dtype.kind not in "biuf":
        raise InputError(f"Variable {name!r}: expected numbers, found dtype {array.dtype}; drop the variable.")
    if array.size == 0:
        raise InputError(f"Variable {name!r} is empty: its shape is {array.shape}.")


def _times(data: xr.DataArray | xr.Dataset, time: str) -> tuple[np.ndarray, str | None, str]:
    if time not in data.coords:
        return np.arange(data.sizes[time]), None, "index"
    if isinstance(data.indexes.get(time), xr.CFTimeIndex):
        raise InputError(
            f"Coordinate {time!r} has a calendar of its own (cftime): convert it with "
            "data.convert_calendar('standard')."
        )
    stamps, zone = parse_times(data.coords[time].to_numpy(), f"coordinate {time!r}")
    return stamps, zone, "datetime" if stamps.dtype.kind == "M" else "number"


def _flatten(name: str, array: xr.DataArray, time: str) -> tuple[dict[str, Any], Float[np.ndarray, "time cells"]]:
    """The cells that are observed at some time, and what is needed to put them back."""
    space = [dim for dim in array.dims if dim != time]
    cube = array.transpose(time, *space)
    with np.errstate(over="ignore"):  # what float64 cannot hold becomes infinite, and is refused with its place
        values = cube.to_numpy().astype(np.float64).reshape(cube.sizes[time], -1)
    kept = ~np.isnan(values).all(axis=0)
    if not kept.any():
        raise InputError(f"Variable {name!r} has no observed value at all: every cell is missing at every time.")
    labels = np.meshgrid(*[_labels(array, dim) for dim in space], indexing="ij")
    cells = np.flatnonzero(kept)
    parts = zip(*[grid.ravel()[cells] for grid in labels], strict=True) if space else [()] * len(cells)
    entry = {
        "name": name,
        "dims": [str(dim) for dim in array.dims],
        "shape": [cube.sizes[dim] for dim in space],
        "cells": cells.tolist(),
        "columns": [f"{name}[{','.join(part)}]" if part else name for part in parts],
        "attrs": _plain(array.attrs),
    }
    return entry, values[:, kept]


def _labels(array: xr.DataArray, dim: str) -> np.ndarray:
    """The coordinate of a dimension as text, or positions if it has none or it does not tell cells apart."""
    if dim in array.coords:
        labels = np.array([str(label) for label in array.coords[dim].to_numpy().tolist()])
        if len(set(labels)) == len(labels):
            return labels
    return np.arange(array.sizes[dim]).astype(str)


def _grid(data: xr.DataArray | xr.Dataset, time: str, variables: list[dict[str, Any]]) -> dict[str, Any]:
    kept = [_coordinate(str(name), c) for name, c in data.coords.items() if time not in c.dims]
    dataset = isinstance(data, xr.Dataset)
    return {
        "dataset": dataset,
        "name": None if dataset else data.name,
        "attrs": _plain(data.attrs),
        "time_attrs": _plain(data.coords[time].attrs) if time in data.coords else {},
        "variables": variables,
        "coords": kept,
    }


def _coordinate(name: str, coordinate: xr.DataArray) -> dict[str, Any]:
    values = coordinate.to_numpy()
    if values.dtype == object and any(isinstance(v, tuple) for v in values.ravel()[:1]):
        raise InputError(f"Coordinate {name!r} is a stacked (multi-level) index: unstack the data first.")
    text = values.astype(str) if values.dtype.kind in "mMO" else values
    if values.dtype.kind == "m":
        text = values.astype(np.int64)
    return {
        "name": name,
        "dims": [str(dim) for dim in coordinate.dims],
        "values": text.tolist(),
        "dtype": str(values.dtype) if values.dtype.kind != "T" else "object",
        "attrs": _plain(coordinate.attrs),
    }


def _plain(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes that JSON can hold."""
    plain = {str(k): v.item() if isinstance(v, np.generic) else v for k, v in attrs.items()}
    return {k: v for k, v in plain.items() if isinstance(v, str | int | float | bool)}
