"""Which columns a result reports, and how its statistics become long frames."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from alternax.core.errors import InputError
from alternax.data.checks import as_names
from alternax.data.output import to_frame, to_xarray
from alternax.data.schema import Schema


def drop_covariates(result: Any, *arrays: str) -> None:
    """Leave out covariates from the schema and from the last axis of these fields of a result under construction."""
    schema = result.schema
    if schema.covariates:
        kept = schema.positions(schema.scored)
        for name in arrays:
            object.__setattr__(result, name, getattr(result, name)[..., kept])
        object.__setattr__(result, "schema", schema.select(schema.scored))


def drop_padding(result: Any, *arrays: str) -> None:
    """NaN on the padding rows `(..., series, time, column)` of these fields of a result under construction."""
    if not result.valid.all():
        for name in arrays:
            object.__setattr__(result, name, np.where(result.valid[..., None], getattr(result, name), np.nan))


def drop_series_axis(result: Any, *arrays: str, ndim: int) -> None:
    """Remove the series axis from these fields of a result of one unbatched series, if they still have it."""
    if not result.batched:
        for name in arrays:
            array = getattr(result, name)
            object.__setattr__(result, name, array[0] if np.ndim(array) == ndim else array)


def with_series(array: np.ndarray) -> np.ndarray:
    """`(series, time, column)`, of one unbatched series too."""
    return array if array.ndim == 3 else array[None]


def named(schema: Schema, names: Sequence[str]) -> Schema:
    """The schema of other columns at the same times."""
    return replace(schema, values=tuple(names), kinds=("real",) * len(names), covariates=(), grid=None)


def positions(schema: Schema, columns: str | Sequence[str] | None, most: int) -> list[int]:
    """Columns asked for, one or several, or the first few."""
    return list(range(min(len(schema.values), most))) if columns is None else schema.positions(as_names(columns))


def series_position(schema: Schema, series: int) -> int:
    """The position of a series, checked."""
    if not -len(schema.ids) <= series < len(schema.ids):
        raise InputError(f"series must be a position below {len(schema.ids)}, found {series}")
    return series


def shown_rows(schema: Schema, valid: np.ndarray, series: int, rows: slice) -> tuple[int, np.ndarray]:
    """The position of a series, checked, and those of its rows that a picture shows: a slice of the valid ones."""
    series = series_position(schema, series)
    return series, np.flatnonzero(valid[series])[rows]


def as_xarray(values: np.ndarray, times: np.ndarray, schema: Schema, batched: bool) -> Any:
    """Values in the xarray layout of the data, without the coordinates that only covariates had."""
    import xarray as xr

    data = to_xarray(values, times, schema, batched)
    if not isinstance(data, xr.Dataset):
        return data
    used = {dim for variable in data.data_vars.values() for dim in variable.dims}
    return data.drop_vars([name for name, coord in data.coords.items() if not used.issuperset(coord.dims)])


def long_frame(
    statistics: Mapping[str, np.ndarray],
    times: np.ndarray,
    schema: Schema,
    batched: bool,
    *,
    keep: np.ndarray | None = None,
) -> Any:
    """A frame with one row a series, time and feature and one column a statistic, in the frame library of the data.

    Args:
        statistics: Arrays `(series, time, feature)`.
        times: `(series, time)`, NaT or NaN on padding.
        schema: Names of the features.
        batched: Whether to write the series' identities.
        keep: Entries to write, `(series, time, feature)`; default all.
    """
    import narwhals as nw

    shape = (*times.shape, len(schema.values))
    stamps = np.broadcast_to(times[..., None], shape)
    if keep is not None:
        stamps = np.where(keep, stamps, np.array("NaT" if times.dtype.kind == "M" else np.nan, times.dtype))
    values = np.stack([statistics[name] for name in statistics], axis=-1).reshape(shape[0], -1, len(statistics))
    plain = replace(schema, time_in_index=False)
    frame = to_frame(values, stamps.reshape(shape[0], -1), plain, batched, columns=tuple(statistics))
    table = nw.from_native(frame, eager_only=True)
    features = np.broadcast_to(np.array(schema.values, object), shape)[~_missing(stamps)].tolist()
    column = nw.new_series("feature", features, nw.String, backend=table.implementation)
    before = [name for name in table.columns if name not in statistics]
    return table.with_columns(column).select(*before, "feature", *statistics).to_native()


def _missing(times: np.ndarray) -> np.ndarray:
    return np.isnat(times) if times.dtype.kind == "M" else np.isnan(times)
