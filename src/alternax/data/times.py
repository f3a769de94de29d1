"""Time stamps of any make as UTC nanoseconds or numbers, and back to the zone they were written in."""

import re
import warnings
from collections.abc import Sequence
from datetime import date, tzinfo
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from alternax.core.errors import InputError

DATED = re.compile(r"\d.*\D.*\d")  # at least two numbers
AMBIGUOUS = re.compile(r"^\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}")
CLOCK = re.compile(r"^\s*T?\d{1,2}:\d\d")  # no date: pandas would take today's
DECIMAL_COMMA = re.compile(r"^\s*[+-]?[\d. ]*\d,\d+\s*$")
OFFSET = re.compile(r"(:\d\d|T\d\d)[\d:.,]*\s*([AP]M\s*)?(Z|UTC|GMT|[+-]\d\d(:?\d\d)?)\s*$", re.IGNORECASE)
ZONE_NAME = re.compile(r"[\w/+:-]+")  # no path and no `tzlocal()`, which another machine reads otherwise
CLOCKS = pd.DatetimeIndex(["2024-01-01", "2024-07-01"], tz="UTC")  # where two zones show that they differ
EARLIEST, LATEST = np.datetime64("1678-01-01", "ns"), np.datetime64("2262-01-01", "ns")
WHOLE = 2**53  # whole numbers beyond are no longer told apart in float64


def parse_times(values: Any, what: str) -> tuple[np.ndarray, str | None]:
    """One-dimensional time stamps as datetime64[ns] in UTC or as numbers, and the name of their zone.

    Missing stamps stay NaT or NaN, for the caller to refuse.
    """
    if isinstance(values, pd.Series | pd.Index) and isinstance(values.dtype, pd.PeriodDtype):
        values = pd.PeriodIndex(values).to_timestamp()
    array = values if isinstance(values, pd.DatetimeIndex) else _as_array(values)
    if array.ndim != 1:
        raise InputError(f"{what}: expected a one-dimensional list of time stamps, found shape {array.shape}.")
    if isinstance(array, np.ndarray) and array.dtype.kind in "iuf":
        return _numbers(array, what), None
    index = array if isinstance(array, pd.DatetimeIndex) else _to_datetime(array, what)
    zone = None if index.tz is None else _zone_name(index.tz, what)
    return _nanoseconds(index if zone is None else index.tz_convert("UTC").tz_localize(None), what), zone


def shared_zone(zones: Sequence[str | None], what: str) -> str | None:
    """The zone of several series: their own if it is the same, UTC where zones differ."""
    if None in zones and any(zones):
        raise InputError(f"{what}: expected time stamps with a zone in all series or in none, found both.")
    return zones[0] if len(set(zones)) == 1 else "UTC"


def _numbers(array: np.ndarray, what: str) -> np.ndarray:
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return array.astype(np.float64)
    large = (array > WHOLE) | (array < -WHOLE)
    if large.any():
        raise InputError(
            f"{what}: expected whole numbers up to 2**53, found {array[large.argmax()]}; "
            "if these count nanoseconds (or the like) since 1970, convert them with pandas.to_datetime(..., unit='ns')."
        )
    return array.astype(np.int64)


def _zone_name(zone: tzinfo, what: str) -> str:
    """The name that finds the zone again when it is read from a file."""
    try:
        found = CLOCKS.tz_convert(str(zone)) if ZONE_NAME.fullmatch(str(zone)) else None
    except (ValueError, KeyError, OSError, TypeError):
        found = None
    if found is None or not found.tz_localize(None).equals(CLOCKS.tz_convert(zone).tz_localize(None)):
        raise InputError(
            f"{what}: the time zone {zone!r} has no name that could be written down: "
            "convert the stamps to one that has, such as 'Europe/Berlin' or 'UTC'."
        )
    return str(zone)


def _as_array(values: Any) -> np.ndarray | pd.DatetimeIndex:
    if isinstance(values, pd.Series) and isinstance(values.dtype, pd.DatetimeTZDtype):
        return pd.DatetimeIndex(values)
    array = np.asarray(values)
    return array if array.dtype.kind in "iufM" else np.asarray(values, dtype=object)


def _to_datetime(array: np.ndarray, what: str) -> pd.DatetimeIndex:
    """Parse; text in which day and month could be exchanged is read only if one order is possible."""
    first = next((v for v in array if not pd.isna(v)), None)
    if isinstance(first, bool | np.bool_ | int | float):
        raise InputError(f"{what}: expected time stamps or numbers, found a mixture that starts with {first!r}.")
    if isinstance(first, str) and CLOCK.match(first):
        raise InputError(f"{what}: {first!r} is a time of day without a date; put the date before it.")
    parsed = _try_parse(array)
    if parsed is not None and parsed.tz is not None:
        _refuse_zoneless(array, parsed, what)
    if isinstance(first, str) and AMBIGUOUS.match(first):
        day_first = _try_parse(array, dayfirst=True)
        if parsed is not None and day_first is not None and not parsed.equals(day_first):
            raise InputError(
                f"{what}: {first!r} may have the month or the day first; "
                "convert the column with pandas.to_datetime(..., format=...)."
            )
        parsed = day_first if parsed is None else parsed
    if parsed is None:
        raise InputError(
            f"{what}: cannot read {_first_unreadable(array)!r} as a time stamp; "
            "convert the column with pandas.to_datetime."
        )
    return parsed


