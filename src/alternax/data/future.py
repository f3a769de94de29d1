"""What is known of the rows ahead: their times and controls, checked against the data they continue."""

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from jaxtyping import Float, Shaped

from alternax.core.errors import InputError
from alternax.data.checks import at_least_one, known, listed
from alternax.data.frame_door import column_numbers, column_times, open_frame
from alternax.data.numpy_door import as_numbers
from alternax.data.sequences import Sequences
from alternax.data.times import parse_times, shown, to_utc


def checked_times(data: Sequences, horizon: int, times: Any) -> Shaped[np.ndarray, "series horizon"]:
    """The next times by the usual step, or those given, which must go on from the data."""
    at_least_one(horizon, "horizon")
    if times is None:
        return data.future_times(horizon)
    parts = list(times) if np.ndim(times) == 2 else [times] * data.series
    if len(parts) != data.series:
        raise InputError(f"times: expected {data.series} series as in the data, found {len(parts)}.")
    dates = data.schema.time_kind == "datetime"
    parsed = [_parse(part, data) for part in parts]
    for stamps in parsed:
        if (stamps.dtype.kind == "M") != dates or len(stamps) != horizon:
            kind = "dates" if dates else "numbers"
            raise InputError(f"times: expected {horizon} future {kind}, found {len(stamps)} of type {stamps.dtype}.")
    ahead = np.stack(parsed).astype(data.times.dtype)
    joined = np.concatenate([data.last_times[:, None], ahead], axis=1)
    backward = np.argwhere(~(joined[:, 1:] > joined[:, :-1]))
    if len(backward):
        series, row = backward[0]
        raise InputError(
            f"times: series {data.schema.ids[series]!r}, future row {row}: "
            f"expected a time after {shown(joined[series, row])}, found {shown(ahead[series, row])}."
        )
    return ahead


def _parse(part: Any, data: Sequences) -> np.ndarray:
    """Future stamps without a zone are meant in the zone of the data."""
    stamps, zone = parse_times(part, "times")
    return to_utc(stamps, data.schema.timezone) if zone is None and stamps.dtype.kind == "M" else stamps


def checked_controls(data: Sequences, times: np.ndarray, controls: Any) -> Float[np.ndarray, "series horizon controls"]:
    """The user's controls at the future times."""
    names, shape = data.schema.controls, (*times.shape, len(data.schema.controls))
    if controls is None:
        if names:
            raise InputError(
                f"The data have controls {listed(names)}: "
                f"pass controls= with their values in the {shape[1]} future rows."
            )
        return np.zeros(shape)
    if not names:
        raise InputError("The data have no controls of their own, but future controls were given.")
    if nw.dependencies.is_into_dataframe(controls):
        found = _from_frame(data, times, controls)
    else:
        array = as_numbers(controls, "controls")
        found = np.broadcast_to(array, shape) if array.shape == shape[1:] else array
    if found.shape != shape:
        either = f"{shape[1:]} or " if data.batched else ""
        expected = f"{either}{shape}" if data.batched else f"{shape[1:]}"
        raise InputError(
            f"controls: expected future rows of shape {expected} (controls {listed(names)}), found {found.shape}."
        )
    bad = np.argwhere(~np.isfinite(found))
    if len(bad):
        series, row, column = bad[0]
        where = f"series {data.schema.ids[series]!r}, future row {row} (time {shown(times[series, row])})"
        raise InputError(f"Control {names[column]!r}, {where}: expected a finite number, found {found[tuple(bad[0])]}.")
    return found


def _from_frame(data: Sequences, times: np.ndarray, frame: Any) -> np.ndarray:
    """Rows of a frame by series and time; without a time column the rows count as the future ones in order."""
    schema = data.schema
    frame = open_frame(frame, schema.time_name)[0]
    for name in schema.controls:
        known(name, frame.columns, "control")
    series, keys = np.zeros(len(frame), int), np.zeros(times.shape, int)
    if data.batched and schema.id_name in frame.columns:
        series = pd.Index(schema.ids).get_indexer(pd.Index(frame[schema.id_name].to_list()))
        keys = np.broadcast_to(np.arange(data.series)[:, None], times.shape)
    stamps, wanted = _stamps(data, frame, times, series)
    table = pd.MultiIndex.from_arrays([series, stamps])
    if table.has_duplicates:
        raise InputError(f"controls: row {table.duplicated().argmax()} repeats the series and time of an earlier row.")
    found = table.get_indexer(pd.MultiIndex.from_arrays([keys.ravel(), wanted.ravel()])).reshape(times.shape)
    absent = np.argwhere(found < 0)
    if len(absent):
        where, row = absent[0]
        raise InputError(
            f"controls: no row for series {schema.ids[where]!r} at future time {shown(times[where, row])}."
        )
    return np.stack([column_numbers(frame[name]) for name in schema.controls], axis=-1)[found]


def _stamps(
    data: Sequences, frame: nw.DataFrame, times: np.ndarray, series: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What to look rows up by: their times, or their order."""
    if data.schema.time_name in frame.columns:
        stamps, zone = column_times(frame, data.schema.time_name)
        local = zone is None and stamps.dtype.kind == "M"
        return to_utc(stamps, data.schema.timezone) if local else stamps, times
    return pd.Series(series).groupby(series).cumcount().to_numpy(), np.broadcast_to(
        np.arange(times.shape[1]), times.shape
    )
