"""What forecasts must beat: climatology, persistence and a linear autoregression, as ensembles of any gappy data.

All are fitted on the rows before the first origin. Their draws are dressed with errors made there, column by column,
and the mean of the draws is exactly each method's point forecast, free of sampling noise.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from alternax.data.calendar import default_calendar
from alternax.data.sequences import Sequences
from alternax.data.times import to_local

Rows = Float[np.ndarray, "series time feature"]
Paths = Float[np.ndarray, "sample series origin lead feature"]
LAGS, OTHERS, PAIRS = 12, 16, 5000  # own last rows, columns that also see each other's last, rows fitted at most


@dataclass(frozen=True, eq=False)
class Task:
    """What is forecast.

    Args:
        x: Values of the columns that are scored, NaN where missing.
        seasons: Season of every row, by name of the division.
        origins: Rows known before each forecast.
        horizon: Rows ahead.
        samples: Draws.
        seed: Seed of the draws.
    """

    x: Rows
    seasons: dict[str, Int[np.ndarray, "series time"]]
    origins: Int[np.ndarray, "origin"]
    horizon: int
    samples: int
    seed: int

    @property
    def train(self) -> int:
        """Rows that the methods are fitted on."""
        return int(self.origins[0])

    @property
    def rows(self) -> Int[np.ndarray, "origin lead"]:
        """The rows forecast."""
        return self.origins[:, None] + np.arange(self.horizon)

    @property
    def possible(self) -> bool:
        """Whether every column has enough values before the first origin."""
        return self.train > self.horizon + 1 and bool((np.isfinite(self.x[:, : self.train]).sum((0, 1)) >= 3).all())

    @cached_property
    def scale(self) -> Float[np.ndarray, "feature"]:
        """Standard deviation of each column before the first origin, 1 where it is constant."""
        deviation = np.nanstd(self.x[:, : self.train], axis=(0, 1))
        return np.where(deviation > 0, deviation, 1.0)

    @cached_property
    def normal(self) -> tuple[str, Rows]:
        """The division into seasons that predicts best, each row left out of its own mean; the mean of every row."""
        found = {name: _normal(self.x, season, self.train) for name, season in self.seasons.items()}
        name = min(found, key=lambda name: np.nanmean((found[name][1] / self.scale) ** 2))
        return name, found[name][0]


def task(panel: Sequences, origins: np.ndarray, horizon: int, samples: int, seed: int) -> Task:
    """The task of a panel of equally long series."""
    x = np.where(panel.observed, panel.x, np.nan)[..., panel.scored]
    return Task(x, seasons(panel), origins, horizon, samples, seed)


def seasons(panel: Sequences) -> dict[str, Int[np.ndarray, "series time"]]:
    """The divisions of the year, week and day that data of this step can follow."""
    found = {"mean": np.zeros(panel.times.shape, int)}
    names = default_calendar(panel.schema.step) if panel.schema.time_kind == "datetime" else ()
    index = pd.DatetimeIndex(to_local(panel.times, panel.schema.timezone).ravel())
    parts = {"hour": index.hour, "weekday": index.day_of_week, "day_of_year": index.month, "month": index.month}
    for name in names:
        what = "month" if name == "day_of_year" else name
        found[f"mean of the {what}"] = parts[name].to_numpy().reshape(panel.times.shape)
    if "hour" in names:
        found["mean of the hour of the week"] = (
            (24 * index.day_of_week + index.hour).to_numpy().reshape(panel.times.shape)
        )
    return found


def ensembles(task: Task) -> Iterator[tuple[str, Paths]]:
    """One method after the other, by name."""
    rng = np.random.default_rng(task.seed)
    yield "climatology", climatology(task, rng)
    yield "persistence", persistence(task, rng)
    yield "linear autoregression", autoregression(task, rng)


def climatology(task: Task, rng: np.random.Generator) -> Paths:
    """Values of the same season before the first origin."""
    name, mean = task.normal
    season, paths = task.seasons[name], _empty(task)
    for series, column in np.ndindex(task.x.shape[0], task.x.shape[2]):
        past = task.x[series, : task.train, column]
        ahead = season[series][task.rows]
        for s in np.unique(ahead):
            pool = past[(season[series, : task.train] == s) & np.isfinite(past)]
            place = ahead == s
            pool = pool if len(pool) else _anything(task.x[:, : task.train, column], past)
            paths[:, series, place, column] = rng.choice(pool, (task.samples, place.sum()))
    return _centred(paths, mean[:, task.rows])


def persistence(task: Task, rng: np.random.Generator) -> Paths:
    """The last value known stays, dressed with the changes over as many rows before the first origin."""
    last = _held(task.x, task.normal[1])[:, task.origins - 1]
    paths = _empty(task)
    for lead in range(1, task.horizon + 1):
        change = task.x[:, lead : task.train] - task.x[:, : task.train - lead]
        paths[:, :, :, lead - 1] = _drawn(change, paths.shape[:3], rng)
    return _centred(paths, np.broadcast_to(last[:, :, None], paths.shape[1:]))


def autoregression(task: Task, rng: np.random.Generator) -> Paths:
    """Least squares from a column's last rows (and few columns' last) to each lead, on departures from climatology.

    One regression a lead and column, all series together, with a ridge of weight 1 on standardised values; a missing
    value is taken to be the one before.
    """
    normal = task.normal[1]
    departure = (task.x - normal) / task.scale
    held = _held(departure, np.zeros_like(departure))
    lags = max(1, min(LAGS, task.train // 10))
    paths, mean = _empty(task), np.empty((task.x.shape[0], *task.rows.shape, task.x.shape[2]))
    for column in range(task.x.shape[2]):
        inputs = _inputs(held, column, lags)
        for lead in range(task.horizon):
            weights, error = _least_squares(inputs, departure[..., column], lags, lead, task.train)
            mean[:, :, lead, column] = inputs[:, task.origins - 1] @ weights
            paths[:, :, :, lead, column] = rng.choice(error, paths.shape[:3]) * task.scale[column]
    return _centred(paths, mean * task.scale + normal[:, task.rows])


def _normal(x: Rows, season: np.ndarray, train: int) -> tuple[Rows, Rows]:
    """Mean of every row's season over the training rows, and the training rows' departures from that of the others."""
    past, seen = x[:, :train], np.isfinite(x[:, :train])
    whole = np.nansum(past, axis=(0, 1)) / np.maximum(seen.sum((0, 1)), 1)
    mean, error = np.empty_like(x), np.full_like(past, np.nan)
    for i in range(len(x)):
        own = np.where(seen[i].any(0), np.nansum(past[i], axis=0) / np.maximum(seen[i].sum(0), 1), whole)
        for s in np.unique(season[i]):
            rows, ahead = np.flatnonzero(season[i, :train] == s), season[i] == s
            count, total = seen[i, rows].sum(0), np.nansum(past[i, rows], axis=0)
            mean[i, ahead] = np.where(count > 0, total / np.maximum(count, 1), own)
            others = np.where(count > 1, (total - past[i, rows]) / np.maximum(count - 1, 1), whole)
            error[i, rows] = past[i, rows] - others
    return mean, error


def _held(x: Rows, start: Rows) -> Rows:
    """The last value known at every row; before the first, `start`."""
    rows = np.arange(x.shape[1])[None, :, None]
    last = np.maximum.accumulate(np.where(np.isfinite(x), rows, -1), axis=1)
    return np.where(last >= 0, np.take_along_axis(x, np.maximum(last, 0), axis=1), start)


def _inputs(held: Rows, column: int, lags: int) -> Float[np.ndarray, "series time input"]:
    """At every row: 1, the column's last values, and the last of the other columns if they are few."""
    own = np.stack([np.pad(held[:, : held.shape[1] - i, column], ((0, 0), (i, 0))) for i in range(lags)], axis=-1)
    others = np.delete(held, column, axis=2) if held.shape[2] <= OTHERS else held[..., :0]
    return np.concatenate([np.ones((*held.shape[:2], 1)), own, others], axis=-1)


