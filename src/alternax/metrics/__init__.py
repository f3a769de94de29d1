"""Scores of forecasts: pure NumPy functions of arrays, missing truth (NaN) left out entry by entry.

`vendi_score` says how varied a collection is. `attractor_distance`, `spectrum_distance` and `largest_lyapunov` judge
long trajectories that a model generates freely, where errors row by row mean nothing any more: the places visited, the
rhythms, and how fast close states part; the last is in JAX, as it differentiates a map.
`alternax.metrics.differentiable` holds the two scores that training minimises, in JAX.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from alternax.metrics.attractor import attractor_distance
from alternax.metrics.correlation import correlation
from alternax.metrics.coverage import coverage
from alternax.metrics.crps import crps, crps_gaussian
from alternax.metrics.energy_score import energy_score
from alternax.metrics.point import mae, r2, rmse
from alternax.metrics.spectrum import spectrum_distance
from alternax.metrics.spread_skill import spread_skill_ratio
from alternax.metrics.vendi import vendi_score

if TYPE_CHECKING:
    from alternax.metrics.lyapunov import largest_lyapunov

__all__ = [
    "attractor_distance",
    "correlation",
    "coverage",
    "crps",
    "crps_gaussian",
    "energy_score",
    "largest_lyapunov",
    "mae",
    "r2",
    "rmse",
    "spectrum_distance",
    "spread_skill_ratio",
    "vendi_score",
]

# Hidden from type checkers; the scores in NumPy answer without JAX being imported.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name != "largest_lyapunov":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return import_module("alternax.metrics.lyapunov").largest_lyapunov
