"""The two data sets of the study of objectives, what its tables score, and the plain models beside them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from setting import data_folder
from state_space import StateSpace, autoregression, persistence

import alternax as ax
from alternax import metrics

KNOWN, HORIZON, LEADS, PATHS, ORDERS, STRIDE = 48, 24, (1, 6, 24), 100, (1, 4, 24), 50
NOISY = {"observation_noise": 0.5 * np.eye(3)}


@dataclass(frozen=True)
class Task:
    """Training and validation data, test series of 96 rows, and the true law and states where they are known."""

    train: ax.Sequences
    valid: ax.Sequences
    test: np.ndarray
    context: int | None
    residual: str | None
    truth: StateSpace | None = None
    states: np.ndarray | None = None


def simulated() -> Task:
    """The linear-Gaussian task; the states are its targets."""
    drawn = [
        ax.simulators.linear_gaussian(rows, series=count, seed=seed, **NOISY)
        for seed, (rows, count) in enumerate(((192, 64), (96, 16), (96, 64)))
    ]
    law = drawn[0].parameters
    names = ("transition", "observation", "transition_noise", "observation_noise", "stationary")
    train, valid = (ax.Sequences.from_numpy(part.x, targets=part.z) for part in drawn[:2])
    return Task(train, valid, drawn[2].x, None, None, StateSpace(*(law[name] for name in names)), drawn[2].z)


def etth1() -> Task:
    """The energy task; test series begin at twelve different hours."""
    x = pd.read_csv(data_folder("ETTh1.csv")).iloc[:, 1:].to_numpy(float)
    x = (x - x[:8640].mean(0)) / x[:8640].std(0)
    cut = lambda first, last: np.stack([x[i - KNOWN : i + KNOWN] for i in range(first, last - KNOWN + 1, STRIDE)])  # noqa: E731
    return Task(
        ax.Sequences.from_numpy(x[:7200]), ax.Sequences.from_numpy(cut(7248, 8640)), cut(11520, 14400), KNOWN, "change"
    )


def scores(density: np.ndarray, samples: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """What the tables hold, of log-densities (series, row) and samples (sample, series, lead, column)."""
    mean, first = samples[:, :, 0].mean(0), truth[:, 0]
    found = {"nats": float(density[:, KNOWN:].mean()) / truth.shape[-1]}
    found |= {f"crps {h}": float(metrics.crps(samples[:, :, h - 1], truth[:, h - 1])) for h in LEADS}
    found["ssr"] = float(metrics.spread_skill_ratio(samples, truth))
    return found | {"r2": 1 - ((mean - first) ** 2).sum() / ((first - first.mean(0)) ** 2).sum()}


def plain(task: Task) -> dict[str, dict[str, float]]:
    """Scores of the plain models and, where it is known, of the true law."""
    rows = task.train.x
    autoregressions = {order: autoregression(rows, order) for order in ORDERS}
    best = max(autoregressions, key=lambda p: autoregressions[p].filter(task.valid.x)[0][:, KNOWN:].sum())
    laws = {"the mean": autoregression(rows, 0), "persistence": persistence(rows)}
    laws[f"vector autoregression of order {best}"] = autoregressions[best]
    if task.truth is not None:
        laws["the true law"] = task.truth
    found = {}
    for name, law in laws.items():
        density, means, covariances = law.filter(task.test)
        samples = law.paths(means[:, KNOWN - 1], covariances[KNOWN - 1], HORIZON, PATHS)
        found[name] = scores(density, samples, task.test[:, KNOWN : KNOWN + HORIZON])
    return found
