"""Mean and standard deviation of the observed entries, safe for constant and silent columns."""

import numpy as np
from jaxtyping import Bool, Float

ROUNDING = 1e-12


def moments(
    x: Float[np.ndarray, "*shape"], seen: Bool[np.ndarray, "*shape"], axes: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the entries seen, 0 where there are none; a deviation of rounding errors is 0.

    The mean of equal entries is that entry to the last bit: what a mean of 1e30 is rounded by is no small number.
    """
    count = np.maximum(seen.sum(axes, keepdims=True), 1)
    mean = np.where(seen, x, 0.0).sum(axes, keepdims=True) / count
    lowest = np.where(seen, x, np.inf).min(axes, keepdims=True, initial=np.inf)
    highest = np.where(seen, x, -np.inf).max(axes, keepdims=True, initial=-np.inf)
    mean = np.where(lowest == highest, lowest, mean)
    centred = np.where(seen, x - mean, 0.0)
    peak = np.abs(centred).max(axes, keepdims=True, initial=0.0)
    # In units of the largest deviation, so that squares neither overflow nor vanish.
    unit = np.where(peak > 0, peak, 1.0)
    deviation = unit * np.sqrt(((centred / unit) ** 2).sum(axes, keepdims=True) / count)
    deviation = np.where(deviation > ROUNDING * np.abs(mean), deviation, 0.0)
    return mean.squeeze(axes), deviation.squeeze(axes)


def constant_scale(level: np.ndarray) -> np.ndarray:
    """The scale of a column that is constant but for rounding errors around `level`: 1, unless those are larger."""
    return np.maximum(1.0, ROUNDING * np.abs(level))
