"""Series to forecast, one with a known law and one of real measurements, and what plain forecasts make of them."""

import sys
from dataclasses import dataclass
from pathlib import Path

import double_well
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
import etth1

import alternax as ax
from alternax import metrics

SAMPLES, DAY, STRIDE = 64, 24, 17


@dataclass(frozen=True)
class Task:
    """Series to learn, and rows to forecast.

    Attributes:
        name: What it is called.
        train: Training series, standardised where measured.
        test: Series to forecast, with their history.
        origins: Rows to forecast from.
        leads: Rows ahead that are scored.
        window: Rows of a training window.
        budget: Most parameters of a model.
        steps: Optimiser steps of a training.
        law_known: Whether the series are simulated: they share one law, and that of the next value is known.
    """

    name: str
    train: ax.Sequences
    test: ax.Sequences
    origins: np.ndarray
    leads: tuple[int, ...]
    window: int
    budget: int
    steps: int
    law_known: bool

    @property
    def truth(self) -> np.ndarray:
        """What came, (series, origin, lead)."""
        return self.test.x[..., 0][:, self.origins[:, None] + np.array(self.leads) - 1]

    @property
    def span(self) -> tuple[float, float]:
        """The extremes of the training values, outwards to a tenth."""
        return float(np.floor(10 * self.train.x.min()) / 10), float(np.ceil(10 * self.train.x.max()) / 10)


def two_wells() -> Task:
    """The simulated particle, seen every two units of time."""
    sizes = ((64, 256, 0), (16, 512, 1))
    train, test = (ax.Sequences.from_numpy(double_well.simulate(*size)[..., None]) for size in sizes)
    return Task("double well", train, test, np.arange(32, 512, 2), (1,), 64, 6000, 800, law_known=True)


def etth1_channels() -> Task:
    """The channels of ETTh1, dithered within the steps they were recorded in."""
    data, rng = etth1.load(), np.random.default_rng(0)
    x, history = data.x[0], etth1.FIRST - etth1.CONTEXT
    step = np.array([np.median(np.diff(np.unique(column))) for column in x[: etth1.TRAIN].T])
    x = x + step * rng.uniform(-0.5, 0.5, x.shape)
    series = ax.Sequences.from_numpy(x.T[..., None], times=data.times[0], calendar=("hour",))
    train, test = series.rows(0, etth1.TRAIN), series.rows(history, etth1.LAST + DAY)
    origins = np.arange(etth1.FIRST, etth1.LAST, STRIDE) - history
    return Task("ETTh1", train, test, origins, (1, DAY), etth1.CONTEXT + DAY, 16000, 900, law_known=False)


def scored(samples: np.ndarray, log_density: np.ndarray, truth: np.ndarray) -> list[float]:
    """For every lead: log-density, CRPS and the share inside the central 90 %, means over all entries."""
    found = []
    for lead in range(truth.shape[-1]):
        part = samples[..., lead], truth[..., lead]
        inside = metrics.coverage(*part, level=0.9)
        found += [float(log_density[..., lead].mean()), float(metrics.crps(*part)), float(inside)]
    return found


def plain_forecasts(task: Task) -> dict[str, list[float]]:
    """Scores by name: what came differs from a value known before as it did in training."""
    kinds = {"last value, training differences": 0, "training values": None}
    if not task.law_known:
        kinds["24 hours before, training differences"] = DAY
    rng = np.random.default_rng(0)
    found = {
        name: [score for lead in task.leads for score in residual(task, lead, season, rng)]
        for name, season in kinds.items()
    }
    return found | ({"the law it was drawn from": known_law(task)} if task.law_known else {})


def residual(task: Task, lead: int, season: int | None, rng: np.random.Generator) -> list[float]:
    """Scores at a lead of the last value (season 0), the one a season before, or none, plus training residuals."""
    train, test = (data.x[..., 0] for data in (task.train, task.test))
    rows, back = task.origins + lead - 1, None if season is None else season or lead
    found = []
    for known, past in [(train, test)] if task.law_known else zip(train[:, None], test[:, None], strict=True):
        before = 0.0 if back is None else past[:, rows - back]
        differences = known if back is None else known[:, back:] - known[:, :-back]
        at = (past[:, rows] - before).ravel()
        found.append((*empirical(differences.ravel(), at, rng), at))
    draws, logs, truth = (np.concatenate(parts, axis=-1)[..., None] for parts in zip(*found, strict=True))
    return scored(draws, logs, truth)


def empirical(known: np.ndarray, at: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draws of training residuals, and the density that these give the residuals `at`; the kernel's width chosen."""
    first, last = np.split(known, [len(known) * 4 // 5])
    widths = known.std() * np.geomspace(0.01, 0.5, 8)
    width = max(widths, key=lambda width: log_kernel(_some(first, 1500), _some(last, 600), width).mean())
    blocks = np.array_split(at, -(-len(at) // 500))
    logs = [log_kernel(_some(known, 9000), block, width) for block in blocks]
    return rng.choice(known, (SAMPLES, len(at))), np.concatenate(logs)


def _some(values: np.ndarray, most: int) -> np.ndarray:
    """Evenly laid ones of them, for the sake of time."""
    return values[:: -(-len(values) // most)]


def log_kernel(known: np.ndarray, at: np.ndarray, width: float) -> np.ndarray:
    """Logarithm of a Gaussian kernel density estimate."""
    square = -0.5 * ((at[:, None] - known) / width) ** 2
    peak = square.max(1, keepdims=True)
    return peak[:, 0] + np.log(np.exp(square - peak).mean(1) / (width * np.sqrt(2 * np.pi)))


def known_law(task: Task) -> list[float]:
    """Scores of the law that the double well was drawn from."""
    x, y = task.test.x[:, task.origins - 1, 0].ravel(), task.truth.ravel()
    grid, below = double_well.GRID, double_well.distribution(x)
    crps = ((below - (grid >= y[:, None])) ** 2).sum(1) * (grid[1] - grid[0])
    level = np.array([np.interp(value, grid, row) for value, row in zip(y, below, strict=True)])
    inside = (level > 0.05) & (level < 0.95)
    return [float(np.log(double_well.density(x, y)).mean()), float(crps.mean()), float(inside.mean())]