def _refuse_zoneless(array: np.ndarray, parsed: pd.DatetimeIndex, what: str) -> None:
    """Beside stamps with a zone, one without would be taken for UTC."""
    naive = ~parsed.isna() & np.fromiter((not _has_zone(value) for value in array), bool, len(array))
    if naive.any():
        raise InputError(
            f"{what}: expected a zone in all time stamps or in none, but row {naive.argmax()}, "
            f"{str(array[naive.argmax()])!r}, has none: add its offset, such as +00:00."
        )


def _has_zone(value: Any) -> bool:
    return bool(OFFSET.search(value)) if isinstance(value, str) else getattr(value, "tzinfo", None) is not None


def _try_parse(array: np.ndarray, dayfirst: bool = False) -> pd.DatetimeIndex | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for utc, form in product((False, True), (None, "ISO8601")):  # offsets that change parse only as UTC
            try:
                parsed = pd.to_datetime(array, dayfirst=dayfirst, utc=utc, format=form)
            except (ValueError, TypeError, OverflowError):
                continue
            if isinstance(parsed, pd.DatetimeIndex):
                return parsed
    return None


def _first_unreadable(array: np.ndarray) -> Any:
    parsed = pd.to_datetime(pd.Series(array, dtype=object), errors="coerce", format="mixed", utc=True)
    bad = parsed.isna().to_numpy() & ~pd.isna(array)
    return array[bad.argmax()] if bad.any() else array[0]


def looks_like_times(values: Any) -> bool:
    """Whether a column of objects or text holds time stamps: the first entries decide quickly, then all must parse."""
    array = np.asarray(values, dtype=object)
    array = array[~pd.isna(array)]
    first = array[:5]
    if len(first) == 0 or not all(isinstance(v, date) or (isinstance(v, str) and _may_be_dated(v)) for v in first):
        return False
    return all(any(_try_parse(part, day_first) is not None for day_first in (False, True)) for part in (first, array))


def _may_be_dated(text: str) -> bool:
    return bool(DATED.search(text)) and not (CLOCK.match(text) or DECIMAL_COMMA.match(text))


def _nanoseconds(index: pd.DatetimeIndex, what: str) -> np.ndarray:
    bounds = f"{what}: time stamps must lie between the years 1678 and 2261"
    try:
        stamps = index.as_unit("ns").to_numpy()
    except (pd.errors.OutOfBoundsDatetime, OverflowError) as error:
        raise InputError(f"{bounds}: {error}.") from error
    outside = (stamps < EARLIEST) | (stamps >= LATEST)
    if outside.any():
        raise InputError(f"{bounds}: found {shown(stamps[outside.argmax()])} in row {outside.argmax()}.")
    return stamps


def to_local(times: np.ndarray, zone: str | None) -> np.ndarray:
    """Wall-clock times in the zone, of UTC times of any shape."""
    if zone is None:
        return times
    index = pd.DatetimeIndex(times.ravel()).tz_localize("UTC").tz_convert(zone).tz_localize(None)
    return index.as_unit("ns").to_numpy().reshape(times.shape)


def to_utc(times: np.ndarray, zone: str | None) -> np.ndarray:
    """UTC times of wall-clock times; hours that do not exist move forward, doubled ones are the later."""
    if zone is None:
        return times
    later = np.zeros(times.size, bool)
    index = pd.DatetimeIndex(times.ravel()).tz_localize(zone, ambiguous=later, nonexistent="shift_forward")
    return index.tz_convert("UTC").tz_localize(None).as_unit("ns").to_numpy().reshape(times.shape)


def in_zone(times: np.ndarray, zone: str | None) -> pd.DatetimeIndex:
    """UTC times as a pandas index in their zone, in the unit that pandas reads dates in unless that loses some."""
    index = pd.DatetimeIndex(times)
    coarse = index.as_unit(pd.DatetimeIndex(["2000-01-01"]).unit)
    index = coarse if ((coarse == index) | index.isna()).all() else index
    return index if zone is None else index.tz_localize("UTC").tz_convert(zone)


def shown(time: np.datetime64 | float) -> str:
    """A time stamp in an error message."""
    if not isinstance(time, np.datetime64):
        return f"{time:g}"
    return str(pd.Timestamp(time)).removesuffix(" 00:00:00")


def parse_time(value: Any, zone: str | None) -> np.datetime64:
    """One time stamp as UTC; without a zone of its own it is meant in `zone`."""
    try:
        stamp = pd.Timestamp(value)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"Cannot read {value!r} as a time stamp: expected something like '2012-01' or a datetime."
        ) from error
    if stamp is pd.NaT:
        raise InputError(f"Cannot read {value!r} as a time stamp: it is a missing one.")
    if stamp.tz is None and zone is not None:
        stamp = stamp.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
        if stamp is pd.NaT:
            raise InputError(
                f"{value!r} is no single instant in the zone {zone}, whose clock changes there: "
                f"add the offset, such as '{value}+00:00'."
            )
    try:
        return (stamp if stamp.tz is None else stamp.tz_convert("UTC").tz_localize(None)).as_unit("ns").to_datetime64()
    except pd.errors.OutOfBoundsDatetime as error:
        raise InputError(f"{value!r}: time stamps must lie between the years 1678 and 2261.") from error
