"""Small models behind their transforms, shared by the tests of everything that `fit` hands back."""

from functools import cache

import jax
import numpy as np

import alternax as ax
from alternax.core.record import TrainingRecord

SETTINGS = {"objective": ax.Elbo(), "steps": 20, "every": 10, "batch": 4, "window": 12, "learning_rate": 1e-2}
RECORD = TrainingRecord(0, 1, 1, "finished", 0.0, 12, (0.0,), (), (1,))


def walk(rows: int, seed: int = 0, columns: int = 2) -> np.ndarray:
    """A random walk around 5 and -2."""
    steps = np.random.default_rng(seed).normal(size=(rows, columns))
    return np.array([5.0, -2.0])[:columns] + 0.3 * steps.cumsum(0)


def days(rows: int) -> np.ndarray:
    """Daily stamps from New Year's Day 2024 on."""
    return np.datetime64("2024-01-01", "ns") + np.arange(rows) * np.timedelta64(1, "D")


def ragged(*, gap: slice = slice(0), series: slice = slice(None), lengths: tuple[int, ...] = (60, 50)) -> ax.Sequences:
    """Two daily series of different lengths with a weekly cycle as control; `gap` rows of the second are missing."""
    x = [walk(rows, seed) for seed, rows in enumerate(lengths)]
    x[1][gap] = np.nan
    times = [days(rows) for rows in lengths]
    return ax.Sequences.from_numpy(x[series], times=times[series], calendar=("weekday",))


def small(obs_dim: int = 2, **settings) -> ax.Alternator:
    """An affine Alternator."""
    sizes = {"latent_dim": 3, "ftn": "affine", "otn": "affine", "noise": "learned", "width": 4, "depth": 1}
    return ax.Alternator(obs_dim, **(sizes | settings), key=jax.random.key(0))


@cache
def trained() -> ax.Fitted:
    """Twenty steps on the ragged series."""
    return ax.fit(small(control_dim=2), ragged(), **SETTINGS)


def untrained(model: ax.Model, data: ax.Sequences, transform: ax.transforms.Transform | None = None) -> ax.Fitted:
    """A model as it is, behind a transform."""
    transform = ax.Identity() if transform is None else transform
    return ax.Fitted(model, transform, ax.Identity(), data.schema, RECORD, data)
