"""Coverage: how often the truth falls into the central interval."""

import numpy as np

from alternax.core.errors import InputError
from alternax.metrics.entries import Axis, blocks, ensemble, mean_over


def coverage(samples: np.ndarray, truth: np.ndarray, *, level: float = 0.9, axis: Axis = None) -> np.ndarray | float:
    """Share of the truth inside the central interval of probability `level`; a calibrated ensemble has `level`.

    The ends are sample quantiles at rank `p (S + 1)` (Hyndman and Fan 1996, type 6): if truth and members come from one
    law, the expected share is `level` for any S with `(1 - level) / 2 >= 1 / (S + 1)`, without the shortfall of others.

    Args:
        samples: Sample paths `(S, ...)`.
        truth: What happened `(...)`; NaN entries are left out.
        level: Probability of the interval, between 0 and 1.
        axis: Axes of the truth to average over; default all.

    Returns:
        A number, or an array with NaN where a slice has nothing to score.

    Raises:
        InputError: If `level` is not between 0 and 1, shapes differ, S < 2, all truth is missing, or scored samples are
            not finite.
    """
    if not 0 < level < 1:
        raise InputError(f"level must be between 0 and 1, found {level}")
    samples, truth, scored = ensemble(samples, truth)
    flat, y, inside = samples.reshape(len(samples), -1), truth.ravel(), np.empty(truth.size, bool)
    for block in blocks(truth.size, len(samples)):
        low, high = np.quantile(flat[:, block], [(1 - level) / 2, (1 + level) / 2], axis=0, method="weibull")
        inside[block] = (low <= y[block]) & (y[block] <= high)
    return mean_over(inside.reshape(truth.shape), scored, axis)
