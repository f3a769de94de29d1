"""A trained model and what it was trained behind: what is kept, saved and handed on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Self

import numpy as np

from alternax.core.errors import InputError
from alternax.core.fixed import parameter_count
from alternax.core.model import Model
from alternax.core.record import TrainingRecord
from alternax.core.sequence import Sequence
from alternax.data.schema import Schema
from alternax.data.sequences import Sequences
from alternax.data.transforms import Transform
from alternax.nets.families.door import warn_of_unseen
from alternax.tasks.results.bands import Bands


@dataclass(frozen=True, repr=False)
class Run:
    """What a `Fitted` is made of, which describes the fields, and how it is kept; abstract."""

    model: Model
    transform: Transform
    target_transform: Transform
    schema: Schema
    record: TrainingRecord
    tail: Sequences
    metrics: Mapping[str, float] = field(default_factory=dict)
    bands: Bands | None = None

    def save(self, folder) -> None:
        """Write the run to `folder` (config.json and safetensors); `alternax.load` reads it back."""
        from alternax.saving import save

        save(self, folder)

    def with_model(self, model: Model) -> Self:
        """The same run with another model in it, e.g. one with another gap rule; scores and bands stay behind."""
        return replace(self, model=model, metrics={}, bands=None)

    def with_metrics(self, metrics: Mapping[str, float] | None = None, **named: float) -> Self:
        """The same run with scores noted beside it, which are saved and loaded with it.

        Args:
            metrics: Scores by any name.
            **named: The same by keyword; a name that is there already takes the new score.

        Raises:
            InputError: If a score is no number or its name no text.

        Example:
            >>> fitted = fitted.with_metrics({"crps, 24 h ahead": 0.31}, rmse=0.58)
            >>> fitted.save("run/")
        """
        scores = dict(metrics or {}) | named
        for name, score in scores.items():
            if not isinstance(name, str) or isinstance(score, bool) or not isinstance(score, (Real, np.number)):
                raise InputError(f"metrics: expected names with a number each, found {name!r}: {score!r}.")
        return replace(self, metrics={**self.metrics, **{name: float(score) for name, score in scores.items()}})

    def __repr__(self) -> str:
        said = (
            type(self.model).__name__,
            f"{parameter_count(self.model):,} parameters",
            f"{len(self.schema.values)} columns",
            f"trained {self.record.steps} steps",
        )
        return f"{type(self).__name__}({', '.join(said)})"

    def _check(self, data: Sequences) -> Sequences:
        if not isinstance(data, Sequences):
            raise TypeError(
                f"expected alternax Sequences, found {type(data).__name__}: make them with "
                "Sequences.from_frame, from_numpy or from_xarray."
            )
        data = data.like(self.schema)
        warn_of_unseen(self.model, data)
        return data

    def _scaled(self, data: Sequences) -> Sequence:
        return self.transform.apply(data).arrays()


def check_positive(**counts: int) -> None:
    """Raise `InputError` unless every count is an integer of at least 1."""
    for name, value in counts.items():
        if not isinstance(value, (int, np.integer)) or value < 1:
            raise InputError(f"{name} must be an integer of at least 1; found {value!r}.")
