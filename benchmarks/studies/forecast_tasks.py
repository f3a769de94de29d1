"""What the forecasters are compared on: ETTh1 a day ahead.

A task holds the columns that the models are shown, where forecasts start, and how their paths are scored.
"""

from dataclasses import dataclass

import etth1
import numpy as np
from jaxtyping import Float

import alternax as ax

SCORES = ("MSE", "CRPS", "energy score", "spread-skill ratio", "inside the 90 % interval")


@dataclass(frozen=True)
class Task:
    """One comparison.

    Args:
        name: What it is called.
        unit: That of the columns scored.
        lead: That of the leads.
        data: One series of the columns shown, with calendar controls.
        train: Its first rows, for training; the last `held_out` of them judge trainings.
        held_out: See there.
        context: Rows known before an origin.
        horizon: Rows ahead.
        origins: First rows of the forecasts.
        window: Rows of a training window of models that run through the rows.
        scaled: Whether models scale every context by itself.
        season: Rows of a season that naive forecasts repeat.
        steps: Optimiser steps of every training.
        truth: What happened, `(origin, horizon, column)`.
    """

    name: str
    unit: str
    lead: str
    data: ax.Sequences
    train: int
    held_out: int
    context: int
    horizon: int
    origins: np.ndarray
    window: int
    scaled: bool
    season: int
    steps: int
    truth: np.ndarray

    @property
    def known(self) -> tuple[np.ndarray, np.ndarray]:
        """Values and controls of the training rows."""
        return self.data.x[0][: self.train], self.data.all_controls()[0][: self.train]

    @property
    def asked(self) -> tuple[np.ndarray, np.ndarray]:
        """The contexts `(origin, context, dim)`, and the controls of these and the rows ahead."""
        rows = self.origins[:, None] + np.arange(-self.context, self.horizon)
        return self.data.x[0][rows[:, : self.context]], self.data.all_controls()[0][rows]

    def contexts(self) -> ax.Sequences:
        """The contexts as series of their own, one an origin."""
        rows = self.origins[:, None] + np.arange(-self.context, 0)
        schema = self.data.schema
        return ax.Sequences.from_numpy(
            self.data.x[0][rows], times=self.data.times[0][rows], names=schema.values, calendar=schema.calendar
        )

    def scores(self, paths: Float[np.ndarray, "sample origin horizon dim"]) -> tuple[list[float], np.ndarray]:
        """Those of `SCORES`, and the CRPS of every lead, of paths."""
        truth, flat = self.truth, (len(self.truth), -1)
        by_lead = ax.metrics.crps(paths, truth, axis=(0, 2))
        energy = ax.metrics.energy_score(paths.reshape(len(paths), *flat), truth.reshape(flat))
        return [
            float(np.mean((paths.mean(0, dtype=float) - truth) ** 2)),
            float(np.mean(by_lead)),
            float(energy / np.sqrt(truth[0].size)),
            float(ax.metrics.spread_skill_ratio(paths, truth)),
            float(ax.metrics.coverage(paths, truth, level=0.9)),
        ], np.asarray(by_lead)


def electricity(steps: int) -> Task:
    """ETTh1 in the protocol of `benchmarks/etth1.py`, with two days of context."""
    data, horizon = etth1.load(), etth1.HORIZON
    origins = np.arange(etth1.FIRST, etth1.LAST, etth1.STRIDE)
    return Task(
        name="ETTh1, 24 hours ahead", unit="standard deviations", lead="hours ahead", data=data, train=etth1.TRAIN,
        held_out=etth1.TRAIN // 10, context=48, horizon=horizon, origins=origins, window=48 + 2 * horizon, scaled=True,
        season=24, steps=steps,
        truth=data.x[0][origins[:, None] + np.arange(horizon)],
    )  # fmt: skip
