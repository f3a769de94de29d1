"""The usual step of a data set, elapsed time in its units, and the times that follow.

A step is a number, or a pandas frequency alias: `MS` or `ME` for calendar months (each counts as 1, however long), `B`
for business days, otherwise a fixed duration such as `h`, `15min`, `D` or `7D`. One alias is ours: `MM` for calendar
months that are stamped at their middles.
"""

import re

import numpy as np
import pandas as pd

from alternax.core.errors import InputError
from alternax.data.times import shown, to_local, to_utc

Step = str | float | int | None
DAY = np.timedelta64(1, "D").astype("timedelta64[ns]")
UNITS = {"D": 86400 * 10**9, "h": 3600 * 10**9, "min": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
WANDER = 0.15  # of a month: stamps on the 15th or 16th are one month apart, whatever the months' lengths


def infer_step(times: np.ndarray, follows: np.ndarray, timezone: str | None = None) -> Step:
    """The usual step of flat times; `follows[i]` says that row i + 1 continues the series of row i."""
    if not follows.any():
        return None if times.dtype.kind == "M" else 1
    if times.dtype.kind != "M":
        return _usual(np.diff(times)[follows]).item()
    local = to_local(times, timezone)
    months = _infer_months(local, follows)
    if months is not None:
        return months
    step = _usual(np.diff(times)[follows].astype(np.int64))
    if step >= DAY.astype(np.int64):
        step = _usual(np.diff(local)[follows].astype(np.int64))
    weekdays = np.is_busday(local.astype("datetime64[D]")).all() and len(times) > 5
    return "B" if step == DAY.astype(np.int64) and weekdays else _alias(int(step))


def _alias(nanoseconds: int) -> str:
    unit = next(unit for unit, size in UNITS.items() if nanoseconds % size == 0)
    count = nanoseconds // UNITS[unit]
    return unit if count == 1 else f"{count}{unit}"


def _usual(differences: np.ndarray) -> np.generic:
    """The most frequent difference, or the (lower) median where none is frequent."""
    values, counts = np.unique(differences, return_counts=True)
    frequent = counts.max() > max(1, 0.3 * len(differences))
    return values[counts.argmax()] if frequent else np.sort(differences)[(len(differences) - 1) // 2]


def _infer_months(local: np.ndarray, follows: np.ndarray) -> str | None:
    """Calendar months: one stamp a month at most, always at nearly the same place in the month."""
    if np.diff(local)[follows].min() < 27 * DAY:
        return None
    days = np.diff(local)[follows] / DAY
    anchor = _month_anchor(local)
    place = _month_position(local, anchor)
    change = np.diff(place)[follows]
    steady = np.abs(change - np.rint(change)).max() < WANDER
    shortest = days.min()  # multiples of one duration are no months, which are never equally long for long
    fixed = (days % shortest == 0).all() and (shortest % 7 == 0 or (len(days) > 2 and shortest < 360)) and len(days) > 1
    months = int(_usual(np.rint(change)))
    return None if fixed or not steady else f"{'' if months == 1 else months}M{anchor}"


def _month_anchor(local: np.ndarray) -> str:
    """Whether all stamps are ends (`E`) or exact middles (`M`) of months, or neither (`S`)."""
    day = local.astype("datetime64[D]")
    if ((day + 1).astype("datetime64[M]") > day.astype("datetime64[M]")).all():
        return "E"
    return "M" if (_month_position(local, "M") % 1 == 0.5).all() else "S"


def _month_position(local: np.ndarray, anchor: str) -> np.ndarray:
    """Months since 1970 as a float; month ends are counted as the beginning of the next month."""
    local = local + DAY if anchor == "E" else local
    month = local.astype("datetime64[M]")
    start, stop = month.astype("datetime64[ns]"), (month + 1).astype("datetime64[ns]")
    return np.where(np.isnat(month), np.nan, month.astype(np.int64) + (local - start) / (stop - start))


def month_step(step: Step) -> tuple[int, str] | None:
    """Calendar months in a step and their anchor: `S`, `M` or `E`; None if the step is of another make."""
    match = re.fullmatch(r"(\d*)M([SME])", step) if isinstance(step, str) else None
    return (int(match[1] or 1), match[2]) if match else None


def step_duration(step: str) -> np.timedelta64:
    """Length of a step of fixed duration."""
    return np.timedelta64(pd.Timedelta(step if step[0].isdigit() else f"1{step}").value, "ns")


def elapsed(times: np.ndarray, step: Step, timezone: str | None = None) -> np.ndarray:
    """Time since the previous row `(..., time)` in units of the step; 1 in the first row and on padding."""
    out = np.ones(times.shape)
    out[..., 1:] = np.nan_to_num(_differences(times, step, timezone), nan=1.0)
    return out


def _differences(times: np.ndarray, step: Step, timezone: str | None) -> np.ndarray:
    if step is None:
        return np.ones((*times.shape[:-1], times.shape[-1] - 1))
    if times.dtype.kind != "M":
        return np.diff(times) / step
    months = month_step(step)
    if months is not None:
        count, anchor = months
        change = np.diff(_month_position(to_local(times, timezone), anchor))
        whole = np.rint(change)
        return np.where((np.abs(change - whole) < WANDER) & (whole >= 1), whole, change) / count
    if step == "B":
        return _business_days(to_local(times, timezone))
    length = step_duration(step)
    return np.diff(times if length < DAY else to_local(times, timezone)) / length


def _business_days(local: np.ndarray) -> np.ndarray:
    present = ~np.isnat(local)
    filled = np.where(present, local, np.datetime64(0, "ns"))
    day = filled.astype("datetime64[D]")
    count = np.busday_count(day[..., :-1], day[..., 1:]) + np.diff((filled - day) / DAY)
    return np.where(present[..., 1:] & present[..., :-1], count, np.nan)


def following(last: np.ndarray, horizon: int, step: Step, timezone: str | None = None) -> np.ndarray:
    """The `horizon` times after each of `last`, `(..., horizon)`."""
    if step is None:
        raise InputError("The usual step cannot be told from a single time stamp: pass the future times.")
    try:
        with np.errstate(over="ignore"):
            ahead = _ahead(last, horizon, step, timezone)
        # Dates wrap around at the end of their range, and large numbers stop growing.
        onward = (ahead > np.concatenate([last[..., None], ahead[..., :-1]], axis=-1)).all() and np.isfinite(
            ahead
        ).all()
    except (pd.errors.OutOfBoundsDatetime, OverflowError):
        onward = False
    if not onward:
        limit = "the year 2261" if last.dtype.kind == "M" else "what numbers can tell apart"
        raise InputError(f"The {horizon} rows after {shown(last.max())} at the usual step {step} reach beyond {limit}.")
    return ahead


def _ahead(last: np.ndarray, horizon: int, step: Step, timezone: str | None) -> np.ndarray:
    ahead = np.arange(1, horizon + 1)
    if last.dtype.kind != "M":
        return last[..., None] + ahead * step
    months = month_step(step)
    if months is None and step != "B" and step_duration(step) < DAY:
        return last[..., None] + ahead * step_duration(step)
    local = to_local(last, timezone)[..., None]
    if months is not None:
        count, anchor = months
        return to_utc(_months_later(local, ahead * count, anchor), timezone)
    if step != "B":
        return to_utc(local + ahead * step_duration(step), timezone)
    day = local.astype("datetime64[D]")
    moved = np.busday_offset(np.where(np.isnat(day), np.datetime64(0, "D"), day), ahead, roll="backward")
    return to_utc(moved.astype("datetime64[ns]") + (local - day), timezone)


def _months_later(local: np.ndarray, months: np.ndarray, anchor: str) -> np.ndarray:
    """The same place, so many calendar months later; the 31st becomes the last day of a shorter month."""
    month = local.astype("datetime64[M]")
    day_of_month = local.astype("datetime64[D]") - month.astype("datetime64[D]")
    clock = local - local.astype("datetime64[D]")
    target = month + months
    last_day = (target + 1).astype("datetime64[D]") - target.astype("datetime64[D]") - 1
    if anchor == "M":
        start, stop = target.astype("datetime64[ns]"), (target + 1).astype("datetime64[ns]")
        return start + (stop - start) // 2
    day = last_day if anchor == "E" else np.minimum(day_of_month, last_day)
    return (target.astype("datetime64[D]") + day).astype("datetime64[ns]") + clock
