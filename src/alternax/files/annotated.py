"""Plain values read from a file, held against the annotations of the dataclass that they became part of."""

from collections.abc import Mapping
from dataclasses import fields
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def check_fields(record: Any) -> None:
    """Refuse a dataclass one of whose fields is not what it is annotated to be.

    Args:
        record: Of a dataclass annotated with plain types, tuples of any length, mappings, literals and unions of them.

    Raises:
        TypeError: Naming the field and what it holds.
    """
    hints = get_type_hints(type(record))
    for field in fields(record):
        value = getattr(record, field.name)
        if not _fits(value, hints[field.name]):
            raise TypeError(f"{type(record).__name__}.{field.name} cannot be {value!r:.80}")


def _fits(value: Any, hint: Any) -> bool:
    kind, inner = get_origin(hint), get_args(hint)
    if kind in (Union, UnionType):
        return any(_fits(value, choice) for choice in inner)
    if kind is Literal:
        return type(value) is str and value in inner
    if kind is tuple:
        return type(value) is tuple and all(_fits(entry, inner[0]) for entry in value)
    if kind is Mapping:
        return isinstance(value, dict)
    if hint is float:
        return type(value) in (int, float)
    return type(value) is hint