def _least_squares(
    inputs: np.ndarray, wanted: Float[np.ndarray, "series time"], lags: int, lead: int, train: int
) -> tuple[np.ndarray, np.ndarray]:
    """Weights from the inputs of a row to the value `lead + 1` rows later, and the errors made, unbiased in size."""
    first = min(lags - 1, train - lead - 2)
    a = inputs[:, first : train - lead - 1].reshape(-1, inputs.shape[-1])
    y = wanted[:, first + lead + 1 : train].ravel()
    known = np.flatnonzero(np.isfinite(y))[-PAIRS:]
    if len(known) == 0:
        return np.zeros(inputs.shape[-1]), np.nan_to_num(wanted[:, :train].ravel())
    a, y = a[known], y[known]
    weights = np.linalg.solve(a.T @ a + np.eye(a.shape[1]), a.T @ y)
    return weights, (y - a @ weights) * np.sqrt(len(y) / max(len(y) - a.shape[1], 1))


def _drawn(change: Rows, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Changes drawn at random, `(sample, series, origin, feature)`; where a series has none, those of all."""
    drawn = np.empty((*shape, change.shape[2]))
    for series, column in np.ndindex(change.shape[0], change.shape[2]):
        pool = change[series, :, column]
        pool = _anything(change[..., column], pool)
        drawn[:, series, :, column] = rng.choice(pool, (shape[0], shape[2]))
    return drawn


def _anything(all_series: np.ndarray, own: np.ndarray) -> np.ndarray:
    """The known values of a series, else of all, else a single 0."""
    for pool in (own[np.isfinite(own)], all_series[np.isfinite(all_series)]):
        if len(pool):
            return pool
    return np.zeros(1)


def _empty(task: Task) -> Paths:
    return np.empty((task.samples, task.x.shape[0], len(task.origins), task.horizon, task.x.shape[2]))


def _centred(paths: Paths, mean: np.ndarray) -> Paths:
    """The paths moved such that their mean is `mean`, in place; the spread stays that of the draws."""
    paths += mean - paths.mean(0)
    return paths
