"""Damped persistence: of what was seen last a share that shrinks with every lead."""

import numpy as np
from jaxtyping import Float

from alternax.demo import baselines


def lag_one_share(
    rows: Float[np.ndarray, "time cell"], least: float = 0.0, most: float = 1.0
) -> Float[np.ndarray, "cell"]:
    """The least-squares share of a row that is left in the next one, column by column, between two bounds."""
    before, after = rows[:-1], rows[1:]
    return np.clip((before * after).sum(0) / (before**2).sum(0), least, most)


def damped_persistence(task: baselines.Task, rng: np.random.Generator) -> baselines.Paths:
    """The last value times its share once a lead, with errors that this made in training; their mean is the forecast.

    Args:
        task: What is forecast.
        rng: Draws the errors, one origin and path at a time over all leads and columns.
    """
    leads = np.arange(1, task.horizon + 1)
    share = lag_one_share(task.field[: task.train]) ** leads[:, None]
    start = rng.integers(task.train - task.horizon, size=(task.samples, len(task.origins)))
    errors = task.field[start[..., None] + leads] - share * task.field[start][:, :, None]
    return (errors - errors.mean(0) + share * task.field[task.origins - 1][:, None]).astype(np.float32)
