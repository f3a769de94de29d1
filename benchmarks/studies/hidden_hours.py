"""ETTh1 with entries hidden at random, before 70 origins, and what plain methods make of it.

Standardised as in `etth1.py`. Everything is hidden by one draw an entry: what is hidden at a smaller share is hidden at
a larger one too.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
import etth1

import alternax as ax
from alternax import metrics

CONTEXT, HORIZON, SHOWN = 48, 24, 96


@dataclass(frozen=True)
class Hours:
    """The training rows, the `SHOWN` rows before every origin, what these are in full, and what follows them."""

    train: ax.Sequences
    test: ax.Sequences
    x: np.ndarray
    ahead: np.ndarray

    def hide(self, share: float, seed: int) -> "Hours":
        """The same with a share of the entries of both parts hidden."""
        rng = np.random.default_rng(seed)
        parts = [part.replace_x(part.x, rng.random(part.x.shape) >= share) for part in (self.train, self.test)]
        return Hours(*parts, self.x, self.ahead)

    def hidden(self) -> np.ndarray:
        """What the entries were that are hidden in the last `CONTEXT` rows before the origins, NaN elsewhere."""
        last = np.arange(SHOWN)[:, None] >= SHOWN - CONTEXT
        return np.where(self.test.observed | ~last, np.nan, self.x)


def load() -> Hours:
    """Nothing hidden."""
    data, origins = etth1.load(), np.arange(etth1.FIRST, etth1.LAST, etth1.STRIDE)
    rows = origins[:, None] + np.arange(-SHOWN, HORIZON)
    x, times = data.x[0][rows], data.times[0][rows[:, :SHOWN]]
    test = ax.Sequences.from_numpy(x[:, :SHOWN], times=list(times), calendar=data.schema.calendar)
    return Hours(data.rows(0, etth1.TRAIN), test, x[:, :SHOWN], x[:, SHOWN:])


def lines_between(x: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Windows (window, time, channel) with their hidden entries interpolated, the ends held."""
    filled, rows = np.zeros_like(x), np.arange(x.shape[1])
    for i, channel in np.argwhere(seen.any(1)):
        known = seen[i, :, channel]
        filled[i, :, channel] = np.interp(rows, rows[known], x[i, known, channel])
    return filled


def before(x: np.ndarray, seen: np.ndarray) -> dict[str, np.ndarray]:
    """Forecasts of windows by their last values, and by those a day before."""
    rows = np.where(seen, np.arange(CONTEXT)[:, None], 0).max(1, keepdims=True)
    last = np.broadcast_to(np.take_along_axis(x, rows, 1), (len(x), HORIZON, x.shape[2]))
    days = [np.where(seen[:, first:][:, :HORIZON], x[:, first:][:, :HORIZON], np.nan) for first in (HORIZON, 0)]
    seasonal = np.where(np.isnan(days[0]), days[1], days[0])
    return {"last value seen": last, "value a day before": np.where(np.isnan(seasonal), last, seasonal)}


def linear(train: Sequence[np.ndarray], test: Sequence[np.ndarray], penalty: float = 1e-4) -> np.ndarray:
    """One ridge regression for all channels on completed windows less their last value, hidden targets left out."""
    by_channel = lambda a: a.transpose(0, 2, 1).reshape(-1, a.shape[1])  # noqa: E731
    starts = np.arange(0, etth1.TRAIN - CONTEXT - HORIZON, 3)[:, None] + np.arange(CONTEXT + HORIZON)
    x, seen = (a[starts] for a in train)
    past, now = by_channel(lines_between(x[:, :CONTEXT], seen[:, :CONTEXT])), by_channel(lines_between(*test))
    ahead, known = by_channel(x[:, CONTEXT:]) - past[:, -1:], by_channel(seen[:, CONTEXT:])
    past, level = past - past[:, -1:], now[:, -1:]
    found = np.empty((len(now), HORIZON))
    for lead in range(HORIZON):
        rows = past[known[:, lead]]
        gram = rows.T @ rows + penalty * len(rows) * np.eye(CONTEXT)
        found[:, lead] = (now - level) @ np.linalg.solve(gram, rows.T @ ahead[known[:, lead], lead])
    return (found + level).reshape(len(test[0]), -1, HORIZON).transpose(0, 2, 1)


def plain(hours: Hours) -> dict[str, tuple[float, float, float]]:
    """CRPS and MSE of the forecasts, RMSE of the hidden entries; NaN where there is none."""
    shown, hidden = (hours.test.x, hours.test.observed), hours.hidden()
    last = [part[:, -CONTEXT:] for part in shown]
    forecasts = before(*last) | {"ridge": linear((hours.train.x[0], hours.train.observed[0]), last)}
    scores = {k: (metrics.mae(v, hours.ahead), metrics.rmse(v, hours.ahead) ** 2, np.nan) for k, v in forecasts.items()}
    gaps = np.nan if np.isnan(hidden).all() else metrics.rmse(lines_between(*shown), hidden)
    return scores | {"lines between": (np.nan, np.nan, gaps)}
