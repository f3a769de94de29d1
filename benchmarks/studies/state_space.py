"""Linear-Gaussian state-space laws in NumPy: what is known exactly of simulated data, and the plain baselines.

s_t = A s_{t-1} + N(0, Q), x_t = C s_t + N(0, R). A vector autoregression of order p is one with the last p rows as its
state and R = 0; persistence is that of order 1 with A = I, the mean that with A = 0.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class StateSpace:
    """A, C, Q and R; `start` is the covariance of the state at the first row, its mean is 0."""

    transition: Float[np.ndarray, "state state"]
    observation: Float[np.ndarray, "column state"]
    transition_noise: Float[np.ndarray, "state state"]
    observation_noise: Float[np.ndarray, "column column"]
    start: Float[np.ndarray, "state state"]

    def filter(self, x: Float[np.ndarray, "series row column"]) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
        """log p(x_t | x_{<t}) `(series, row)`; mean `(series, row, state)` and covariance by row of s_t | x_{<=t}."""
        mean, covariance = np.zeros((len(x), len(self.transition))), self.start
        density, means, covariances = [], [], []
        for t in range(x.shape[1]):
            if t:
                mean = mean @ self.transition.T
                covariance = self.transition @ covariance @ self.transition.T + self.transition_noise
            spread = self.observation @ covariance @ self.observation.T + self.observation_noise
            rest = x[:, t] - mean @ self.observation.T
            weighed = np.linalg.solve(spread, rest.T).T
            density.append(-0.5 * ((rest * weighed).sum(1) + np.linalg.slogdet(2 * np.pi * spread)[1]))
            gain = covariance @ self.observation.T
            mean = mean + weighed @ gain.T
            covariance = covariance - gain @ np.linalg.solve(spread, gain.T)
            means.append(mean)
            covariances.append(covariance)
        return np.stack(density, 1), np.stack(means, 1), covariances

    def paths(
        self, mean: np.ndarray, covariance: np.ndarray, horizon: int, samples: int, seed: int = 0
    ) -> Float[np.ndarray, "sample series lead column"]:
        """Draws of the rows ahead of a state with this law, one mean a series."""
        rng = np.random.default_rng(seed)
        # A covariance that is all but 0 is not positive to the last digit.
        form, shape = {"method": "eigh", "check_valid": "ignore"}, (samples, len(mean))
        noise = lambda law: rng.multivariate_normal(np.zeros(len(law)), (law + law.T) / 2, shape, **form)  # noqa: E731
        state, rows = mean + noise(covariance), []
        for _ in range(horizon):
            state = state @ self.transition.T + noise(self.transition_noise)
            rows.append(state @ self.observation.T + noise(self.observation_noise))
        return np.stack(rows, 2)


def autoregression(x: Float[np.ndarray, "series row column"], order: int, ridge: float = 1.0) -> StateSpace:
    """The vector autoregression of this order by ridge regression; of order 0 the law of single rows around 0."""
    if order == 0:
        flat = x.reshape(-1, x.shape[-1])
        return _of_rows(np.zeros((x.shape[-1], x.shape[-1])), flat.T @ flat / len(flat))
    design, target = lagged(x, order)
    gram = design.T @ design + ridge * np.eye(design.shape[1])
    weights = np.linalg.solve(gram, design.T @ target)
    rest = target - design @ weights
    return _of_rows(weights.T, rest.T @ rest / len(rest))


def persistence(x: Float[np.ndarray, "series row column"]) -> StateSpace:
    """The last row again, with the noise of one step from row to row."""
    steps = np.diff(x, axis=1).reshape(-1, x.shape[-1])
    return _of_rows(np.eye(x.shape[-1]), steps.T @ steps / len(steps))


def lagged(x: Float[np.ndarray, "series row column"], order: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the last `order` rows, the latest first, and the rows that follow them."""
    rows = x.shape[1] - order
    past = [x[:, order - lag : order - lag + rows] for lag in range(1, order + 1)]
    return np.concatenate(past, 2).reshape(-1, order * x.shape[-1]), x[:, order:].reshape(-1, x.shape[-1])


def _of_rows(weights: np.ndarray, covariance: np.ndarray) -> StateSpace:
    """The companion form; what came before the first row is as uncertain as rows of standardised data are."""
    columns, state = weights.shape
    shift = np.eye(state, k=-columns)
    shift[:columns] = weights
    noise = np.zeros((state, state))
    noise[:columns, :columns] = covariance
    return StateSpace(shift, np.eye(columns, state), noise, np.zeros((columns, columns)), 4.0 * np.eye(state))
