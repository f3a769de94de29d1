"""What the forecasters are compared on: ETTh1 a day ahead, and HadISST one to six months ahead.

A task holds the columns that the models are shown, where forecasts start, and how their paths are scored.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import etth1
import numpy as np
from jaxtyping import Float
from persistence import damped_persistence

import alternax as ax
from alternax.data import cells
from alternax.data.datasets import hadisst
from alternax.demo import baselines, sea_surface

SAMPLES, PATTERNS, WIND_PATTERNS = 100, 12, 6
SCORES = ("MSE", "CRPS", "energy score", "spread-skill ratio", "inside the 90 % interval")


@dataclass(frozen=True)
class Task:
    """One comparison.

    Args:
        name: What it is called.
        lead: The unit of the leads.
        yardstick: The plain forecast that the figure compares with.
        data: One series of the columns shown, with calendar controls.
        train: Its first rows, for training; the last `held_out` of them judge trainings.
        held_out: See there.
        context: Rows known before an origin.
        horizon: Rows ahead.
        origins: First rows of the forecasts.
        window: Rows of a training window of models that run through the rows.
        scaled: Whether models scale every context by itself.
        season: Rows of a season that naive forecasts repeat; None if the data are anomalies from it.
        steps: Optimiser steps of every training.
        field: From paths of the columns shown to paths of those scored.
        truth: What happened, `(origin, horizon, column scored)`.
        plain: From a seed to paths of the columns scored that need no columns shown, by name.
    """

    name: str
    lead: str
    yardstick: str
    data: ax.Sequences
    train: int
    held_out: int
    context: int
    horizon: int
    origins: np.ndarray
    window: int
    scaled: bool
    season: int | None
    steps: int
    field: Callable[[np.ndarray], np.ndarray]
    truth: np.ndarray
    plain: Callable[[int], dict[str, np.ndarray]]

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
        """Those of `SCORES`, and the CRPS of every lead, of paths of the columns scored."""
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
        name="ETTh1, 24 hours ahead", lead="hours ahead", yardstick="NLinear", data=data, train=etth1.TRAIN,
        held_out=etth1.TRAIN // 10, context=48, horizon=horizon, origins=origins, window=48 + 2 * horizon, scaled=True,
        season=24, steps=steps, field=lambda paths: paths, truth=data.x[0][origins[:, None] + np.arange(horizon)],
        plain=lambda seed: {},
    )  # fmt: skip


def sea_surface_temperature(steps: int) -> Task:
    """HadISST in the protocol of the demo: patterns of temperature and winds, found in the training years.

    Models forecast the coordinates of the patterns, each group over the spread of its first one.
    """
    data = hadisst(winds=True).with_calendar("month")
    train, horizon = sea_surface.TRAIN_ROWS, sea_surface.HORIZON
    anomalies = ax.SeasonalAnomaly("month").fit(data.rows(0, train)).apply(data)
    ocean, weights = cells.variables(data.schema) == "sst", cells.area_weights(data.schema)
    fit = lambda count, columns: ax.Patterns.fit(  # noqa: E731
        anomalies.rows(0, train), count, columns=columns, weights=weights
    )
    temperature, winds = fit(PATTERNS, ocean), fit(WIND_PATTERNS, ~ocean)
    coordinates = [patterns.coordinates(anomalies.x[0]) for patterns in (temperature, winds)]
    sizes = [values[:train, 0].std() for values in coordinates]
    shown = np.concatenate([values / size for values, size in zip(coordinates, sizes, strict=True)], axis=1)
    field, basis = anomalies.x[0][:, ocean], sizes[0] * temperature.basis[:, ocean]
    asked = baselines.Task(field, train, train + np.arange(sea_surface.ORIGINS), horizon, SAMPLES)
    rest = damped_persistence(replace(asked, field=field - shown[:, :PATTERNS] @ basis), np.random.default_rng(0))
    return Task(
        name="HadISST, 1 to 6 months ahead", lead="months ahead", yardstick="damped persistence",
        data=ax.Sequences.from_numpy(shown, times=data.times[0], calendar=("month",)), train=train, held_out=50,
        context=24, horizon=horizon, origins=asked.origins, window=36, scaled=False, season=None, steps=steps,
        field=lambda paths: (paths[..., :PATTERNS] @ basis + rest).astype(np.float32), truth=field[asked.rows],
        plain=lambda seed: _plain(asked, weights[ocean], np.random.default_rng(seed)),
    )  # fmt: skip


def _plain(task: baselines.Task, weight: np.ndarray, rng: np.random.Generator) -> dict[str, baselines.Paths]:
    """The demo's baselines on all cells, and damped persistence of the cells themselves."""
    return baselines.ensembles(task, weight, rng) | {"damped persistence": damped_persistence(task, rng)}
