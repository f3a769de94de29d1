"""The last rows side by side: what a linear decoder reads."""

import numpy as np


def lagged(x: np.ndarray, lags: int) -> np.ndarray:
    """Every row of `(series, time, column)` with those before it, the latest first, zeros before the first."""
    past = [np.concatenate([np.zeros_like(x[:, :lag]), x[:, : x.shape[1] - lag]], 1) for lag in range(lags)]
    return np.concatenate(past, 2)
