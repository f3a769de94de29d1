"""Errors of point forecasts."""

import numpy as np

from alternax.metrics.correlation import spread
from alternax.metrics.entries import Axis, mean_over, paired


def rmse(prediction: np.ndarray, truth: np.ndarray, *, axis: Axis = None) -> np.ndarray | float:
    """Root-mean-square error, `sqrt(mean((prediction - truth)^2))`, in the units of the data.

    Args:
        prediction: Point forecasts `(...)`.
        truth: What happened, same shape; NaN entries are left out.
        axis: Axes to average over; default all.

    Returns:
        A number, or an array with NaN where a slice has nothing to score.

    Raises:
        InputError: If shapes differ, all truth is missing, or a scored prediction is not finite.

    Example:
        >>> rmse(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
        1.4142135623730951
    """
    prediction, truth, scored = paired(prediction, truth)
    root = np.sqrt(mean_over((prediction - truth) ** 2, scored, axis))
    return float(root) if root.ndim == 0 else root


def mae(prediction: np.ndarray, truth: np.ndarray, *, axis: Axis = None) -> np.ndarray | float:
    """Mean absolute error, `mean(|prediction - truth|)`; arguments as for `rmse`.

    Of an ensemble, score the median: it is the point forecast that this error is minimal for.
    """
    prediction, truth, scored = paired(prediction, truth)
    return mean_over(np.abs(prediction - truth), scored, axis)


def r2(prediction: np.ndarray, truth: np.ndarray, *, axis: Axis = None) -> np.ndarray | float:
    """Share of the variance explained, `1 - mean((prediction - truth)^2) / var(truth)`; arguments as for `rmse`.

    1 at best, 0 for the mean of the scored truth, and below for worse. NaN where the truth of a slice does not vary.

    Example:
        >>> r2(np.array([1.0, 2.0, 2.0]), np.array([1.0, 2.0, 3.0]))
        0.5
    """
    prediction, truth, scored = paired(prediction, truth)
    error = np.asarray(mean_over((prediction - truth) ** 2, scored, axis))
    deviation = np.asarray(spread(truth, scored, axis)[1])
    some = deviation > 0
    share = np.where(some, 1.0 - error / np.where(some, deviation, 1.0) ** 2, np.nan)
    return float(share) if share.ndim == 0 else share
