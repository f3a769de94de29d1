"""Probabilities and levels asked of a result."""

from collections.abc import Callable, Sequence

import numpy as np

from alternax.core.errors import InputError

# Probabilities at which a law is drawn: np.quantile of quantiles at k / 200 meets levels of two digits exactly.
DRAWN = np.clip(np.arange(201) / 200, 1e-3, 1 - 1e-3)


def probabilities(q: float | Sequence[float]) -> np.ndarray:
    """The probabilities asked for.

    Raises:
        InputError: If one is outside 0 to 1.
    """
    asked = np.asarray(q, float)
    if not ((asked >= 0) & (asked <= 1)).all():
        raise InputError(f"quantile: expected probabilities between 0 and 1, found {q}")
    return asked


def open_probabilities(q: float | Sequence[float]) -> np.ndarray:
    """The same for a law without ends, which has no quantiles at 0 and 1.

    Raises:
        InputError: If one is not strictly between 0 and 1.
    """
    asked = np.asarray(q, float)
    if not ((asked > 0) & (asked < 1)).all():
        raise InputError(f"quantile: expected probabilities above 0 and below 1, found {q}")
    return asked


def central(quantile: Callable[[list[float]], np.ndarray], level: float) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper end of the central interval of probability `level`.

    Raises:
        InputError: If the level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise InputError(f"interval: expected a level between 0 and 1, found {level}")
    low, high = quantile([(1 - level) / 2, (1 + level) / 2])
    return low, high
