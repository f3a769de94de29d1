"""Correlation of point forecasts with the truth."""

import numpy as np

from alternax.metrics.entries import Axis, mean_over, paired


def correlation(prediction: np.ndarray, truth: np.ndarray, *, axis: Axis = None) -> np.ndarray | float:
    """Pearson correlation over the scored entries along `axis`, `cov(p, y) / (sd(p) sd(y))`.

    Args:
        prediction: Point forecasts `(...)`.
        truth: What happened, same shape; NaN entries are left out.
        axis: Axes to correlate over; default all.

    Returns:
        A number or an array; NaN where a slice has fewer than two scored entries or one side does not vary.

    Raises:
        InputError: If shapes differ, all truth is missing, or a scored prediction is not finite.
    """
    prediction, truth, scored = paired(prediction, truth)
    p, y = _deviation(prediction, scored, axis), _deviation(truth, scored, axis)
    covariance, power_p, power_y = (mean_over(v, scored, axis) for v in (p * y, p**2, y**2))
    scale = np.sqrt(power_p) * np.sqrt(power_y)
    ratio = np.divide(covariance, scale, out=np.full(np.shape(scale), np.nan), where=scale > 0)
    return float(ratio) if ratio.ndim == 0 else ratio


def _deviation(values: np.ndarray, scored: np.ndarray, axis: Axis) -> np.ndarray:
    """Scored values minus their mean along `axis`, 0 elsewhere."""
    axes = tuple(range(values.ndim)) if axis is None else axis
    mean = np.expand_dims(mean_over(values, scored, axis), axes)
    return np.where(scored, values - mean, 0.0)
