"""Refusals that models share: sizes and choices at their door, and sequences of other widths."""

from collections.abc import Collection
from typing import Any

import numpy as np

from alternax.core.errors import InputError
from alternax.core.sequence import Sequence
from alternax.nets.operator import Operator


def check_counts(least: int, **counts: Any) -> None:
    """Raise `InputError` on the first count that is no integer of at least `least`."""
    for name, value in counts.items():
        if not isinstance(value, int) or value < least:
            raise InputError(f"{name} must be an integer of at least {least}; found {value!r}.")


def check_choice(name: str, value: Any, known: Collection) -> None:
    """Raise `InputError` unless the value is one of those known."""
    if value not in known:
        *before, last = [repr(choice) if choice is not None else "None" for choice in known]
        choices = f"{', '.join(before)} or {last}" if before else last
        raise InputError(f"{name}={value!r} is not known: choose {choices}.")


def check_share(name: str, share: Any, sigma_name: str, sigma: float) -> None:
    """A number or one value per step within 0 <= share <= 1 - sigma^2."""
    values, bound = np.asarray(share, dtype=float), 1.0 - sigma**2
    if values.ndim > 1 or values.size == 0:
        raise InputError(f"a schedule of {name} is one value per step, shape (time,); found shape {values.shape}.")
    bad = ~((values >= 0.0) & (values <= bound))
    if bad.any():
        where = f" at step {int(np.argmax(bad))}" if values.ndim else ""
        raise InputError(
            f"{name} must satisfy 0 <= {name} <= 1 - {sigma_name}^2 = {bound:.6g} ({sigma_name} = {sigma:g}); "
            f"found {float(values[bad][0] if values.ndim else values):g}{where}. Lower {name} or {sigma_name}."
        )


def check_operator(operator: Operator | None, obs_dim: int, context: int | None) -> None:
    """An operator of the model's columns, and no scaling that would break it."""
    if operator is not None and operator.obs_dim != obs_dim:
        raise InputError(f"the operator is for {operator.obs_dim} columns, the model for obs_dim = {obs_dim}.")
    if operator is not None and context is not None:
        raise InputError(
            "an operator mixes columns of one scale: use context=None and scale the data with Scale(per='all')."
        )


def check_sequence(model: Any, seq: Sequence) -> None:
    """The sequence must have the model's widths."""
    for name in ("obs_dim", "control_dim"):
        expected, found = getattr(model, name), getattr(seq, name)
        if expected != found:
            raise InputError(
                f"the model was built with {name}={expected}, the data have {found}: "
                f"build it with ax.{type(model).__name__}(data.obs_dim, control_dim=data.control_dim, ...)."
            )


def check_decodes(model: Any) -> None:
    """Decoding needs targets."""
    if model.target_dim == 0:
        raise InputError(
            f"this {type(model).__name__} was built with target_dim=0 and decodes nothing: give "
            "target_dim=data.target_dim."
        )


def check_classifies(model: Any) -> None:
    """Classification needs classes."""
    if model.class_count == 0:
        raise InputError(
            f"this {type(model).__name__} was built with class_count=0 and classifies nothing: give "
            "class_count=data.class_count."
        )
