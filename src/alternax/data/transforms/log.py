"""Logarithm of the observations."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from jaxtyping import Bool, Float

from alternax.core.errors import InputError
from alternax.data.sequences import Sequences
from alternax.data.times import shown
from alternax.data.transforms.transform import Transform, require_fitted, touched


@dataclass(frozen=True, eq=False)
class Log(Transform):
    """y = log(x + shift); columns of kind positive become real.

    Args:
        shift: Added before the logarithm; every value must stay above `-shift`.
        columns: Names of the columns to transform; None for all that are not discrete.
        names: Filled by `fit`: the columns of the data.
        active: Filled by `fit`: True for the columns transformed.

    Example:
        >>> data = Sequences.from_numpy(np.array([[1.0], [np.e]]))
        >>> Log().fit(data).apply(data).x[:, :, 0]
        array([[0., 1.]])
    """

    shift: float = 0.0
    columns: tuple[str, ...] | None = None
    names: tuple[str, ...] | None = None
    active: Bool[np.ndarray, "obs_dim"] | None = None

    def fit(self, data: Sequences) -> Self:
        """Settles which columns are meant; refuses values that have no logarithm."""
        active = touched(data)
        if self.columns is not None:
            positions = data.schema.positions(self.columns)
            if not active[positions].all():
                name = next(data.schema.values[i] for i in positions if not active[i])
                raise InputError(
                    f"Log cannot transform column {name!r}: its kind is discrete and must stay; declare it real first"
                )
            active = np.isin(np.arange(len(active)), positions)
        fitted = replace(self, names=data.schema.values, active=active)
        fitted.apply(data)
        return fitted

    def forward(
        self, x: Float[np.ndarray, "*batch series time obs_dim"], times: np.ndarray, ids: Sequence[str | int]
    ) -> Float[np.ndarray, "*batch series time obs_dim"]:
        """See `Transform.forward`; raises InputError where `x + shift` is not positive."""
        active = require_fitted(self, self.active, x.shape[-1])
        bad = active & (x + self.shift <= 0)
        if bad.any():
            *_, series, row, column = (int(i) for i in np.argwhere(bad)[0])
            raise InputError(
                f"Log(shift={self.shift:g}) needs values above {-self.shift:g}, found {x[bad][0]:g} in column "
                f"{self.names[column]!r} of series {ids[series]!r} at row {row} (time {shown(times[series, row])}); "
                "use a larger shift or no Log"
            )
        return np.where(active, np.log(np.where(active, x + self.shift, 1.0)), x)

    def inverse(
        self, y: Float[np.ndarray, "*batch series time obs_dim"], times: np.ndarray, ids: Sequence[str | int]
    ) -> Float[np.ndarray, "*batch series time obs_dim"]:
        """See `Transform.inverse`."""
        active = require_fitted(self, self.active, y.shape[-1])
        return np.where(active, np.exp(np.where(active, y, 0.0)) - self.shift, y)

    def log_jacobian(
        self, x: Float[np.ndarray, "*batch series time obs_dim"], times: np.ndarray, ids: Sequence[str | int]
    ) -> Float[np.ndarray, "*batch series time obs_dim"]:
        """See `Transform.log_jacobian`: -log(x + shift)."""
        active = require_fitted(self, self.active, x.shape[-1])
        return np.where(active, -self.forward(x, times, ids), 0.0)

    def kinds(self, kinds: tuple[str, ...]) -> tuple[str, ...]:
        """See `Transform.kinds`; the logarithm of what is positive is real."""
        active = require_fitted(self, self.active, len(kinds))
        return tuple("real" if on else kind for on, kind in zip(active, kinds, strict=True))
