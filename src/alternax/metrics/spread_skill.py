"""Spread-skill ratio: does the ensemble know how wrong it is?"""

import numpy as np

from alternax.metrics.entries import Axis, ensemble, mean_over
from alternax.metrics.point import rmse


def spread_skill_ratio(samples: np.ndarray, truth: np.ndarray, *, axis: Axis = None) -> np.ndarray | float:
    """Spread over error: `sqrt((S + 1) / S * mean(variance)) / RMSE(ensemble mean)`; below 1 overconfident.

    The variance has `ddof=1`. If truth and members come from one law with variance v, the squared error of the mean of
    S members is `v (S + 1) / S` on average, hence the factor: without it small ensembles would look overconfident
    (Fortin et al. 2014).

    Args:
        samples: Sample paths `(S, ...)`.
        truth: What happened `(...)`; NaN entries are left out.
        axis: Axes of the truth to average over; default all.

    Returns:
        A number, or an array with NaN where a slice has nothing to score.

    Raises:
        InputError: If shapes differ, S < 2, all truth is missing, or scored samples are not finite.
    """
    samples, truth, scored = ensemble(samples, truth)
    count = len(samples)
    variance = mean_over(samples.var(0, ddof=1, dtype=float), scored, axis)
    error = np.asarray(rmse(samples.mean(0, dtype=float), truth, axis=axis))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.sqrt(variance * (count + 1) / count) / error
    return float(ratio) if np.ndim(ratio) == 0 else ratio
