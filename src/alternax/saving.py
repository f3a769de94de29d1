"""A run on disk: a `Fitted` written to and read from a model folder."""

from pathlib import Path

import numpy as np

from alternax import files
from alternax.core.errors import ModelFileError
from alternax.core.model import Model
from alternax.core.record import TrainingRecord
from alternax.data.classes import UNKNOWN
from alternax.data.schema import Schema
from alternax.data.sequences import Sequences
from alternax.data.transforms import Transform
from alternax.fitted import Fitted

TAIL = ("x", "observed", "valid", "times", "controls", "targets", "labelled", "static", "labels")
KEYS = {"transform", "target_transform", "schema", "record", "tail"}


def save(fitted: Fitted, folder: str | Path) -> Path:
    """Write a run to `folder`; the one that is there already stays until the new one is complete."""
    tail = {name: getattr(fitted.tail, name) for name in TAIL}
    if tail["times"].dtype.kind == "M":
        tail["times"] = tail["times"].astype("datetime64[ns]").astype("int64")
    meta = {
        "transform": list(fitted.transform.to_dict()),
        "target_transform": list(fitted.target_transform.to_dict()),
        "schema": fitted.schema.to_dict(),
        "record": fitted.record.to_dict(),
        "tail": {**tail, "batched": fitted.tail.batched, "schema": fitted.tail.schema.to_dict()},
    }
    return files.save(fitted.model, meta, folder)


def load(folder: str | Path) -> Fitted:
    """Read a run that `Fitted.save` wrote; nothing in it is executed.

    Raises:
        ModelFileError: If the folder is missing, not ours, truncated or of another version, with what to do.

    Example:
        >>> fitted = alternax.load("run/")
    """
    model, meta = files.load(folder)
    if not isinstance(model, Model) or set(meta) != KEYS:
        raise ModelFileError(
            f"{folder} holds an {type(model).__name__} and no run: load a folder that Fitted.save wrote."
        )
    try:
        return _fitted(model, meta)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"{folder} does not describe a run ({type(error).__name__}: {error}); its config.json was altered, "
            "or written by another version: copy the folder again."
        ) from error


def _fitted(model: Model, meta: dict) -> Fitted:
    schema, tail = Schema.from_dict(meta["schema"]), dict(meta["tail"])
    if schema.time_kind == "datetime":
        tail["times"] = tail["times"].astype("datetime64[ns]")
    tail["schema"] = Schema.from_dict(tail["schema"])
    # Runs of the first version know of no classes.
    tail.setdefault("labels", np.full(len(tail["x"]), UNKNOWN))
    return Fitted(
        model=model,
        transform=Transform.from_dict(*meta["transform"]),
        target_transform=Transform.from_dict(*meta["target_transform"]),
        schema=schema,
        record=TrainingRecord.from_dict(meta["record"]),
        tail=Sequences(**tail),
    )
