"""Several transforms, one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from jaxtyping import Float

from alternax.data.sequences import Sequences
from alternax.data.transforms.transform import Transform


@dataclass(frozen=True, eq=False)
class Chain(Transform):
    """Applies its parts in order; each is fitted to what the parts before it return.

    Args:
        parts: The transforms, first to last.

    Example:
        >>> anomalies = Chain([SeasonalAnomaly("month"), Scale(per="all")])
    """

    parts: Sequence[Transform]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(self.parts))

    def fit(self, data: Sequences) -> Self:
        """Fits the parts in order."""
        fitted = []
        for part in self.parts:
            fitted.append(part.fit(data))
            data = fitted[-1].apply(data)
        return replace(self, parts=tuple(fitted))

    def forward(
        self, x: Float[np.ndarray, "*batch series time obs_dim"], times: np.ndarray, ids: Sequence[str | int]
    ) -> Float[np.ndarray, "*batch series time obs_dim"]:
        """See `Transform.forward`."""
        for part in self.parts:
            x = part.forward(x, times, ids)
        return x

    def inverse(
        self, y: Float[np.ndarray, "*batch series time obs_dim"], times: np.ndarray, ids: Sequence[str | int]
    ) -> Float[np.ndarray, "*batch series time obs_dim"]:
        """See `Transform.inverse`."""
        for part in reversed(self.parts):
            y = part.inverse(y, times, ids)
        return y

    def log_jacobian(
        self, x: Float[np.ndarray, "*batch series time obs_dim"], times: np.ndarray, ids: Sequence[str | int]
    ) -> Float[np.ndarray, "*batch series time obs_dim"]:
        """See `Transform.log_jacobian`: the sum over the parts."""
        total = np.zeros(x.shape)
        for part in self.parts:
            total = total + part.log_jacobian(x, times, ids)
            x = part.forward(x, times, ids)
        return total

    def kinds(self, kinds: tuple[str, ...]) -> tuple[str, ...]:
        """See `Transform.kinds`."""
        for part in self.parts:
            kinds = part.kinds(kinds)
        return kinds
