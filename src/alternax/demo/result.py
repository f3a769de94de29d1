"""What the main job found: sample paths of anomalies by model, and what they are of."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Shaped


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Result:
    """Anomalies are degrees Celsius from the monthly means of the training years.

    Attributes:
        paths: By model, the first being ours: sample paths `(sample, origin, lead, cell)`.
        truth: What happened.
        known_until: The last month known at every origin.
        times: The months forecast.
        past: Anomalies of all months before the last origin's forecast.
        normal: The monthly means, January first.
        latitude: Of every cell, degrees north.
        longitude: Of every cell, degrees east.
        widening: Factor on the noise that the rolling test asked for.
        seconds: Time that training took, rolling test and compilation included.
        seed: Seed of training and draws.
    """

    paths: Mapping[str, Float[np.ndarray, "sample origin lead cell"]]
    truth: Float[np.ndarray, "origin lead cell"]
    known_until: Shaped[np.ndarray, "origin"]
    times: Shaped[np.ndarray, "origin lead"]
    past: Float[np.ndarray, "time cell"]
    normal: Float[np.ndarray, "12 cell"]
    latitude: Float[np.ndarray, "cell"]
    longitude: Float[np.ndarray, "cell"]
    widening: float
    seconds: float
    seed: int

    @property
    def leads(self) -> np.ndarray:
        """1 to the horizon, months."""
        return np.arange(1, self.truth.shape[1] + 1)

    @cached_property
    def nino34(self) -> Float[np.ndarray, "cell"]:
        """Weights of the Nino-3.4 index: the mean by area over the cells with centres in 5 S-5 N, 170-120 W."""
        inside = (np.abs(self.latitude) <= 5) & (self.longitude >= 190) & (self.longitude <= 240)
        area = np.where(inside, np.cos(np.deg2rad(self.latitude)), 0.0)
        return area / area.sum()
