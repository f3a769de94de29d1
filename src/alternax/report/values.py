"""Numbers, times and names as the page writes them."""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from alternax.data.schema import Schema
from alternax.data.times import to_local

DIGITS = 7
NONE = "–"
_LONGEST = 28


def numbers(values: Any) -> list[Any]:
    """An array as nested lists for a chart: seven significant digits, None where it is not finite."""
    values = np.asarray(values, float)
    if values.ndim > 1:
        return [numbers(row) for row in values]
    return [float(f"{v:.{DIGITS}g}") if np.isfinite(v) else None for v in values.tolist()]


def stamps(times: np.ndarray, schema: Schema) -> list[Any]:
    """Times for the axis of a chart: dates on the data's own clock as ISO text, or numbers."""
    if times.dtype.kind != "M":
        return numbers(times)
    local = to_local(times, schema.timezone)
    whole_days = (local[~np.isnat(local)] == local[~np.isnat(local)].astype("datetime64[D]")).all()
    unit = "D" if whole_days else "s" if (local == local.astype("datetime64[s]")).all() else "ms"
    return np.datetime_as_string(local.astype(f"datetime64[{unit}]"), unit=unit).tolist()


def stamp(time: Any, schema: Schema) -> str:
    """One time in words."""
    text = stamps(np.array([time]), schema)[0]
    return f"{text:g}" if isinstance(text, float) else str(text).replace("T", " ")


def time_axis(schema: Schema) -> dict[str, Any]:
    """The horizontal axis of time."""
    if schema.time_kind == "datetime":
        zone = {"title": {"text": plotly(schema.timezone), "standoff": 4}} if schema.timezone else {}
        return {"type": "date", "nticks": 6} | zone
    name = "row" if schema.time_kind == "index" else schema.time_name
    return {"type": "linear", "title": {"text": plotly(name), "standoff": 4}, "nticks": 6}


def number(value: float, digits: int = 4) -> str:
    """A number of a table; a dash where there is none."""
    if not np.isfinite(value):
        return NONE
    # Thousands in full, so that a column of a table is read at a glance.
    return f"{value:,.0f}" if 10 ** (digits - 1) <= abs(value) < 1e7 else f"{value:#.{digits}g}".rstrip(".")


def percent(share: float, digits: int = 1) -> str:
    """A share in per cent."""
    return f"{100 * share:.{digits}f} %" if np.isfinite(share) else NONE


def plotly(name: Any) -> str:
    """A name as a text of plotly, which reads tags and entities: written such that it shows literally."""
    return escape(cut(str(name)))


def cut(name: str) -> str:
    """A long name with its middle left out."""
    if len(name) <= _LONGEST:
        return name
    half = (_LONGEST - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def some(names: Sequence[Any], most: int = 8) -> str:
    """The first names, and how many there are."""
    text = ", ".join(str(name) for name in names[:most])
    return f"{text}, … ({len(names)} in all)" if len(names) > most else text


def evenly(count: int, most: int) -> list[int]:
    """At most so many of `range(count)`, evenly spaced, the first and the last among them."""
    return sorted(set(np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()))
