"""What every simulator returns: the observations, the hidden truth behind them, and the exact parameters."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from alternax.core.errors import InputError


class Simulation(NamedTuple):
    """Simulated data with the truth.

    Attributes:
        x: Observations `(time, obs_dim)`, or `(series, time, obs_dim)` where several series were asked for.
        z: The noise-free or hidden truth, same leading axes.
        times: Time stamps `(time,)`, `datetime64[ns]` or numbers.
        parameters: Every number that the data were drawn with, by name.
    """

    x: Float[np.ndarray, "*batch obs_dim"]
    z: Float[np.ndarray, "*batch state_dim"]
    times: np.ndarray
    parameters: dict[str, np.ndarray]


def check_length(length: int) -> None:
    """Refuses a simulation of no rows."""
    if length < 1:
        raise InputError(f"length must be at least 1 row, found {length}")
