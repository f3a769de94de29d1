"""Arrays back into frames and xarray, in the layout that the schema remembers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
import pandas as pd
from jaxtyping import Float, Shaped

from alternax.core.errors import InputError
from alternax.data.checks import known
from alternax.data.schema import Schema
from alternax.data.times import WHOLE, in_zone

if TYPE_CHECKING:
    from alternax.data.sequences import Sequences


def to_frame(
    values: Float[np.ndarray, "series time columns"],
    times: Shaped[np.ndarray, "series time"],
    schema: Schema,
    batched: bool,
    *,
    columns: Sequence[str] | None = None,
) -> Any:
    """A frame of the library the data came in: time and one column a feature, several series one below the other.

    Args:
        values: Numbers, NaN where missing.
        times: UTC time stamps or numbers; rows without one (padding) are left out.
        schema: Layout and names.
        batched: Whether to write a column of series identities.
        columns: Names of the last axis; `schema.values` if None.
    """
    columns = schema.values if columns is None else tuple(columns)
    _check_shapes(values, times, schema, columns)
    present = ~np.isnan(times) if times.dtype.kind == "f" else ~np.isnat(times)
    series, _ = np.nonzero(present)
    flat = values[present]
    table: dict[str, Any] = {}
    if batched or len(values) > 1:
        ids = np.array(schema.ids, dtype=None if all(isinstance(i, int) for i in schema.ids) else object)
        table[schema.id_name] = ids[series]
    table[schema.time_name] = _time_column(times[present], schema)
    table |= {name: flat[:, i] for i, name in enumerate(columns)}
    return _polars(table, schema) if schema.backend == "polars" else _pandas(table, schema)


def with_classes(frame: Any, data: "Sequences") -> Any:
    """A frame that `to_frame` made of a `Sequences`, and the column of the classes of its series."""
    table = nw.from_native(frame, eager_only=True)
    classes = [None if number < 0 else data.schema.classes[number] for number in data.labels]
    cells = [name for name, rows in zip(classes, data.lengths, strict=True) for _ in range(rows)]
    kind = nw.Int64 if data.schema.classes and isinstance(data.schema.classes[0], int) else nw.String
    column = nw.new_series(data.schema.label_name, cells, kind, backend=table.implementation)
    return table.with_columns(column).to_native()


def to_xarray(
    values: Float[np.ndarray, "*sample series time columns"],
    times: Shaped[np.ndarray, "series time"],
    schema: Schema,
    batched: bool,
    *,
    columns: Sequence[str] | None = None,
) -> Any:
    """Dimensions `(sample, series, time, feature)`, or those of the xarray data it came from, land cells restored.

    Args:
        values: Numbers, NaN where missing, with or without a leading axis of samples.
        times: UTC time stamps or numbers.
        schema: Layout and names.
        batched: Whether to keep the axis of series.
        columns: Names of the last axis; `schema.values` if None.
    """
    columns = schema.values if columns is None else tuple(columns)
    _check_shapes(values, times, schema, columns)
    lead = (("sample",) if values.ndim == 4 else ()) + (("series",) if batched else ())
    values, stamps = (values, times) if batched else (values[..., 0, :, :], times[:1])
    coords = {"series": list(schema.ids)} if batched else {}
    coords |= _time_coordinates(stamps, schema)
    if schema.grid is None:
        import xarray as xr

        return xr.DataArray(
            values, dims=(*lead, schema.time_name, "feature"), coords=coords | {"feature": list(columns)}
        )
    return _on_grid(values, lead, coords, schema, columns)


def _check_shapes(values: np.ndarray, times: np.ndarray, schema: Schema, columns: tuple[str, ...]) -> None:
    expected = (len(schema.ids), times.shape[-1], len(columns))
    if values.ndim not in (3, 4) or values.shape[-3:] != expected or times.shape != expected[:2]:
        raise InputError(
            f"Expected values of shape (series, time, columns) = {expected}, "
            f"found {values.shape} with times {times.shape}."
        )


def _time_column(times: np.ndarray, schema: Schema) -> Any:
    if times.dtype.kind == "M":
        return in_zone(times, schema.timezone)
    whole = isinstance(schema.step, int) and ((times == np.rint(times)) & (np.abs(times) <= WHOLE)).all()
    return times.astype(np.int64) if whole else times


def _pandas(table: dict[str, Any], schema: Schema) -> pd.DataFrame:
    frame = pd.DataFrame(table)
    return frame.set_index(schema.time_name) if schema.time_in_index else frame


def _polars(table: dict[str, Any], schema: Schema) -> Any:
    import polars as pl

    time = table[schema.time_name]
    if isinstance(time, pd.DatetimeIndex):
        bare = time if time.tz is None else time.tz_convert("UTC").tz_localize(None)
        table = table | {schema.time_name: bare.to_numpy()}
    frame = pl.DataFrame(
        {name: column if column.dtype.kind != "O" else column.tolist() for name, column in table.items()}
    )
    frame = frame.with_columns(pl.selectors.float().fill_nan(None))
    if schema.timezone is None:
        return frame
    zone = schema.timezone if not schema.timezone.startswith("UTC") else "UTC"  # polars knows no other fixed offset
    return frame.with_columns(pl.col(schema.time_name).dt.replace_time_zone("UTC").dt.convert_time_zone(zone))


def _time_coordinates(times: np.ndarray, schema: Schema) -> dict[str, Any]:
    """One time axis if the series share it, otherwise the times of each series as a second coordinate."""
    missing = np.isnat(times) if times.dtype.kind == "M" else np.isnan(times)
    if (times[0] == times).all() and not missing.any():
        return {schema.time_name: _naive(_time_column(times[0], schema))}
    stamps = _naive(_time_column(times.ravel(), schema)).reshape(times.shape)
    return {"times": (("series", schema.time_name), stamps)}


def _naive(stamps: Any) -> np.ndarray:
    """Wall-clock time, as xarray knows no time zones."""
    return stamps.tz_localize(None).to_numpy() if isinstance(stamps, pd.DatetimeIndex) else np.asarray(stamps)


def _on_grid(
    values: np.ndarray, lead: tuple[str, ...], coords: dict[str, Any], schema: Schema, columns: tuple[str, ...]
) -> Any:
    import xarray as xr

    grid, place = schema.grid, {name: i for i, name in enumerate(columns)}
    available = dict.fromkeys(schema.values)
    for name in columns:
        known(name, available, "column")
    variables = {}
    for entry in grid["variables"]:
        cells = [
            (place[name], cell) for name, cell in zip(entry["columns"], entry["cells"], strict=True) if name in place
        ]
        if not cells:
            continue
        source, target = np.array(cells).T
        full = np.full((*values.shape[:-1], int(np.prod(entry["shape"]))), np.nan)
        full[..., target] = values[..., source]
        space = tuple(dim for dim in entry["dims"] if dim != schema.time_name)
        array = xr.Variable(
            (*lead, schema.time_name, *space), full.reshape(*values.shape[:-1], *entry["shape"]), entry["attrs"]
        )
        variables[entry["name"]] = array.transpose(*lead, *entry["dims"])
    coords = coords | {
        c["name"]: (tuple(c["dims"]), np.array(c["values"], dtype=c["dtype"]), c["attrs"]) for c in grid["coords"]
    }
    if schema.time_name in coords:
        coords[schema.time_name] = (schema.time_name, coords[schema.time_name], grid["time_attrs"])
    if grid["dataset"]:
        return xr.Dataset(variables, coords, grid["attrs"])
    (variable,) = variables.values()
    return xr.DataArray(variable, coords=coords, name=grid["name"])
