"""Continuous ranked probability score, of an ensemble and of a Gaussian."""

import numpy as np

from alternax.metrics.entries import Axis, blocks, ensemble, mean_over, paired


def crps(samples: np.ndarray, truth: np.ndarray, *, axis: Axis = None) -> np.ndarray | float:
    """Continuous ranked probability score of an ensemble, unbiased for any number of samples S >= 2.

    `mean_i |x_i - y| - sum_{i,j} |x_i - x_j| / (2 S (S - 1))`, the second sum through the sorted samples in O(S log S):
    `sum_{i,j} |x_i - x_j| = 2 sum_i (2 i - S - 1) x_(i)` . The "fair" estimator of
    Ferro 2014: its expectation is the score of the law the samples come from, so single values can be negative.

    Args:
        samples: Sample paths `(S, ...)`.
        truth: What happened `(...)`; NaN entries are left out.
        axis: Axes of the truth to average over; default all.

    Returns:
        A number, or an array with NaN where a slice has nothing to score.

    Raises:
        InputError: If shapes differ, S < 2, all truth is missing, or scored samples are not finite.

    Example:
        >>> crps(np.array([[0.0], [2.0]]), np.array([1.0]))
        0.0
    """
    samples, truth, scored = ensemble(samples, truth)
    flat, y, values = samples.reshape(len(samples), -1), truth.ravel(), np.empty(truth.size)
    for block in blocks(truth.size, len(samples)):
        values[block] = _crps(flat[:, block], y[block])
    return mean_over(values.reshape(truth.shape), scored, axis)


def _crps(samples: np.ndarray, truth: np.ndarray) -> np.ndarray:
    count = len(samples)
    errors = np.sort(samples.astype(float) - truth, axis=0)
    weights = (2 * np.arange(1, count + 1) - count - 1) / (count * (count - 1))
    return np.abs(errors).mean(0) - weights @ errors


def crps_gaussian(mean: np.ndarray, std: np.ndarray, truth: np.ndarray, *, axis: Axis = None) -> np.ndarray | float:
    """Score of the law `N(mean, std^2)` in closed form (Gneiting, Raftery, Westveld and Goldman 2005).

    `std (w (2 Phi(w) - 1) + 2 phi(w) - 1/sqrt(pi))` with `w = (truth - mean) / std`. Arguments as for `crps`, with
    the two moments in place of samples.
    """
    from scipy.special import ndtr

    mean, truth, scored = paired(mean, truth)
    std, _, _ = paired(std, truth)
    w = np.where(scored, truth - mean, 0.0) / std
    density = np.exp(-0.5 * w**2) / np.sqrt(2 * np.pi)
    return mean_over(std * (w * (2 * ndtr(w) - 1) + 2 * density - 1 / np.sqrt(np.pi)), scored, axis)
