"""A grid with land: where the columns of a row stand on (channel, lat, lon), and the same one coarser."""

from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from alternax.core.errors import InputError
from alternax.core.fixed import Fixed
from alternax.data.cells import LATITUDES
from alternax.data.schema import Schema
from alternax.data.sequences import Sequences

LONGITUDES = ("lon", "longitude")


class Grid(eqx.Module):
    """The cells of a field that are columns of x; the others are land, and hold nothing.

    Args:
        shape: Channels, latitudes, longitudes.
        cells: Place of every column in the flattened field, none twice.
        periodic: Whether the last longitude is beside the first.

    Attributes:
        cells: Place of every column in the flattened field.
        shape: Channels, latitudes, longitudes.
        periodic: Whether the last longitude is beside the first.

    Raises:
        InputError: No cell, or one outside the shape or named twice.

    Example:
        >>> grid = Grid.of_mask(np.array([[True, False, True], [True, True, True]]))
        >>> grid.field(jnp.array([1.0, 2.0, 3.0, 4.0, 5.0]))[0].tolist()
        [[1.0, 0.0, 2.0], [3.0, 4.0, 5.0]]
    """

    cells: Fixed
    shape: tuple[int, int, int] = eqx.field(static=True)
    periodic: bool = eqx.field(static=True)

    def __init__(self, shape: Sequence[int], cells: ArrayLike, *, periodic: bool = False):
        sizes, places = tuple(int(size) for size in shape), np.asarray(cells)
        if len(sizes) != 3 or min(sizes) < 1:
            raise InputError(f"Grid: expected a shape (channels, lat, lon) of sizes of at least 1, found {sizes}.")
        if places.size == 0:
            raise InputError(f"Grid: a grid of shape {sizes} with no valid cell: there is nothing to model on it.")
        inside = (places >= 0) & (places < np.prod(sizes))
        if places.ndim != 1 or not inside.all() or len(np.unique(places)) != len(places):
            raise InputError(f"Grid: cells must be places from 0 to {np.prod(sizes) - 1}, none of them twice.")
        self.cells = Fixed(jnp.asarray(places, jnp.int32))
        self.shape, self.periodic = sizes, bool(periodic)

    @classmethod
    def of(cls, data: Sequences, *, dims: tuple[str, str] | None = None, periodic: bool | None = None) -> "Grid":
        """The grid of data that came from xarray; every variable, and every further dimension, is a channel.

        Args:
            data: The data, all of whose columns stand on one grid.
            dims: Names of the latitude and the longitude. Default: those named so or measured in degrees north and
                east, else the last two of each variable.
            periodic: Whether the last longitude is beside the first. Default: where longitudes in equal steps go once
                round the globe.

        Raises:
            InputError: The data are no grid, or lie on several.

        Example:
            >>> field = xr.DataArray(np.ones((9, 2, 3)), dims=("time", "lat", "lon"))
            >>> Grid.of(Sequences.from_xarray(field)).shape
            (1, 2, 3)
        """
        schema = data.schema
        if schema.grid is None:
            raise InputError(
                f"Grid.of: these data came as {schema.layout} and have no grid: hand the field over as an xarray "
                "object (Sequences.from_xarray), or say which cells the columns are with Grid.of_mask(valid)."
            )
        channels, place, found = 0, {}, {}
        for entry in schema.grid["variables"]:
            if not set(entry["columns"]) & set(schema.values):
                continue
            names = dims or _dims(schema, entry)
            where, count, found[entry["name"]] = _places(entry, names, schema.time_name)
            place |= dict(zip(entry["columns"], zip(channels + where[0], *where[1:], strict=True), strict=True))
            channels += count
        if len(set(found.values())) > 1:
            raise InputError(
                "Grid.of: the variables are on several grids: "
                + "; ".join(f"{name!r} on {_shown(*grid)}" for name, grid in found.items())
                + ". Bring them to one grid, or take those of one with data.select(columns)."
            )
        names, sizes = next(iter(found.values()))
        cells = np.ravel_multi_index(np.array([place[column] for column in schema.values]).T, (channels, *sizes))
        return cls((channels, *sizes), cells, periodic=_round(schema, names[1]) if periodic is None else periodic)

    @classmethod
    def of_mask(cls, valid: ArrayLike, *, periodic: bool = False) -> "Grid":
        """The grid of the columns `x[..., valid]`.

        Args:
            valid: True at cells that are columns, `(lat, lon)` or `(channel, lat, lon)`.
            periodic: Whether the last longitude is beside the first.

        Raises:
            InputError: Another shape, or no valid cell.
        """
        mask = np.asarray(valid, bool)
        mask = mask[None] if mask.ndim == 2 else mask
        return cls(mask.shape, np.flatnonzero(mask), periodic=periodic)

    @property
    def obs_dim(self) -> int:
        """Number of columns."""
        return self.cells.value.shape[0]

    def field(self, x: Float[Array | np.ndarray, "*rows obs_dim"]) -> Float[Array, "*rows channels lat lon"]:
        """Rows laid out on the grid, 0 on land."""
        x = jnp.asarray(x)
        flat = jnp.zeros((*x.shape[:-1], int(np.prod(self.shape))), x.dtype)
        flat = flat.at[..., self.cells.value].set(x, unique_indices=True)
        return flat.reshape(*x.shape[:-1], *self.shape)

    def columns(self, field: Float[Array | np.ndarray, "*rows channels lat lon"]) -> Float[Array, "*rows obs_dim"]:
        """The columns of fields; what stands on land is left out."""
        return jnp.asarray(field).reshape(*field.shape[:-3], -1)[..., self.cells.value]

    @property
    def valid(self) -> Float[np.ndarray, "channels lat lon"]:
        """1 at cells that are columns, 0 on land."""
        flat = np.zeros(int(np.prod(self.shape)))
        flat[np.asarray(self.cells.value)] = 1.0
        return flat.reshape(self.shape)

    def coarse(self, halvings: int, channels: int = 1) -> "Grid":
        """The grid after halving both sizes (rounded up) some times, valid wherever a cell below it is.

        Args:
            halvings: How many times, 0 for the same resolution.
            channels: Channels of the coarse grid, all valid at the same cells.

        Example:
            >>> Grid.of_mask(np.ones((13, 57))).coarse(2, channels=4).shape
            (4, 4, 15)
        """
        valid = self.valid.any(0)
        for _ in range(halvings):
            lat, lon = valid.shape
            padded = np.pad(valid, ((0, lat % 2), (0, lon % 2)))
            valid = padded.reshape(-(-lat // 2), 2, -(-lon // 2), 2).any((1, 3))
        return Grid.of_mask(np.broadcast_to(valid, (channels, *valid.shape)), periodic=self.periodic)

    def numbers(self, columns: np.ndarray) -> "Grid":
        """The grid of numbers that belong to columns: the k-th number of a column is in the k-th copy of its channel.

        Args:
            columns: The column of every number, each column at least once.
        """
        order = np.argsort(columns, kind="stable")
        count = np.bincount(columns, minlength=self.obs_dim)
        copy = np.empty_like(columns)
        copy[order] = np.arange(len(columns)) - np.repeat(np.cumsum(count) - count, count)
        size = self.shape[1] * self.shape[2]
        channel, cell = np.divmod(np.asarray(self.cells.value)[columns], size)
        kinds, channel = np.unique(copy * self.shape[0] + channel, return_inverse=True)
        return Grid((len(kinds), *self.shape[1:]), channel * size + cell, periodic=self.periodic)


def _dims(schema: Schema, entry: Mapping[str, Any]) -> tuple[str, str]:
    """Latitude and longitude of a variable: by name or unit, else its last two dimensions."""
    space = [dim for dim in entry["dims"] if dim != schema.time_name]
    if len(space) < 2:
        raise InputError(
            f"Grid.of: variable {entry['name']!r} has the dimensions {', '.join(entry['dims'])}: expected two of space "
            "beside the time."
        )
    assert schema.grid is not None
    unit = {c["dims"][0]: c["attrs"].get("units") for c in schema.grid["coords"] if len(c["dims"]) == 1}
    lat = [d for d in space if d.lower() in LATITUDES or unit.get(d) == "degrees_north"]
    lon = [d for d in space if d.lower() in LONGITUDES or unit.get(d) == "degrees_east"]
    return (lat[0], lon[0]) if len(lat) == len(lon) == 1 else (space[-2], space[-1])


def _places(entry: Mapping[str, Any], names: tuple[str, str], time: str) -> tuple[list[np.ndarray], int, tuple]:
    """Channel, latitude and longitude of every column of a variable, its number of channels, and its grid."""
    space = [dim for dim in entry["dims"] if dim != time]
    if not set(names) <= set(space):
        raise InputError(
            f"Grid.of: variable {entry['name']!r} has the dimensions {', '.join(entry['dims'])}, found dims={names!r}."
        )
    sizes = dict(zip(space, entry["shape"], strict=True))
    index = dict(zip(space, np.unravel_index(np.array(entry["cells"]), entry["shape"]), strict=True))
    others = [dim for dim in space if dim not in names]
    shape = tuple(sizes[dim] for dim in others)
    channel = np.ravel_multi_index([index[dim] for dim in others], shape) if others else np.zeros_like(index[names[0]])
    where = [channel, *(index[name] for name in names)]
    return where, int(np.prod(shape)), (names, tuple(sizes[name] for name in names))


def _round(schema: Schema, name: str) -> bool:
    """Whether the longitudes go once round the globe in equal steps."""
    assert schema.grid is not None
    values = next((c["values"] for c in schema.grid["coords"] if c["name"] == name), [])
    named = name.lower() in LONGITUDES or any(
        c["name"] == name and c["attrs"].get("units") == "degrees_east" for c in schema.grid["coords"]
    )
    if not named or len(values) < 2 or np.asarray(values).dtype.kind not in "biuf":
        return False
    steps = np.diff(np.asarray(values, float))
    return bool(np.allclose(steps, steps[0]) and np.isclose(abs(steps[0]) * len(values), 360.0))


def _shown(names: tuple[str, str], sizes: tuple[int, int]) -> str:
    return " x ".join(f"{name} ({size})" for name, size in zip(names, sizes, strict=True))
