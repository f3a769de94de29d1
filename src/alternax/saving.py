"""A run on disk: a `Fitted` written to and read from a model folder."""

from pathlib import Path

import numpy as np

from alternax import files
from alternax.core.errors import ModelFileError
from alternax.core.model import Classifier, LatentModel, Model
from alternax.core.record import TrainingRecord
from alternax.data.classes import UNKNOWN
from alternax.data.schema import Schema
from alternax.data.sequences import Sequences
from alternax.data.transforms import Transform
from alternax.files.annotated import check_fields
from alternax.fitted import Fitted
from alternax.tasks.results.bands import Bands

TAIL = ("x", "observed", "valid", "times", "controls", "targets", "labelled", "static", "labels")
KEYS = {"transform", "target_transform", "schema", "record", "tail", "metrics"}


def save(fitted: Fitted, folder: str | Path) -> Path:
    """Write a run to `folder`; the one that is there already stays until the new one is complete."""
    return files.save(fitted.model, contents_of(fitted), folder)


def contents_of(fitted: Fitted) -> dict:
    """What belongs to the model of a run, as it is written beside it."""
    tail = {name: getattr(fitted.tail, name) for name in TAIL}
    bands = {} if fitted.bands is None else {"bands": fitted.bands.to_dict()}
    return {
        "schema": fitted.schema.to_dict(),
        "record": fitted.record.to_dict(),
        "metrics": dict(fitted.metrics),
        "transform": list(fitted.transform.to_dict()),
        "target_transform": list(fitted.target_transform.to_dict()),
        "tail": {**tail, "batched": fitted.tail.batched, "schema": fitted.tail.schema.to_dict()},
        **bands,
    }


def load(folder: str | Path) -> Fitted:
    """Read a run that `Fitted.save` wrote; nothing in it is executed.

    Raises:
        ModelFileError: If the folder is missing, not ours, truncated, altered or of another version, with what to do.

    Example:
        >>> fitted = alternax.load("run/")
    """
    model, meta = files.load(folder)
    # Runs of the first version hold no metrics; bands there are only after `calibrate`.
    if not isinstance(model, Model) or {"metrics", *meta} - {"bands"} != KEYS:
        raise ModelFileError(
            f"{folder} holds an {type(model).__name__} and no run: load a folder that Fitted.save wrote."
        )
    try:
        fitted = _fitted(model, meta)
        _check(fitted)
        _check_said(fitted, meta)
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError) as error:
        raise ModelFileError(
            f"{folder} does not describe a run ({type(error).__name__}: {error}); its config.json was altered, "
            "or written by another version: copy the folder again."
        ) from error
    return fitted


def _fitted(model: Model, meta: dict) -> Fitted:
    schema, tail = Schema.from_dict(meta["schema"]), dict(meta["tail"])
    if schema.time_kind == "datetime" and tail["times"].dtype == np.int64:
        # The first version wrote the nanoseconds of dates as plain integers.
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
        metrics=dict(meta.get("metrics", {})),
        bands=Bands.from_dict(meta["bands"], len(schema.targets)) if "bands" in meta else None,
    )


def _check_said(fitted: Fitted, meta: dict) -> None:
    """Refuse entries that were taken for something else than what they say; those of later versions may be absent."""
    fresh = contents_of(fitted)
    pairs = {name: (fresh[name], meta[name]) for name in ("schema", "record")}
    pairs["tail.schema"] = fresh["tail"]["schema"], meta["tail"]["schema"]
    for name in ("transform", "target_transform"):
        (read, arrays), (written, held) = fresh[name], meta[name]
        pairs[name] = read, written
        if arrays.keys() != held.keys():
            raise ValueError(f"{name} has the arrays of another transform")
    for name, (read, written) in pairs.items():
        if {**read, **written} != read:
            raise ValueError(f"{name} has an entry of another kind")


def _check(fitted: Fitted) -> None:
    """Refuse parts that are whole in themselves but not of one run."""
    model, tail, schema = fitted.model, fitted.tail, fitted.schema
    for record in (schema, tail.schema, fitted.record):
        check_fields(record)
    if type(tail.batched) is not bool:
        raise TypeError(f"tail.batched must be true or false, is {tail.batched!r}")
    series, rows = np.shape(tail.x)[:2]
    width, controls, targets = len(schema.values), tail.control_dim, len(schema.targets)
    times = np.datetime64 if schema.time_kind == "datetime" else np.floating
    expected = {
        "x": (np.floating, (series, rows, width)),
        "observed": (np.bool_, (series, rows, width)),
        "valid": (np.bool_, (series, rows)),
        "times": (times, (series, rows)),
        "controls": (np.floating, (series, rows, len(schema.controls))),
        "targets": (np.floating, (series, rows, targets)),
        "labelled": (np.bool_, (series, rows, targets)),
        "static": (np.floating, (series, len(schema.static))),
        "labels": (np.integer, (series,)),
    }
    for name, (kind, shape) in expected.items():
        found = getattr(tail, name)
        if not isinstance(found, np.ndarray) or not np.issubdtype(found.dtype, kind) or found.shape != shape:
            what = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
            raise ValueError(f"tail.{name} must be {kind.__name__} {shape}, is {what}")
    sizes = {"obs_dim": (width,), "control_dim": (controls,)}
    if isinstance(model, LatentModel):
        sizes["target_dim"] = (0, targets)
    if isinstance(model, Classifier):
        sizes["class_count"] = (0, len(schema.classes))
    for name, known in sizes.items():
        if getattr(model, name) not in known:
            raise ValueError(f"the model's {name} is {getattr(model, name)!r}, the schema's {known[-1]}")
    for name, score in fitted.metrics.items():
        if type(score) is not float:
            raise TypeError(f"metrics.{name} must be a number, is {score!r}")
