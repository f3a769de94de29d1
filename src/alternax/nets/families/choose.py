"""Families by the kinds of the columns of data, with levels and categories measured from what was observed."""

import numpy as np

from alternax.core.errors import InputError
from alternax.data.sequences import Sequences
from alternax.nets.families.columns import ColumnLaws
from alternax.nets.families.discrete import Bernoulli, Categorical, NegativeBinomial
from alternax.nets.families.family import Family
from alternax.nets.families.real import LogNormal, Normal

DEFAULTS: dict[str, Family] = {
    "real": Normal(),
    "positive": LogNormal(),
    "count": NegativeBinomial(),
    "binary": Bernoulli(),
}
MOST_CATEGORIES = 10_000


def of(data: Sequences, **by_kind: Family) -> ColumnLaws:
    """A family for every column of training data, by its kind.

    Real columns are Normal, positive ones log-normal, counts negative binomial, binary ones Bernoulli, and categories
    categorical over the codes that occur; levels are means over the observed entries.

    Args:
        data: Training data, whose `kinds` say what the columns are.
        **by_kind: Another family for the columns of a kind, such as `count=ax.families.Poisson()`.

    Raises:
        InputError: If a kind is not known, a family cannot describe it, or a category column has no observed entry.

    Example:
        >>> data = Sequences.from_numpy(np.array([[0.1, 3.0], [0.4, 5.0]]), kinds=["real", "count"])
        >>> of(data).families
        (Normal(), NegativeBinomial())
    """
    for kind, family in by_kind.items():
        if kind not in (*DEFAULTS, "category"):
            raise InputError(f"families.of: unknown kind {kind!r}; choose {', '.join(DEFAULTS)} or category.")
        if not isinstance(family, Family) or kind not in family.kinds:
            raise InputError(f"families.of: {_named(family)} does not describe columns of kind {kind!r}.")
    chosen = DEFAULTS | by_kind
    families, levels = [], []
    for column, kind in enumerate(data.schema.kinds):
        values = data.x[..., column][data.observed[..., column] & data.valid]
        families.append(chosen[kind] if kind in chosen else _categories(data.schema.values[column], values))
        # Positive columns reach a model divided by their mean, which the default transform takes.
        level = float(values.mean()) if kind == "count" and values.size else 1.0
        levels.append(level if level > 0.0 else 1.0)
    return ColumnLaws(families, levels)


def _categories(name: str, values: np.ndarray) -> Categorical:
    codes = np.unique(values)
    if not 0 < len(codes) <= MOST_CATEGORIES:
        found = "no observed entry" if not len(codes) else f"{len(codes):,} codes"
        raise InputError(
            f"families.of: column {name!r} is of kind category and has {found}; expected 1 to {MOST_CATEGORIES:,}."
        )
    return Categorical(tuple(int(code) for code in codes))


def _named(family: object) -> str:
    return type(family).__name__ if isinstance(family, Family) else repr(family)
