"""Named schedules of a share over time, such as alpha of an Alternator or beta of Alternator++."""

from typing import Literal

import numpy as np

from alternax.core.errors import InputError
from alternax.models.checks import check_choice, check_counts


def schedule(kind: Literal["linear", "cosine"], steps: int, *, first: float, last: float) -> np.ndarray:
    """Values by step from `first` to `last`, for `alpha=` and `beta=`; later steps keep the last.

    Args:
        kind: "linear", or "cosine": slow at both ends, last + (first - last) cos^2(pi t / 2) for t from 0 to 1, the
            shape of the diffusion literature (Nichol and Dhariwal, arXiv 2102.09672, without their offset).
        steps: Rows from the first value to the last.
        first: Value at the first row, from 0 to 1.
        last: Value at row `steps` and later, likewise.

    Returns:
        Array `(steps,)`.

    Raises:
        InputError: An unknown kind, fewer than 2 steps, or values outside 0 to 1.

    Example:
        >>> schedule("linear", 3, first=0.2, last=0.6)
        array([0.2, 0.4, 0.6])
    """
    check_choice("schedule", kind, ("linear", "cosine"))
    check_counts(2, steps=steps)
    for name, value in (("first", first), ("last", last)):
        if not 0.0 <= value <= 1.0:
            raise InputError(f"a schedule goes from 0 to 1 at most; found {name} = {value:g}.")
    t = np.linspace(0.0, 1.0, steps)
    signal = 1.0 - t if kind == "linear" else np.cos(0.5 * np.pi * t) ** 2
    return last + (first - last) * signal
