"""Data in and out: the container, its doors, calendar features."""

from alternax.data.calendar import CALENDAR, calendar_features, default_calendar
from alternax.data.output import to_frame, to_xarray
from alternax.data.schema import KINDS, Schema
from alternax.data.sequences import Sequences

__all__ = ["CALENDAR", "KINDS", "Schema", "Sequences", "calendar_features", "default_calendar", "to_frame", "to_xarray"]
