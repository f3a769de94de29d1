"""Lorenz-63 seen through a fixed random nonlinear map: the states are known, the observations as noisy as asked for.

    ds/dt = (10 (s2 - s1), s1 (28 - s3) - s2, s1 s2 - 8/3 s3)
    h(s) = W2 tanh(W1 s + b), every channel of mean 0 and variance 1 over the training states
    x = h(s) + sd e, e ~ N(0, I);  or spikes: x = sqrt(n), n ~ Poisson(rate exp(h(s)) / mean exp(h))

The map is one for all seeds; starts of the series and noise are drawn anew with every seed. Also the plain baselines of
the studies that share these data, ridge regression on the last rows with a Gaussian law of its errors, and how medians
and ranges over seeds are written and drawn.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from lagged import lagged

import alternax as ax

CHANNELS, HIDDEN, DT, SUBSTEPS, TRANSIENT = 20, 32, 0.02, 10, 500
LAGS, PENALTIES = (1, 4, 16, 32), (1.0, 10.0, 100.0, 1e3, 1e4)


class Observed(NamedTuple):
    """Series of observations and of the true states, and which of them are for what.

    Attributes:
        x: Observations.
        z: States, of mean 0 and variance 1 over the training series.
        clean: h(z).
        train: Series that train.
    """

    x: Float[np.ndarray, "series time channel"]
    z: Float[np.ndarray, "series time 3"]
    clean: Float[np.ndarray, "series time channel"]
    train: Bool[np.ndarray, "series"]

    @property
    def judged(self) -> Bool[np.ndarray, "series"]:
        """Training series that choices are made on, the last quarter."""
        return self.train & (np.cumsum(self.train) > 0.75 * self.train.sum())


@cache
def states(series: int, rows: int, seed: int) -> Float[np.ndarray, "series time 3"]:
    """Paths on the attractor in the units of the system, sampled every `DT`."""

    def flow(s):
        return np.stack([10 * (s[1] - s[0]), s[0] * (28 - s[2]) - s[1], s[0] * s[1] - 8 / 3 * s[2]])

    start = np.random.default_rng(seed).normal((0.0, 0.0, 27.0), (8.0, 8.0, 5.0), (series, 3)).T
    path = ax.simulators.rk4(flow, start, DT / SUBSTEPS, (TRANSIENT + rows - 1) * SUBSTEPS)
    return path[TRANSIENT * SUBSTEPS :: SUBSTEPS].transpose(2, 0, 1)


def observed(law: str, level: float, seed: int, *, train: int, test: int, rows: int) -> Observed:
    """`law` "gauss" with standard deviation `level`, or "spikes" with a mean of `level` in a row and channel."""
    path = states(train + test, rows, seed)
    z = (path - path[:train].mean((0, 1))) / path[:train].std((0, 1))
    fixed, rng = np.random.default_rng(1000), np.random.default_rng(seed)
    inner, bias = fixed.normal(size=(3, HIDDEN)), fixed.uniform(-1, 1, HIDDEN)
    clean = np.tanh(z @ inner + bias) @ fixed.normal(size=(HIDDEN, CHANNELS))
    clean = (clean - clean[:train].mean((0, 1))) / clean[:train].std((0, 1))
    if law == "gauss":
        x = clean + level * rng.normal(size=clean.shape)
    else:
        shape = np.exp(clean)
        x = np.sqrt(rng.poisson(level * shape / shape[:train].mean((0, 1))))
    return Observed(x, z, clean, np.arange(train + test) < train)


def scores(decoded: np.ndarray, truth: np.ndarray, variance: np.ndarray) -> tuple[float, float]:
    """Squared error in units of each coordinate's `variance`, and R2 on these rows, both means over coordinates."""
    squared = ((decoded - truth) ** 2).reshape(-1, truth.shape[-1]).mean(0)
    spread = truth.reshape(-1, truth.shape[-1]).var(0)
    return float((squared / variance).mean()), float((1 - squared / spread).mean())


