"""Estimates of log p(x)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from alternax.tasks.results.reported import drop_series_axis


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class LogProb:
    """Log density of whole series in data units, with the standard error of its Monte Carlo estimate.

    Attributes:
        value: One number a series, a single one if unbatched; nats.
        standard_error: Shaped like `value`.
        ids: Identity of every series.
        batched: False if the data were one unbatched series.
        seed: Seed of the particles.
    """

    value: Float[np.ndarray, "*series"] | np.floating | float
    standard_error: Float[np.ndarray, "*series"] | np.floating | float
    ids: tuple[str | int, ...]
    batched: bool
    seed: int = 0

    def __post_init__(self) -> None:
        drop_series_axis(self, "value", "standard_error", ndim=1)

    def to_frame(self) -> Any:
        """A pandas frame with one row a series: identity, value and standard error."""
        import pandas as pd

        columns = {"value": np.atleast_1d(self.value), "standard_error": np.atleast_1d(self.standard_error)}
        return pd.DataFrame({"series": list(self.ids), **columns})

    def __repr__(self) -> str:
        values, errors = np.atleast_1d(self.value), np.atleast_1d(self.standard_error)
        if len(values) == 1:
            said = f"{values[0]:.6g} nats, standard error {errors[0]:.2g}"
        else:
            said = f"{len(values)} series of {values.min():.6g} to {values.max():.6g} nats"
            said += f", standard errors up to {errors.max():.2g}"
        return f"LogProb({said}, seed {self.seed})"
