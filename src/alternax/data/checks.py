"""Words that the doors share when they refuse something."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from difflib import get_close_matches
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype

from alternax.core.errors import InputError

SHOWN = 12
NUMBERS = frozenset({"empty", "boolean", "integer", "floating", "mixed-integer-float", "decimal"})


def known(name: str, available: Iterable[str], what: str) -> str:
    """The name itself if it is one of those available; otherwise an error that lists them."""
    available = list(available)
    if name in available:
        return name
    close = get_close_matches(str(name), [str(a) for a in available], n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise InputError(f"Unknown {what} {name!r}: expected one of {listed(available)}.{hint}")


def listed(names: Sequence) -> str:
    """Names in quotes, cut short when there are many."""
    text = ", ".join(repr(name) for name in names[:SHOWN])
    return f"{text}, ... ({len(names)} in all)" if len(names) > SHOWN else text or "(none)"


def at_least_one(count: int, what: str) -> None:
    """Refuse a number of rows below 1."""
    if count < 1:
        raise InputError(f"{what}: expected at least 1 row, found {count}.")


def as_names(names: str | Iterable[str] | None) -> tuple[str, ...]:
    """No name, one name or several, as a tuple."""
    if names is None:
        return ()
    return (names,) if isinstance(names, str) else tuple(names)


def without_repeats(names: Sequence[str]) -> None:
    """Refuse a column that is named twice, whatever for."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"Column {name!r} is named twice: each column has one name and one role.")
        seen.add(name)


def first_no_number(cells: np.ndarray) -> tuple[int, Any] | None:
    """Position and value of the first object that is neither a number nor missing; None if there is none."""
    if infer_dtype(cells, skipna=True) in NUMBERS:
        return None
    wrong = (i for i, value in enumerate(cells) if not (isinstance(value, Real | Decimal) or _missing(value)))
    place = next(wrong, None)
    return None if place is None else (place, cells[place])


def _missing(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT
