"""Checks on trajectories of one system: one of them, or several of equal length."""

import numpy as np

from alternax.core.errors import InputError


def trajectories(generated: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as `(path, time, dim)`; the truth is finite and varies in every column, the generated need not.

    Raises:
        InputError: If either is not `(time, dim)` or `(path, time, dim)`, is empty, or the two differ in columns, or
            the truth has a value that is not finite or a column that does not vary.
    """
    generated, truth = _paths("generated", generated), _paths("truth", truth)
    if generated.shape[-1] != truth.shape[-1]:
        raise InputError(f"generated has {generated.shape[-1]} columns, the truth {truth.shape[-1]}: they must agree")
    if not np.isfinite(truth).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(truth))[0])
        raise InputError(f"truth must be finite, found NaN or infinity at path, row and column {where}")
    still = np.flatnonzero((truth == truth[:, :1]).all(1).any(0))
    if still.size:
        raise InputError(f"column {still[0]} of the truth does not vary in a path: leave it out")
    return generated, truth


def _paths(name: str, values: np.ndarray) -> np.ndarray:
    array = np.asarray(values, float)
    if array.ndim not in (2, 3) or array.size == 0:
        raise InputError(f"{name} must be (time, dim) or (path, time, dim) and not empty, found shape {array.shape}")
    return array if array.ndim == 3 else array[None]
