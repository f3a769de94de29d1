"""Scores of forecasts: pure NumPy functions of arrays, missing truth (NaN) left out entry by entry.

`vendi_score` says how varied a collection is.
`alternax.metrics.differentiable` holds the two scores that training minimises, in JAX.
"""

from alternax.metrics.correlation import correlation
from alternax.metrics.coverage import coverage
from alternax.metrics.crps import crps, crps_gaussian
from alternax.metrics.energy_score import energy_score
from alternax.metrics.point import mae, rmse
from alternax.metrics.spread_skill import spread_skill_ratio
from alternax.metrics.vendi import vendi_score

__all__ = [
    "correlation",
    "coverage",
    "crps",
    "crps_gaussian",
    "energy_score",
    "mae",
    "rmse",
    "spread_skill_ratio",
    "vendi_score",
]
