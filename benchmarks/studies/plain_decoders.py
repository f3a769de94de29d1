"""Decoders without a gradient, in NumPy: the mean, ridge regression on the last bins, and the Kalman filter.

Each is fitted on the labelled rows of `ax.Sequences` and handed back as a function from sequences to the mean and the
standard deviation of the targets at every row, given the rows up to it.
"""

from collections.abc import Callable

import numpy as np
from lagged import lagged

import alternax as ax

Decoder = Callable[[ax.Sequences], tuple[np.ndarray, np.ndarray]]


def mean(data: ax.Sequences, choice: None = None) -> Decoder:
    """The mean of the training labels and their standard deviation, whatever was observed."""
    labels = data.targets[data.labelled.all(-1)]

    def decode(new: ax.Sequences) -> tuple[np.ndarray, np.ndarray]:
        shape = (*new.x.shape[:2], data.target_dim)
        return np.broadcast_to(labels.mean(0), shape), np.broadcast_to(labels.std(0), shape)

    return decode


def ridge(data: ax.Sequences, penalty: float, lags: int = 10) -> Decoder:
    """Linear regression on the last `lags` rows; the standard deviation is that of the training errors."""
    rows = data.labelled.all(-1)
    x, labels = lagged(data.x, lags)[rows], data.targets[rows]
    centre, scale, level = x.mean(0), x.std(0) + 1e-6, labels.mean(0)
    x = (x - centre) / scale
    weight = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ (labels - level))
    spread = (labels - level - x @ weight).std(0)

    def decode(new: ax.Sequences) -> tuple[np.ndarray, np.ndarray]:
        found = (lagged(new.x, lags) - centre) / scale @ weight + level
        return found, np.broadcast_to(spread, found.shape)

    return decode


def kalman(data: ax.Sequences, order: int, shrunk: float = 0.1) -> Decoder:
    """The linear-Gaussian state space s_t = A s_{t-1} + b + w_t, x_t = H s_t + d + e_t, by least squares.

    The state are the targets and their `order - 1` first differences (position, velocity, acceleration), which are
    known in training. The covariance of e_t is that of the residuals, a share `shrunk` of the way to its diagonal.

    Reference: Wu et al. (2006), Bayesian population decoding of motor cortical activity using a Kalman filter.
    """
    states = differences(np.where(data.labelled, data.targets, np.nan), order)
    known = np.asarray(np.all(np.isfinite(states), axis=-1))
    pairs = known[:, 1:] & known[:, :-1]
    s, varied = states[known], np.ptp(data.x[known], axis=0) > 0
    A, b, W = regressed(states[:, :-1][pairs], states[:, 1:][pairs])
    H, d, R = regressed(s, data.x[known][:, varied])
    R = (1 - shrunk) * R + shrunk * np.diag(np.diag(R))
    gain = np.linalg.solve(R, H).T  # H^T R^-1
    return lambda new: filtered(new.x[..., varied] - d, A, b, W, gain, gain @ H, s, data.target_dim)


def differences(targets: np.ndarray, order: int) -> np.ndarray:
    """The targets and their differences side by side, NaN where one of them is not known."""
    parts = [targets]
    for _ in range(order - 1):
        last = parts[-1]
        parts.append(np.diff(last, axis=1, prepend=np.full_like(last[:, :1], np.nan)))
    return np.concatenate(parts, 2)


def regressed(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Matrix, offset and residual covariance of the least-squares map from x to y."""
    design = np.c_[x, np.ones(len(x))]
    weight = np.linalg.lstsq(design, y, rcond=None)[0]
    residual = y - design @ weight
    return weight[:-1].T, weight[-1], residual.T @ residual / len(x)


def filtered(
    x: np.ndarray, A: np.ndarray, b: np.ndarray, W: np.ndarray, gain: np.ndarray, told: np.ndarray, s: np.ndarray,
    targets: int,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """The exact filter, from the mean and covariance of the states `s` on; all series at once.

    Every row is observed, so that the covariances depend on no data and are the same for all series:
    P_t = (P^-1 + H^T R^-1 H)^-1 with P = A P_{t-1} A^T + W, written without an inverse of P, which may be singular.
    """
    m, P = np.broadcast_to(s.mean(0), (len(x), s.shape[1])), np.cov(s.T)
    means, deviations = [], []
    for t in range(x.shape[1]):
        if t:
            m, P = m @ A.T + b, A @ P @ A.T + W
        P = np.linalg.solve(np.eye(len(P)) + P @ told, P)
        P = 0.5 * (P + P.T)
        m = m + (x[:, t] @ gain.T - m @ told) @ P
        means.append(m[:, :targets])
        deviations.append(np.broadcast_to(np.sqrt(np.diag(P)[:targets]), means[-1].shape))
    return np.stack(means, 1), np.stack(deviations, 1)
