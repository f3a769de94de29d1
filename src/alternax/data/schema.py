"""What the columns of a data set are called and mean, and the layout they came in: all but the numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, Self

from alternax.core.errors import InputError
from alternax.data.checks import known

Kind = Literal["real", "positive", "count", "binary", "category"]
KINDS: tuple[str, ...] = ("real", "positive", "count", "binary", "category")


@dataclass(frozen=True)
class Schema:
    """Names, meanings and layout of a `Sequences`; plain values only, so that it can be written as JSON.

    Args:
        values: Names of the columns of x, covariates among them.
        kinds: Kind of each column of x: real, positive, count, binary or category.
        covariates: Those of `values` that are modelled but neither scored nor reported.
        controls: Names of the user's controls.
        targets: Names of the targets.
        static: Names of the values per series.
        calendar: Calendar features made from the time stamps (see `calendar_features`).
        ids: Identity of each series.
        layout: Where the data came from, and what it returns to.
        time_name: Name of the time column or dimension.
        id_name: Name of the column of series identities.
        time_kind: `datetime`, `number`, or `index` when no times were given.
        step: The usual step: a pandas frequency alias, or a number; None where a single time stamp does not tell.
        timezone: Zone of the time stamps, None if they had none (they are kept in UTC inside).
        grid: Dimensions, coordinates and kept cells of xarray data.
        backend: The frame library of the data, which is also that of frames made from it.
        time_in_index: Whether the time was the index of a pandas frame.
        classes: Classes of whole series, in the order of their numbers.
        label_name: Name of the column of classes.
    """

    values: tuple[str, ...]
    kinds: tuple[str, ...]
    covariates: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    calendar: tuple[str, ...] = ()
    ids: tuple[str | int, ...] = ("0",)
    layout: Literal["numpy", "wide", "long", "xarray"] = "numpy"
    time_name: str = "time"
    id_name: str = "series"
    time_kind: Literal["datetime", "number", "index"] = "index"
    step: str | float | int | None = 1
    timezone: str | None = None
    grid: Mapping[str, Any] | None = None
    backend: Literal["pandas", "polars"] = "pandas"
    time_in_index: bool = False
    classes: tuple[str | int, ...] = ()
    label_name: str | None = None

    @property
    def scored(self) -> tuple[str, ...]:
        """Columns of x that are not covariates, in order."""
        covariates = set(self.covariates)
        return tuple(name for name in self.values if name not in covariates)

    @property
    def step_name(self) -> str:
        """The usual step in words."""
        return f"{self.step:g}" if isinstance(self.step, float) else str(self.step)

    def positions(self, columns: Sequence[str]) -> list[int]:
        """Where these columns stand in x; an unknown one is an error."""
        index = {name: i for i, name in enumerate(self.values)}
        return [index[known(name, index, "column")] for name in columns]

    def select(self, columns: Sequence[str]) -> Self:
        """The schema of these columns of x, in this order."""
        kinds = tuple(self.kinds[i] for i in self.positions(columns))
        chosen = set(columns)
        kept = tuple(name for name in self.covariates if name in chosen)
        return replace(self, values=tuple(columns), kinds=kinds, covariates=kept)

    def to_dict(self) -> dict[str, Any]:
        """A dictionary of JSON values."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The schema that `to_dict` wrote."""
        for name in values:
            known(name, [f.name for f in fields(cls)], "schema entry")
        return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


def column_kinds(kinds: Mapping[str, str] | Sequence[str] | None, names: Sequence[str]) -> tuple[str, ...]:
    """One kind a column, from a dictionary by name (the others are real), a list, or nothing."""
    if kinds is None:
        return ("real",) * len(names)
    if isinstance(kinds, str) or (not isinstance(kinds, Mapping) and len(kinds) != len(names)):
        raise InputError(
            f"kinds: expected a dictionary from column to kind, or one kind for each of {len(names)} columns, "
            f"found {kinds!r}."
        )
    if isinstance(kinds, Mapping):
        available = dict.fromkeys(names)
        for name in kinds:
            known(name, available, "column in kinds")
        kinds = [kinds.get(name, "real") for name in names]
    return tuple(known(kind, KINDS, "kind") for kind in kinds)
