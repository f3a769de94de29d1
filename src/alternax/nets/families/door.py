"""What is checked between the columns of data and the families of a model."""

import warnings
from typing import Any

import numpy as np

from alternax.core.errors import InputError
from alternax.data.schema import Schema
from alternax.data.sequences import Sequences
from alternax.nets.families.columns import ColumnLaws
from alternax.nets.families.discrete import Categorical


def check_kinds(model: Any, schema: Schema) -> None:
    """Every column must be of a kind that the model's family for it describes.

    Raises:
        InputError: Naming the column, its kind, and those that fit.
    """
    laws = getattr(model, "noise", None)
    if not isinstance(laws, ColumnLaws):
        return
    for name, kind, family in zip(schema.values, schema.kinds, laws.families, strict=True):
        if kind not in family.kinds:
            raise InputError(
                f"column {name!r} is of kind {kind!r}, its family in the model is {type(family).__name__}, which "
                f"describes {' and '.join(family.kinds)}: give the data kinds={{{name!r}: {family.kinds[0]!r}}}, or "
                "the model noise=ax.families.of(data)."
            )


def warn_of_unseen(model: Any, data: Sequences) -> None:
    """Warn of categories that the model does not know: they are read as one further symbol."""
    laws = getattr(model, "noise", None)
    if not isinstance(laws, ColumnLaws):
        return
    for column, family in enumerate(laws.families):
        if isinstance(family, Categorical):
            values = data.x[..., column][data.observed[..., column] & data.valid]
            unseen = np.setdiff1d(values, family.codes)
            if len(unseen):
                shown = ", ".join(f"{code:g}" for code in unseen[:5]) + (", ..." if len(unseen) > 5 else "")
                warnings.warn(
                    f"column {data.schema.values[column]!r} has {len(unseen)} categories that were not there in "
                    f"training ({shown}): they are read as one symbol of their own.",
                    stacklevel=3,
                )
