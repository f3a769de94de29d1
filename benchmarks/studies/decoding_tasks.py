"""Two data sets of spikes with something to decode, cut into the parts of a rehearsal and a test."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
import lorenz
import wmaze
from setting import data_folder

import alternax as ax

LATE, WINDOW, BATCH = 64, 100, 16


@dataclass(frozen=True)
class Task:
    """What is decoded: series to train on, to rehearse on (`early` trains, `late` judges) and to test.

    Args:
        bins: Rows of `test`, each counted once, where `pieces` overlap.
    """

    name: str
    train: ax.Sequences
    early: ax.Sequences
    late: ax.Sequences
    test: ax.Sequences
    scores: Callable[[np.ndarray, np.ndarray], list[float]]
    settings: dict[str, Any]
    bins: int


def lorenz_task(x: np.ndarray, z: np.ndarray, steps: int) -> Task:
    """The whole recording for every part, with labels in that part alone."""

    def labelled(start: int, stop: int, rows: int) -> ax.Sequences:
        row = np.arange(rows)[:, None]
        return ax.Sequences.from_numpy(x[:rows], targets=np.where((row >= start) & (row < stop), z[:rows], np.nan))

    def scores(decoded: np.ndarray, truth: np.ndarray) -> list[float]:
        correlation = ax.metrics.correlation(decoded, truth, axis=0)
        return [float(((decoded - truth) ** 2).mean()), float(np.mean(correlation))]

    end, rows = lorenz.TRAIN, len(z)
    parts = (0, end, end), (0, end - LATE, end), (end - LATE, end, rows), (end, rows, rows)
    settings = {
        "objective": ax.Masked(ax.Supervised(), 0.3), "transform": ax.Identity(), "target_transform": ax.Identity(),
        "window": end, "weight_decay": 1.0, "steps": steps, "every": steps,
    }  # fmt: skip
    return Task("Lorenz", *(labelled(*part) for part in parts), scores=scores, settings=settings, bins=rows)


def spikes() -> np.ndarray:
    """Single bins of the units that `benchmarks/lorenz.py` keeps, for decoders that take the last ten by themselves."""
    stored = np.load(data_folder("lorenz_spikes.npz"))["spikes"].astype(float)
    return stored[:, stored[: lorenz.TRAIN].sum(0) >= lorenz.MIN_SPIKES]


def maze_task(steps: int) -> Task:
    """The stretches of running of `benchmarks/wmaze.py`."""
    counts, position, train, test = wmaze.load()
    settings = {
        "objective": ax.Masked(ax.Supervised(), wmaze.HIDDEN), "transform": ax.Scale(per="all"), "window": WINDOW,
        "batch": BATCH, "weight_decay": 0.5, "average": 0.98, "steps": steps, "every": 50,
    }  # fmt: skip
    parts = [wmaze.stretches(counts, position, bins) for bins in (train, *wmaze.parts(train), test)]
    return Task("W-maze", *parts, scores=wmaze.scores, settings=settings, bins=int(parts[-1].lengths.sum()))


def pieces(data: ax.Sequences, length: int) -> ax.Sequences:
    """The series in overlapping pieces of `length` rows, whose first half is read alone except at a series' start."""
    cut: list[tuple[np.ndarray, ...]] = []
    for x, targets, labelled, times, rows in zip(
        data.x, data.targets, data.labelled, data.times, data.lengths, strict=True
    ):
        labels, half = np.where(labelled, targets, np.nan), length // 2
        for start in range(0, max(rows - half, 1), half):
            row = np.arange(start, min(start + length, rows))
            alone = (row[:, None] < start + half) & (start > 0)
            cut.append((x[row], np.where(alone, np.nan, labels[row]), times[row]))
    names = {"names": data.schema.values, "target_names": data.schema.targets}
    read, known, stamps = (list(part) for part in zip(*cut, strict=True))
    return ax.Sequences.from_numpy(read, targets=known, times=stamps, **names)
