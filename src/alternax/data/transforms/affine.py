"""Transforms of the form y = (x - location) / scale, where both may depend on the column, the series and the time."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Float

from alternax.data.sequences import Sequences
from alternax.data.transforms.transform import Transform


@dataclass(frozen=True, eq=False)
class Affine(Transform):
    """Everything an affine transform does, but for where location and scale come from."""

    @abstractmethod
    def location_scale(self, times: np.ndarray, ids: Sequence[str | int], width: int) -> tuple[np.ndarray, np.ndarray]:
        """Location and scale, broadcastable to `(series, time, width)`; the scale is positive."""

    def forward(
        self, x: Float[np.ndarray, "*batch series time obs_dim"], times: np.ndarray, ids: Sequence[str | int]
    ) -> Float[np.ndarray, "*batch series time obs_dim"]:
        """See `Transform.forward`."""
        location, scale = self.location_scale(times, ids, x.shape[-1])
        return (x - location) / scale

    def inverse(
        self, y: Float[np.ndarray, "*batch series time obs_dim"], times: np.ndarray, ids: Sequence[str | int]
    ) -> Float[np.ndarray, "*batch series time obs_dim"]:
        """See `Transform.inverse`."""
        location, scale = self.location_scale(times, ids, y.shape[-1])
        return y * scale + location

    def log_jacobian(
        self, x: Float[np.ndarray, "*batch series time obs_dim"], times: np.ndarray, ids: Sequence[str | int]
    ) -> Float[np.ndarray, "*batch series time obs_dim"]:
        """See `Transform.log_jacobian`."""
        _, scale = self.location_scale(times, ids, x.shape[-1])
        return np.broadcast_to(-np.log(scale), x.shape)

    def kinds(self, kinds: tuple[str, ...]) -> tuple[str, ...]:
        """See `Transform.kinds`; an affine map leaves them."""
        return kinds


@dataclass(frozen=True, eq=False)
class Identity(Affine):
    """Leaves the data as they are."""

    def fit(self, data: Sequences) -> Self:
        """There is nothing to learn."""
        return self

    def location_scale(self, times: np.ndarray, ids: Sequence[str | int], width: int) -> tuple[np.ndarray, np.ndarray]:
        """0 and 1."""
        return np.zeros(width), np.ones(width)
