"""What a forecast of monthly anomalies must beat: climatology, persistence and a linear inverse model, as ensembles.

All are fitted on the training rows and return sample paths `(sample, origin, lead, cell)` of anomalies.
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


def climatology(task: Task) -> Paths:
    """One path a training year: its anomalies of the same months."""
    years = task.train // 12
    rows = task.origins[:, None] + np.arange(task.horizon)
    past = task.field[: 12 * years].reshape(years, 12, -1)
    return past[:, rows % 12]


def persistence(task: Task, rng: np.random.Generator) -> Paths:
    """The last anomaly stays, dressed with the (centred) errors that this made in training."""
    last = task.field[task.origins - 1][:, None]
    starts = np.arange(task.train - task.horizon)
    steps = np.arange(1, task.horizon + 1)
    chosen = rng.choice(starts, (task.samples, len(task.origins)))
    mean_error = np.stack([(task.field[starts + lead] - task.field[starts]).mean(0) for lead in steps])
    paths = np.empty((task.samples, len(task.origins), task.horizon, task.field.shape[1]), np.float32)
    for path, start in zip(paths, chosen, strict=True):
        path[:] = last + task.field[start[:, None] + steps] - task.field[start][:, None] - mean_error
    return paths


def linear_inverse_model(
    task: Task, weight: Float[np.ndarray, "cell"], rng: np.random.Generator, patterns: int = 12
) -> Paths:
    """Paths of x' = G x + e on principal components, e with the covariance of the training residuals.

    The field outside the patterns, which this model does not predict, is drawn from its training rows.

    Reference: Penland and Sardeshmukh, "The Optimal Growth of Tropical Sea Surface Temperature Anomalies" (1995).
    """
    _, _, right = np.linalg.svd(task.field[: task.train] * weight, full_matrices=False)
    basis, analysis = right[:patterns] / weight, right[:patterns] * weight
    state = task.field @ analysis.T
    before, after = state[: task.train - 1], state[1 : task.train]
    step = np.linalg.lstsq(before, after, rcond=None)[0]
    residual = after - before @ step
    noise = np.linalg.cholesky(residual.T @ residual / (len(residual) - patterns))
    rest = (task.field - state @ basis)[: task.train]
    paths = np.empty((task.samples, len(task.origins), task.horizon, task.field.shape[1]), np.float32)
    for path in paths:
        now = state[task.origins - 1]
        for lead in range(task.horizon):
            now = now @ step + rng.normal(size=now.shape) @ noise.T
            path[:, lead] = now @ basis + rest[rng.integers(task.train, size=len(now))]
    return paths
