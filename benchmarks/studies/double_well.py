"""A particle in two wells, seen now and then: a series whose next value has a known law with two peaks.

    dX = (X - X^3) dt + sigma dW,    x_k = X(2 k)

by Euler steps of 0.02. The law of x_{k+1} given x_k is that of a hundred such steps, by quadrature on a grid.
"""

import numpy as np

SIGMA, EULER, STEPS, GRID = 0.7, 0.02, 100, np.linspace(-3.2, 3.2, 321)
NOISE = SIGMA * np.sqrt(EULER)


def simulate(series: int, rows: int, seed: int) -> np.ndarray:
    """Series `(series, rows)`, begun in the wells and run in before the first row."""
    rng = np.random.default_rng(seed)
    x, found = rng.choice([-1.0, 1.0], series), []
    for row in range(-10, rows):
        for _ in range(STEPS):
            x = _drifted(x) + NOISE * rng.normal(size=series)
        if row >= 0:
            found.append(x)
    return np.stack(found, 1)


def density(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Density of the next value at y, given that this one is x; both `(n,)`."""
    return (_before_last(x) * _kernel(GRID, y).T).sum(1)


def distribution(x: np.ndarray) -> np.ndarray:
    """Probability that the next value lies below each point of `GRID`, `(n, grid)`."""
    below = np.cumsum(_before_last(x) @ _kernel(GRID, GRID), axis=1) * (GRID[1] - GRID[0])
    return below / below[:, -1:]


def _before_last(x: np.ndarray) -> np.ndarray:
    """Probabilities of the points of the grid one Euler step before the next value."""
    spacing = GRID[1] - GRID[0]
    between = np.linalg.matrix_power(_kernel(GRID, GRID) * spacing, STEPS - 2)
    return _kernel(x, GRID) * spacing @ between


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Density of an Euler step from every x to every y."""
    away = (y - _drifted(x)[:, None]) / NOISE
    return np.exp(-0.5 * away**2) / (NOISE * np.sqrt(2 * np.pi))


def _drifted(x: np.ndarray) -> np.ndarray:
    return x + EULER * (x - x**3)
