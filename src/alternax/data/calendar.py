"""Controls that every time stamp brings along: hour, weekday, day of the year and month as points on a circle."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Shaped

from alternax.core.errors import InputError
from alternax.data.checks import known
from alternax.data.steps import DAY, Step, month_step, step_duration
from alternax.data.times import to_local

CALENDAR: tuple[str, ...] = ("hour", "weekday", "day_of_year", "month")


def calendar_features(
    times: Shaped[np.ndarray, "*batch time"], names: Sequence[str], *, timezone: str | None = None
) -> Float[np.ndarray, "*batch time features"]:
    """Sine and cosine of the phase of each named cycle, two columns a name, 0 where there is no time stamp.

    Args:
        times: UTC time stamps, datetime64.
        names: Any of `hour` (of the day), `weekday`, `day_of_year`, `month`.
        timezone: Zone whose clock and calendar are meant; UTC if None.

    Raises:
        InputError: For an unknown name, or times that are not dates.

    Example:
        >>> calendar_features(np.array(["2020-01-01T06"], "datetime64[ns]"), ["hour"]).round(6)
        array([[1., 0.]])
    """
    check_calendar(names, "datetime" if times.dtype.kind == "M" else "number")
    if not names:
        return np.zeros((*times.shape, 0))
    index = pd.DatetimeIndex(to_local(times, timezone).ravel())
    angles = 2 * np.pi * np.stack([_phase(index, name) for name in names], axis=-1)
    features = np.stack([np.sin(angles), np.cos(angles)], axis=-1)
    return np.nan_to_num(features.reshape(*times.shape, 2 * len(names)))


def calendar_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names of the columns of `calendar_features`."""
    return tuple(f"{name}_{part}" for name in names for part in ("sin", "cos"))


def check_calendar(names: Sequence[str], time_kind: str) -> None:
    """Refuse unknown features, and any feature of times that are not dates."""
    for name in names:
        known(name, CALENDAR, "calendar feature")
    if names and time_kind != "datetime":
        raise InputError(
            f"Calendar features {list(names)} need dates, but the times are numbers: pass time stamps or calendar=()."
        )


def default_calendar(step: Step) -> tuple[str, ...]:
    """The cycles that data of this usual step can follow."""
    if not isinstance(step, str):
        return ()
    months = month_step(step)
    if months is not None:
        return ("month",) if months[0] < 12 else ()
    length = DAY if step == "B" else step_duration(step)
    if length < DAY:
        return ("hour", "weekday")
    if length < 7 * DAY:
        return ("weekday", "day_of_year")
    return ("day_of_year",) if length < 360 * DAY else ()


def _phase(index: pd.DatetimeIndex, name: str) -> np.ndarray:
    """Place in the cycle, from 0 to below 1."""
    if name == "weekday":
        return index.day_of_week.to_numpy(float) / 7
    if name == "month":
        return (index.month.to_numpy(float) - 1) / 12
    day = ((index - index.normalize()) / pd.Timedelta(1, "D")).to_numpy(float)
    if name == "hour":
        return day
    length = np.where(index.is_leap_year, 366.0, 365.0)
    return (index.day_of_year.to_numpy(float) - 1 + day) / length
