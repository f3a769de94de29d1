"""Energy score: the CRPS of whole vectors, sensitive to their dependence."""

import numpy as np

from alternax.metrics.entries import Axis, blocks, ensemble, mean_over


def energy_score(samples: np.ndarray, truth: np.ndarray, *, axis: Axis = None) -> np.ndarray | float:
    """Energy score of an ensemble of vectors (last axis), unbiased for any number of samples S >= 2.

    `mean_i |x_i - y| - sum_{i,j} |x_i - x_j| / (2 S (S - 1))` with Euclidean norms (Gneiting and Raftery 2007, section
    4.3). Norms run over the entries where the truth is known; a vector with none is left out.

    Args:
        samples: Sample paths `(S, ..., feature)`.
        truth: What happened `(..., feature)`, NaN where unknown.
        axis: Axes of `truth[..., 0]` to average over; default all.

    Returns:
        A number, or an array with NaN where a slice has nothing to score.

    Raises:
        InputError: If shapes differ, S < 2, all truth is missing, or scored samples are not finite.

    Example:
        >>> energy_score(np.array([[[3.0, 4.0]], [[3.0, 4.0]]]), np.zeros((1, 2)))
        5.0
    """
    samples, truth, scored = ensemble(samples, truth)
    count, width = len(samples), truth.shape[-1]
    x, y, known = samples.reshape(count, -1, width), truth.reshape(-1, width), scored.reshape(-1, width)
    values = np.empty(len(y))
    for block in blocks(len(y), count * (count + width)):
        values[block] = _energy(x[:, block], y[block], known[block])
    return mean_over(values.reshape(truth.shape[:-1]), scored.any(-1), axis)


def _energy(samples: np.ndarray, truth: np.ndarray, known: np.ndarray) -> np.ndarray:
    count = len(samples)
    errors = np.where(known, samples - truth, 0.0)
    to_truth = np.linalg.norm(errors, axis=-1).mean(0)
    return to_truth - _distances(errors).sum((-2, -1)) / (2 * count * (count - 1))


def _distances(samples: np.ndarray) -> np.ndarray:
    """Pairwise distances `(rows, S, S)` through the Gram matrix of the anomalies, which keeps their digits."""
    anomalies = np.moveaxis(samples - samples.mean(0), 0, 1)
    gram = anomalies @ np.swapaxes(anomalies, -1, -2)
    squares = np.diagonal(gram, axis1=-2, axis2=-1)
    distances = np.sqrt(np.maximum(squares[:, :, None] + squares[:, None, :] - 2 * gram, 0.0))
    distances[:, np.arange(len(samples)), np.arange(len(samples))] = 0.0
    return distances
