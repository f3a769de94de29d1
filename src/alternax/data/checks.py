"""Words that the doors share when they refuse something."""

from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from pandas.api.types import infer_dtype

from alternax.core.errors import InputError

SHOWN = 12
NUMBERS = frozenset({"empty", "boolean", "integer", "floating", "mixed-integer-float", "decimal"})


def known(name: str, available: Collection[str], what: str) -> str:
    """The name itself if it is one of those available (a dictionary, if many are asked for); otherwise an error."""
    if name in available:
        return name
    available = list(available)
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
    try:
        if infer_dtype(cells, skipna=True) in NUMBERS:
            return None
    except InvalidOperation:
        pass  # a signalling NaN of decimal can be compared with nothing
    wrong = (i for i, value in enumerate(cells) if not (isinstance(value, Real | Decimal) or _missing(value)))
    place = next(wrong, None)
    return None if place is None else (place, cells[place])


def missing_cells(cells: np.ndarray) -> Bool[np.ndarray, "cells"]:
    """Where an array of objects holds None, NaN, NA or NaT."""
    try:
        return pd.isna(cells)
    except InvalidOperation:
        return np.array([value.is_nan() if isinstance(value, Decimal) else pd.isna(value) for value in cells])


def as_floats(cells: np.ndarray) -> Float[np.ndarray, "cells"]:
    """Objects that `first_no_number` lets pass as float64; missing ones are NaN, those beyond its range infinite."""
    present = np.where(missing_cells(cells), np.nan, cells)
    try:
        with np.errstate(over="ignore"):
            return present.astype(np.float64)
    except OverflowError:
        return np.array([_as_float(value) for value in present])


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf


def _missing(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT
