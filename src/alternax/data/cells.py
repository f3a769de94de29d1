"""What the columns of a field are: of which variable, and where on the grid."""

import numpy as np
from jaxtyping import Float, Shaped

from alternax.core.errors import InputError
from alternax.data.checks import listed
from alternax.data.schema import Schema

LATITUDES = ("lat", "latitude")


def variables(schema: Schema) -> Shaped[np.ndarray, "obs_dim"]:
    """The variable of every column: of xarray data by name, of other data `value` or `covariate`."""
    if schema.grid is None:
        return np.where(np.isin(schema.values, schema.covariates), "covariate", "value")
    owner = {column: entry["name"] for entry in schema.grid["variables"] for column in entry["columns"]}
    return np.array([str(owner[column]) for column in schema.values])


def coordinate(schema: Schema, name: str) -> Float[np.ndarray, "obs_dim"]:
    """A numeric coordinate of every column, NaN for columns of variables that do not have it.

    Args:
        schema: Schema of xarray data.
        name: Name of the coordinate, such as `lat`.

    Raises:
        InputError: If the data have no such coordinate, or it is no number.
    """
    every = {} if schema.grid is None else {entry["name"]: entry for entry in schema.grid["coords"]}
    if name not in every:
        raise InputError(f"Unknown coordinate {name!r}: expected one of {listed(list(every))}.")
    values = np.array(every[name]["values"])
    if values.dtype.kind not in "biuf":
        raise InputError(f"Coordinate {name!r}: expected numbers, found {values.dtype}.")
    place: dict[str, float] = {}
    for entry in schema.grid["variables"]:
        space = [dim for dim in entry["dims"] if dim != schema.time_name]
        dims = every[name]["dims"]
        if not set(dims) <= set(space):
            continue
        ordered = values.transpose(
            sorted(range(values.ndim), key=lambda i, dims=dims, space=space: space.index(dims[i]))
        )
        shape = [size if dim in dims else 1 for dim, size in zip(space, entry["shape"], strict=True)]
        everywhere = np.broadcast_to(ordered.reshape(shape), entry["shape"]).ravel()
        place |= dict(zip(entry["columns"], everywhere[entry["cells"]], strict=True))
    return np.array([place.get(column, np.nan) for column in schema.values], float)


def area_weights(schema: Schema) -> Float[np.ndarray, "obs_dim"]:
    """Square root of the cosine of the latitude of every column, 1 where there is none.

    A latitude is a coordinate named `lat` or `latitude`, or whose unit is `degrees_north`. With these weights the sum
    of squares over the cells of a regular grid is an integral over the area.

    Example:
        >>> import xarray as xr
        >>> from alternax.data import Sequences
        >>> field = xr.DataArray([[1.0, 2.0]], dims=("time", "lat"), coords={"lat": [0.0, 60.0]})
        >>> area_weights(Sequences.from_xarray(field).schema).round(4)
        array([1.    , 0.7071])
    """
    weights = np.ones(len(schema.values))
    for entry in () if schema.grid is None else schema.grid["coords"]:
        if str(entry["name"]).lower() in LATITUDES or entry["attrs"].get("units") == "degrees_north":
            latitude = coordinate(schema, entry["name"])
            weights = np.where(np.isnan(latitude), weights, np.sqrt(np.cos(np.deg2rad(latitude))))
    return weights
