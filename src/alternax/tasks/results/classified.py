"""Classes of whole series, told by a model."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from alternax.data.classes import UNKNOWN
from alternax.tasks.results.reported import drop_series_axis


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Classified:
    """Probabilities of the classes of every series, beside the classes the data came with.

    Attributes:
        probabilities: They sum to 1 over the classes; without the series axis if unbatched.
        labels: Number of the class the data came with, -1 where there was none.
        classes: What the classes are called, in the order of their numbers.
        ids: Identity of every series.
        id_name: Name of the column of identities in frames.
        batched: False if the data were one unbatched series.
        seed: Seed of the draws the model may make.
    """

    probabilities: Float[np.ndarray, "*series class_count"]
    labels: Int[np.ndarray, "series"]
    classes: tuple[str | int, ...]
    ids: tuple[str | int, ...]
    id_name: str
    batched: bool
    seed: int = 0

    def __post_init__(self) -> None:
        drop_series_axis(self, "probabilities", ndim=2)

    @property
    def predicted(self) -> Any:
        """The most probable class of every series: a list of names, or a single one if unbatched."""
        names = [self.classes[number] for number in self._numbers]
        return names if self.batched else names[0]

    @property
    def accuracy(self) -> float:
        """Share of the labelled series whose most probable class is their own; NaN without labels."""
        known = self.labels != UNKNOWN
        return float((self._numbers == self.labels)[known].mean()) if known.any() else float("nan")

    @cached_property
    def confusion(self) -> Int[np.ndarray, "class_count class_count"]:
        """How many labelled series of each class (row) were taken for which (column)."""
        known, table = self.labels != UNKNOWN, np.zeros((len(self.classes),) * 2, int)
        np.add.at(table, (self.labels[known], self._numbers[known]), 1)
        return table

    def to_frame(self) -> Any:
        """A pandas frame with one row a series: identity, its label, the predicted class, the probability of each."""
        import pandas as pd

        labels = [None if number == UNKNOWN else self.classes[number] for number in self.labels]
        names = [self.classes[number] for number in self._numbers]
        columns = {self.id_name: list(self.ids), "label": labels, "predicted": names}
        return pd.DataFrame(
            columns | {f"p_{name}": values for name, values in zip(self.classes, self._table.T, strict=True)}
        )

    def __repr__(self) -> str:
        return f"Classified({len(self.ids)} series, {len(self.classes)} classes, accuracy {self.accuracy:.3f})"

    @property
    def _table(self) -> np.ndarray:
        return np.atleast_2d(self.probabilities)

    @property
    def _numbers(self) -> np.ndarray:
        return self._table.argmax(axis=1)