def ridge(
    x: np.ndarray, y: np.ndarray, fit: np.ndarray, judge: np.ndarray, lags: tuple[int, ...] = LAGS
) -> tuple[np.ndarray, tuple[int, float]]:
    """y at all rows from the last rows of x, and the lags and penalty that were best on the rows `judge`.

    The rows `judge` are answered by the regression that has not seen them, all others by one on `fit` and `judge`.

    Args:
        x: Observations `(series, time, channel)`.
        y: What is asked for `(series, time, dim)`.
        fit: Rows `(series, time)` to fit on while choosing.
        judge: Rows to choose by; both fit the final regression.
        lags: Numbers of rows to choose from.
    """
    found = []
    for count in lags:
        design = lagged(x, count)
        for penalty, answer in zip(PENALTIES, _regressions(design, y, fit, PENALTIES), strict=True):
            found.append((float(((answer - y)[judge] ** 2).mean()), count, penalty, answer[judge]))
    _, count, penalty, rehearsed = min(found, key=lambda one: one[0])
    answer = _regressions(lagged(x, count), y, fit | judge, (penalty,))[0]
    answer[judge] = rehearsed
    return answer, (count, penalty)


def parts(data: Observed, first: int = 0) -> tuple[Bool[np.ndarray, "series time"], Bool[np.ndarray, "series time"]]:
    """Rows to fit on and rows to choose by, of the training series from row `first` on."""
    late = np.arange(data.x.shape[1]) >= first
    return (data.train & ~data.judged)[:, None] & late, data.judged[:, None] & late


def ridge_states(data: Observed, first: int = 0) -> tuple[float, float]:
    """Scores of the states by ridge regression, on the test series from row `first` on."""
    answer, _ = ridge(data.x, data.z, *parts(data, first))
    return scores(answer[~data.train, first:], data.z[~data.train, first:], np.ones(3))


def _regressions(design: np.ndarray, y: np.ndarray, rows: np.ndarray, penalties: tuple[float, ...]) -> list[np.ndarray]:
    centre, middle = design[rows].mean(0), y[rows].mean(0)
    wide, tall = design[rows] - centre, y[rows] - middle
    gram, moment = wide.T @ wide, wide.T @ tall
    weights = (np.linalg.solve(gram + penalty * np.eye(len(gram)), moment) for penalty in penalties)
    return [(design - centre) @ weight + middle for weight in weights]


def one_step(data: Observed, predicted: np.ndarray, first: int) -> tuple[float, float, float]:
    """Log-density an entry, CRPS, and share inside bands of 90 %, on the test series from row `first` on.

    The law is Gaussian around `predicted`, its standard deviation that of the errors on the judged training series
    (which `ridge` answers without having seen them) at the same row, since the first rows have little to go by.

    Args:
        data: The observations.
        predicted: A prediction of every row `(series, time, channel)` from the rows before it.
        first: Row from which forecasts are scored.
    """
    error = (data.x - predicted)[:, first:]
    spread = np.sqrt((error[data.judged] ** 2).mean((0, 2)))[None, :, None]
    test = error[~data.train]
    score = ax.metrics.crps_gaussian(np.zeros_like(test), np.broadcast_to(spread, test.shape), test)
    return log_density(test, spread), float(np.mean(score)), float((np.abs(test) < 1.6449 * spread).mean())


def log_density(error: np.ndarray, spread: np.ndarray) -> float:
    """Mean of the Gaussian log-density, in nats an entry."""
    return float((-0.5 * (error / spread) ** 2 - np.log(spread) - 0.5 * np.log(2 * np.pi)).mean())


def cell(values: list[float], digits: int = 3) -> str:
    """Median and range."""
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{np.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def band(panel: Any, places: Sequence[float], values: np.ndarray, label: str, look: dict[str, Any]) -> None:
    """A line through the medians of `values` (place, seed), and a band over their range."""
    panel.plot(places, np.median(values, 1), label=label, **({"marker": "o", "ms": 4} | look))
    panel.fill_between(places, values.min(1), values.max(1), color=look["color"], alpha=0.15, lw=0)
