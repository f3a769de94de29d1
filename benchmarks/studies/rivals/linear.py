"""Linear and plain forecasters that give sample paths: their errors in training, drawn again.

All take a series `(time, dim)` and are asked for paths after contexts `(origin, rows, dim)`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

Series = Float[np.ndarray, "time dim"]
Contexts = Float[np.ndarray, "origin rows dim"]
Paths = Float[np.ndarray, "sample origin horizon dim"]


@dataclass(frozen=True)
class Vector:
    """A vector autoregression x_t = [x_{t-1}, ..., x_{t-lags}, c_t, 1] B + e, e a residual of the training drawn again.

    Args:
        weights: B.
        residuals: Those of the training rows.
        lags: Rows that it reads.
    """

    weights: np.ndarray
    residuals: np.ndarray
    lags: int

    @classmethod
    def fit(cls, x: Series, controls: np.ndarray, lags: int, ridge: float) -> "Vector":
        """Ridge regression, its penalty a share of the mean square of the inputs."""
        past = np.concatenate([x[lags - lag : len(x) - lag] for lag in range(1, lags + 1)], axis=1)
        design = np.concatenate([past, controls[lags:], np.ones((len(past), 1))], axis=1)
        weights = _ridge(design, x[lags:], ridge)
        return cls(weights, x[lags:] - design @ weights, lags)

    @property
    def size(self) -> int:
        """Numbers learned."""
        return self.weights.size

    def sample(
        self, contexts: Contexts, horizon: int, samples: int, rng: np.random.Generator, *, controls: np.ndarray
    ) -> Paths:
        """Row by row, every path on its own."""
        count, rows, dim = contexts.shape
        path = np.broadcast_to(contexts[None, :, -self.lags :], (samples, count, self.lags, dim))
        for lead in range(horizon):
            newest_first = path[:, :, : -self.lags - 1 : -1].reshape(samples, count, -1)
            beside = np.broadcast_to(controls[:, rows + lead], (samples, count, controls.shape[-1]))
            design = np.concatenate([newest_first, beside, np.ones((samples, count, 1))], axis=-1)
            drawn = self.residuals[rng.integers(len(self.residuals), size=(samples, count))]
            path = np.concatenate([path, (design @ self.weights + drawn)[:, :, None]], axis=2)
        return path[:, :, self.lags :]


@dataclass(frozen=True)
class Dressed:
    """A forecast rule, and the errors that it made over whole horizons of the training rows, drawn again.

    Args:
        rule: From contexts to forecasts `(origin, horizon, dim)`.
        errors: Error paths of the training, `(window, horizon, dim)`.
        size: Numbers learned.
    """

    rule: Callable[[np.ndarray], np.ndarray]
    errors: np.ndarray
    size: int = 0

    def sample(
        self, contexts: Contexts, horizon: int, samples: int, rng: np.random.Generator, *, controls: np.ndarray
    ) -> Paths:
        """The forecast, and an error path each."""
        drawn = rng.integers(len(self.errors), size=(samples, len(contexts)))
        return self.rule(contexts) + self.errors[drawn]


def dressed(rule: Callable[[np.ndarray], np.ndarray], x: Series, context: int, horizon: int, size: int = 0) -> Dressed:
    """The rule with its errors on all windows of the series."""
    past, ahead = windows(x, context, horizon)
    return Dressed(rule, ahead - rule(past), size)


def persistence(horizon: int) -> Callable[[np.ndarray], np.ndarray]:
    """The last row stays."""
    return lambda past: np.repeat(past[:, -1:], horizon, axis=1)


def seasonal(horizon: int, season: int) -> Callable[[np.ndarray], np.ndarray]:
    """The rows of the last season again."""
    return lambda past: past[:, -season:][:, np.arange(horizon) % season]


def nlinear(x: Series, context: int, horizon: int, ridge: float) -> Callable[[np.ndarray], np.ndarray]:
    """One ridge regression for all columns, on the context less its last row."""
    past, ahead = windows(x, context, horizon)
    flat = lambda a: a.transpose(0, 2, 1).reshape(-1, a.shape[1])  # noqa: E731
    last = past[:, -1:]
    weights = _ridge(flat(past - last), flat(ahead - last), ridge)
    apply = lambda past: np.einsum("olc,lh->ohc", past - past[:, -1:], weights) + past[:, -1:]  # noqa: E731
    return apply


def windows(x: Series, context: int, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Contexts and what followed them, from every row on (every third of a long series)."""
    starts = np.arange(0, len(x) - context - horizon + 1, 3 if len(x) > 1000 else 1)
    rows = starts[:, None] + np.arange(context + horizon)
    return x[rows[:, :context]], x[rows[:, context:]]


def _ridge(design: np.ndarray, target: np.ndarray, ridge: float) -> np.ndarray:
    """Coefficients; the penalty is `ridge` times the mean square of the inputs, for each of them the same."""
    gram = design.T @ design
    penalty = ridge * np.trace(gram) / len(gram) * np.eye(len(gram))
    return np.linalg.solve(gram + penalty, design.T @ target)
