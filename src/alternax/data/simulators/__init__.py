"""Simulated data whose truth is known exactly; pure functions of an explicit seed."""

from alternax.data.simulators.linear_gaussian import linear_gaussian, stationary_covariance
from alternax.data.simulators.lorenz import lorenz63, rk4
from alternax.data.simulators.seasonal import noisy_sine, seasonal_demand
from alternax.data.simulators.simulation import Simulation
from alternax.data.simulators.symbols import (
    Symbols,
    adding,
    associative_recall,
    copying,
    selective_copying,
    word_problem,
)

__all__ = [
    "Simulation",
    "Symbols",
    "adding",
    "associative_recall",
    "copying",
    "linear_gaussian",
    "lorenz63",
    "noisy_sine",
    "rk4",
    "seasonal_demand",
    "selective_copying",
    "stationary_covariance",
    "word_problem",
]
