"""Figures from plain arrays: matplotlib `Figure` objects, made without pyplot, a window or any global state."""

from alternax.plots.calibration import calibration
from alternax.plots.fan_chart import fan_chart
from alternax.plots.map_grid import map_grid
from alternax.plots.skill_curve import skill_curve

__all__ = ["calibration", "fan_chart", "map_grid", "skill_curve"]
