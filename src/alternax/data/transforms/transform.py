"""Elementwise, invertible maps of the observations, fitted on the training part only and saved with the model."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from jaxtyping import Bool, Float

from alternax.core.errors import InputError, ModelFileError
from alternax.data.sequences import Sequences

DISCRETE = ("count", "binary", "category")


@dataclass(frozen=True, eq=False)
class Transform(ABC):
    """A map y = forward(x) of every entry on its own; host side, float64.

    Arrays are `(..., series, time, obs_dim)`, so that sample paths pass through as they are; `times` is
    `(series, time)` and `ids` names the series. Columns of kind count, binary and category are never touched.
    A subclass is a frozen dataclass whose fields are options or arrays: that alone makes it saveable.
    """

    @abstractmethod
    def fit(self, data: Sequences) -> Self:
        """A copy that holds what it learnt from the observed entries of `data`."""

    @abstractmethod
    def forward(
        self, x: Float[np.ndarray, "*batch series time obs_dim"], times: np.ndarray, ids: Sequence[str | int]
    ) -> Float[np.ndarray, "*batch series time obs_dim"]:
        """From data units to transformed units; NaN stays NaN."""

    @abstractmethod
    def inverse(
        self, y: Float[np.ndarray, "*batch series time obs_dim"], times: np.ndarray, ids: Sequence[str | int]
    ) -> Float[np.ndarray, "*batch series time obs_dim"]:
        """From transformed units back to data units."""

    @abstractmethod
    def log_jacobian(
        self, x: Float[np.ndarray, "*batch series time obs_dim"], times: np.ndarray, ids: Sequence[str | int]
    ) -> Float[np.ndarray, "*batch series time obs_dim"]:
        """log |d forward / dx| of every entry of `x`, which is in data units.

        A log-density in transformed units plus this is the log-density in data units.
        """

    @abstractmethod
    def kinds(self, kinds: tuple[str, ...]) -> tuple[str, ...]:
        """What the columns are after the transform, given what they were."""

    def apply(self, data: Sequences) -> Sequences:
        """`data` in transformed units; what was not observed stays so."""
        x = np.where(data.observed, data.x, np.nan)
        y = self.forward(x, data.times, data.schema.ids)
        schema = replace(data.schema, kinds=self.kinds(tuple(data.schema.kinds)))
        return replace(data.replace_x(np.where(data.observed, y, 0.0), data.observed), schema=schema)

    def to_dict(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The transform as a JSON-able dict and its arrays by name."""
        record: dict[str, Any] = {"transform": type(self).__name__}
        arrays: dict[str, np.ndarray] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                record[field.name], arrays[field.name] = {"shape": list(value.shape)}, value
            elif field.name == "parts":
                parts = [part.to_dict() for part in value]
                record["parts"] = [part for part, _ in parts]
                arrays |= {f"{i}.{name}": a for i, (_, held) in enumerate(parts) for name, a in held.items()}
            else:
                record[field.name] = list(value) if isinstance(value, tuple) else value
        return record, arrays

    @staticmethod
    def from_dict(record: dict[str, Any], arrays: dict[str, np.ndarray]) -> "Transform":
        """The transform that `to_dict` described.

        Raises:
            ModelFileError: If the transform is unknown, or options or arrays are missing or of another shape.
        """
        options = dict(record)
        name = options.pop("transform", None)
        known = {cls.__name__: cls for cls in _final(Transform)}
        if name not in known:
            raise ModelFileError(f"unknown transform {name!r}; this version knows {', '.join(sorted(known))}")
        expected = {field.name for field in fields(known[name])}
        if set(options) != expected:
            raise ModelFileError(f"transform {name} needs the fields {sorted(expected)}, found {sorted(options)}")
        values = {key: _value(name, key, value, arrays) for key, value in options.items()}
        try:
            return known[name](**values)
        except (InputError, TypeError) as error:
            raise ModelFileError(f"transform {name} cannot be restored: {error}") from error


def touched(data: Sequences) -> Bool[np.ndarray, "obs_dim"]:
    """True for the columns that a transform may change: those that are not discrete."""
    return ~np.isin(np.array(data.schema.kinds), DISCRETE)


def require_fitted(transform: Transform, array: np.ndarray | None, width: int) -> np.ndarray:
    """The fitted array, refused when it is not there yet or was fitted to another number of columns."""
    name = type(transform).__name__
    if array is None:
        raise InputError(f"{name} is not fitted; call {name}(...).fit(train) first")
    if array.shape[-1] != width:
        raise InputError(f"{name} was fitted to {array.shape[-1]} columns, found {width}")
    return array


def _final(cls: type) -> Iterator[type]:
    children = cls.__subclasses__()
    if not children:
        yield cls
    for child in children:
        yield from _final(child)


def _value(transform: str, key: str, value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if key == "parts":
        nested = [
            {name.removeprefix(f"{i}."): a for name, a in arrays.items() if name.startswith(f"{i}.")}
            for i in range(len(value))
        ]
        return tuple(Transform.from_dict(part, held) for part, held in zip(value, nested, strict=True))
    if isinstance(value, dict):
        found = arrays.get(key)
        if found is None or value != {"shape": list(found.shape)}:
            what = "missing" if found is None else f"of shape {list(found.shape)}"
            raise ModelFileError(
                f"array {key} of transform {transform} must have shape {value.get('shape')}, is {what}"
            )
        return np.asarray(found)
    return tuple(value) if isinstance(value, list) else value
