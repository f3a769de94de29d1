"""Classes of whole series: the names a person gives them, and the numbers that models see."""

from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

from alternax.core.errors import InputError
from alternax.data.checks import listed

UNKNOWN = -1
Classes = tuple[str | int, ...]


def numbered(
    labels: Any, series: int, *, batched: bool, what: str = "labels"
) -> tuple[Int[np.ndarray, "series"], Classes]:
    """The class number of each series, -1 where it is not known, and the classes in order.

    Args:
        labels: Integers or texts, one a series (a single one for an unbatched series); None and NaN are unknown.
        series: Number of series.
        batched: Whether there were several series to begin with.
        what: What the labels are called in an error.
    """
    if labels is None:
        return np.full(series, UNKNOWN), ()
    single = isinstance(labels, str) or not isinstance(labels, Iterable)
    given = [labels] if single and not batched else [] if single else list(labels)
    if len(given) != series:
        found = f"{labels!r}" if single else f"{len(given)}"
        raise InputError(f"{what}: expected {series} classes, one a series, found {found}.")
    names = [_name(label, f"{what}[{i}]") for i, label in enumerate(given)]
    known = {name for name in names if name is not None}
    if not known:
        raise InputError(f"{what}: expected the class of at least one series, found only missing ones.")
    if len({type(name) for name in known}) > 1:
        raise InputError(f"{what}: expected integers throughout or texts throughout, found both: {listed(given)}.")
    classes = tuple(sorted(known))
    return _positions(names, classes), classes


def renumbered(labels: Int[np.ndarray, "series"], found: Classes, wanted: Classes) -> Int[np.ndarray, "series"]:
    """Class numbers by the order of the classes a model was fitted on.

    Raises:
        InputError: For a class it has not met.
    """
    new = sorted({found[number] for number in labels if number != UNKNOWN} - set(wanted), key=str)
    if new:
        raise InputError(f"labels: the model was fitted on the classes {listed(wanted)}, found {listed(new)}.")
    return _positions([None if number == UNKNOWN else found[number] for number in labels], wanted)


def _positions(names: Sequence[str | int | None], classes: Classes) -> Int[np.ndarray, "series"]:
    place = {name: i for i, name in enumerate(classes)}
    return np.array([UNKNOWN if name is None else place[name] for name in names])


def _name(label: Any, where: str) -> str | int | None:
    """A plain integer or text, None where missing; integers may come as floats, as pandas has them beside gaps."""
    if label is None or label is pd.NA or (isinstance(label, Real) and label != label):
        return None
    if isinstance(label, str):
        return str(label)
    if isinstance(label, Integral | np.bool_) or (isinstance(label, Real) and float(label).is_integer()):
        return int(label)
    raise InputError(f"{where}: expected an integer or a text, found {label!r}.")
