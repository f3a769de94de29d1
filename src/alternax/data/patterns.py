"""Empirical orthogonal functions: the few patterns that carry most of the variance of a field.

They are a linear observation operator of a model, not a transform of the data: masks, densities and joint paths stay in
the space of the cells.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Bool, Float

from alternax.core.errors import InputError
from alternax.data.sequences import Sequences
from alternax.data.times import shown


@dataclass(frozen=True, eq=False)
class Patterns:
    """Patterns of a field, and the projection onto them: `analysis @ basis.T` is the identity.

    Args:
        basis: One pattern a row; `coordinates @ basis` is the field they stand for.
        analysis: One projection a row; `x @ analysis.T` are the coordinates.
    """

    basis: Float[np.ndarray, "patterns obs_dim"]
    analysis: Float[np.ndarray, "patterns obs_dim"]

    @classmethod
    def fit(
        cls,
        data: Sequences,
        count: int,
        *,
        columns: Bool[np.ndarray, "obs_dim"] | None = None,
        weights: Float[np.ndarray, "obs_dim"] | None = None,
    ) -> Self:
        """The leading patterns by singular value decomposition of the rows of all series (Lorenz 1956).

        The data should be anomalies: no mean is subtracted. The sign of a pattern is chosen such that its largest
        weighted entry is positive.

        Args:
            data: Training data, complete over the columns used.
            count: Number of patterns.
            columns: True for the columns used, such as those of one variable; the patterns are 0 elsewhere.
            weights: Importance of every column, such as the square root of the area of its cell; patterns are
                orthonormal after multiplication by them. Default 1.

        Raises:
            InputError: If entries are missing, weights are not positive, or there are not `count` patterns.

        Example:
            >>> data = Sequences.from_numpy(np.outer([1.0, -1.0], [3.0, 4.0]))
            >>> Patterns.fit(data, 1).basis.round(6)
            array([[0.6, 0.8]])
        """
        columns = np.ones(data.obs_dim, bool) if columns is None else np.asarray(columns, bool)
        weights = np.ones(data.obs_dim) if weights is None else np.asarray(weights, float)
        if columns.shape != (data.obs_dim,) or weights.shape != (data.obs_dim,):
            raise InputError(
                f"columns and weights must have one entry for each of the {data.obs_dim} columns, "
                f"found {columns.shape} and {weights.shape}"
            )
        usable = np.isfinite(weights) & (weights > 0)
        if not usable[columns].all():
            bad = int(np.flatnonzero(columns & ~usable)[0])
            raise InputError(
                f"weights must be positive, found {weights[bad]:g} for column {data.schema.values[bad]!r}; "
                "leave a column out by columns="
            )
        _require_complete(data, columns)
        field = data.x[data.valid][:, columns]
        limit = min(field.shape)
        if not 1 <= count <= limit:
            raise InputError(
                f"count must be from 1 to {limit} for {field.shape[0]} rows of {field.shape[1]} columns, found {count}"
            )
        _, _, v = np.linalg.svd(field * weights[columns], full_matrices=False)
        v = v[:count]
        v = v * np.sign(v[np.arange(count), np.abs(v).argmax(1)])[:, None]
        basis, analysis = np.zeros((2, count, data.obs_dim))
        basis[:, columns], analysis[:, columns] = v / weights[columns], v * weights[columns]
        return cls(basis, analysis)

    @classmethod
    def concat(cls, *patterns: Self) -> Self:
        """The patterns of several sets of columns one after the other, such as those of two variables.

        Raises:
            InputError: If two sets share a column.
        """
        used = np.stack([(p.basis != 0).any(0) for p in patterns])
        if (used.sum(0) > 1).any():
            column = int(np.flatnonzero(used.sum(0) > 1)[0])
            raise InputError(f"patterns to be joined must use different columns, but two of them use column {column}")
        return cls(np.concatenate([p.basis for p in patterns]), np.concatenate([p.analysis for p in patterns]))

    @property
    def count(self) -> int:
        """Number of patterns."""
        return len(self.basis)

    def coordinates(self, x: Float[np.ndarray, "*batch obs_dim"]) -> Float[np.ndarray, "*batch patterns"]:
        """How much of every pattern a field holds (principal components)."""
        return x @ self.analysis.T

    def field(self, coordinates: Float[np.ndarray, "*batch patterns"]) -> Float[np.ndarray, "*batch obs_dim"]:
        """The field that the coordinates stand for."""
        return coordinates @ self.basis


def _require_complete(data: Sequences, columns: np.ndarray) -> None:
    missing = data.valid[..., None] & ~data.observed & columns
    if missing.any():
        series, row, column = (int(i) for i in np.argwhere(missing)[0])
        raise InputError(
            f"Patterns need complete data, but column {data.schema.values[column]!r} of series "
            f"{data.schema.ids[series]!r} is missing at row {row} (time {shown(data.times[series, row])}), with "
            f"{int(missing.sum())} missing entries in all; fill them or leave the column out by columns="
        )
