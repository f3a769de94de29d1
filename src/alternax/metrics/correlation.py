"""Correlation of point forecasts with the truth."""

import numpy as np

from alternax.metrics.entries import Axis, mean_over, paired

ROUNDING = 1e-14


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
    (p, spread_p), (y, spread_y) = (spread(values, scored, axis) for values in (prediction, truth))
    scale = spread_p * spread_y
    ratio = np.divide(mean_over(p * y, scored, axis), scale, out=np.full(np.shape(scale), np.nan), where=scale > 0)
    return float(ratio) if ratio.ndim == 0 else ratio


def spread(values: np.ndarray, scored: np.ndarray, axis: Axis) -> tuple[np.ndarray, np.ndarray]:
    """Deviations from the mean along `axis`, and their root mean square: 0 where only rounding makes them vary."""
    centred = _deviation(values, scored, axis)
    deviation, size = (np.sqrt(mean_over(v**2, scored, axis)) for v in (centred, np.where(scored, values, 0.0)))
    return centred, np.where(deviation > ROUNDING * size, deviation, 0.0)


def _deviation(values: np.ndarray, scored: np.ndarray, axis: Axis) -> np.ndarray:
    """Scored values minus their mean along `axis`, 0 elsewhere."""
    axes = tuple(range(values.ndim)) if axis is None else axis
    mean = np.expand_dims(mean_over(values, scored, axis), axes)
    return np.where(scored, values - mean, 0.0)
