"""What a forecast of monthly anomalies must beat: climatology, persistence and a linear inverse model, as ensembles.

All are fitted on the training rows and return sample paths `(sample, origin, lead, cell)` of anomalies. The mean of the
paths is exactly each method's point forecast, free of sampling noise.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

Field = Float[np.ndarray, "time cell"]
Paths = Float[np.ndarray, "sample origin lead cell"]


@dataclass(frozen=True)
class Task:
    """What is forecast: anomalies, how many rows are for training, the origins (rows known) and the horizon."""

    field: Field
    train: int
    origins: Int[np.ndarray, "origin"]
    horizon: int
    samples: int

    @property
    def rows(self) -> Int[np.ndarray, "origin lead"]:
        """The rows forecast."""
        return self.origins[:, None] + np.arange(self.horizon)


def ensembles(task: Task, weight: Float[np.ndarray, "cell"], rng: np.random.Generator) -> dict[str, Paths]:
    """All baselines by name; `weight` is the square root of the cells' area."""
    return {
        "linear inverse model": linear_inverse_model(task, weight, rng),
        "persistence": persistence(task, rng),
        "climatology": climatology(task),
    }


def climatology(task: Task) -> Paths:
    """One path a training year: its anomalies of the same months."""
    years = task.train // 12
    past = task.field[: 12 * years].reshape(years, 12, -1)
    return past[:, task.rows % 12].astype(np.float32)


def persistence(task: Task, rng: np.random.Generator) -> Paths:
    """The last anomaly stays, dressed with errors that this made in training."""
    last = task.field[task.origins - 1][:, None]
    steps = np.arange(1, task.horizon + 1)
    paths = _empty(task)
    for path in paths:
        start = rng.integers(task.train - task.horizon, size=len(task.origins))
        path[:] = task.field[start[:, None] + steps] - task.field[start][:, None]
    return _centred(paths, np.broadcast_to(last, paths.shape[1:]))


def linear_inverse_model(
    task: Task, weight: Float[np.ndarray, "cell"], rng: np.random.Generator, patterns: int = 12
) -> Paths:
    """Paths of x' = G x + e on principal components, e with the covariance of the training residuals.

    The field outside the patterns, which this model does not predict, is drawn from its training rows.

    Reference: Penland and Sardeshmukh, "The Optimal Growth of Tropical Sea Surface Temperature Anomalies" (1995).
    """
    _, _, right = np.linalg.svd(task.field[: task.train] * weight, full_matrices=False)
    patterns = min(patterns, len(right))
    basis, analysis = right[:patterns] / weight, right[:patterns] * weight
    state = task.field @ analysis.T
    before, after = state[: task.train - 1], state[1 : task.train]
    step = np.linalg.lstsq(before, after, rcond=None)[0]
    residual = after - before @ step
    noise = np.linalg.cholesky(residual.T @ residual / (len(residual) - patterns))
    rest = (task.field - state @ basis)[: task.train]
    paths, mean = _empty(task), np.empty((len(task.origins), task.horizon, task.field.shape[1]))
    for path in paths:
        now = np.zeros((len(task.origins), patterns))
        for lead in range(task.horizon):
            now = now @ step + rng.normal(size=now.shape) @ noise.T
            path[:, lead] = now @ basis + rest[rng.integers(task.train, size=len(now))]
    now = state[task.origins - 1]
    for lead in range(task.horizon):
        now = now @ step
        mean[:, lead] = now @ basis
    return _centred(paths, mean)


def _empty(task: Task) -> np.ndarray:
    return np.empty((task.samples, len(task.origins), task.horizon, task.field.shape[1]), np.float32)


def _centred(paths: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """The paths moved such that their mean is `mean`, in place; the spread stays that of the draws, unbiased."""
    paths += (mean - paths.mean(0, dtype=float)).astype(np.float32)
    return paths
