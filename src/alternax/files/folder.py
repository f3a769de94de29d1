"""The model folder: `config.json` beside `model.safetensors`, written whole or not at all, read with suspicion."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import equinox as eqx
import safetensors.numpy

from alternax.core.errors import InputError, ModelFileError
from alternax.files.config import CONFIG, written
from alternax.files.reader import TENSORS, contents, is_ours
from alternax.files.structure import build, dump
from alternax.files.swap import replace, settle


def save(tree: Any, meta: dict, folder: str | Path, *, classes: Iterable[type[eqx.Module]] = ()) -> Path:
    """Write a model folder; until it is complete, whatever is at `folder` stays as it is.

    A model folder that is there already is replaced, and other files a person keeps in it are carried over.

    Args:
        tree: The model, or any tree that `dump` takes.
        meta: What belongs to it; anything that `dump` takes, so arrays too.
        folder: Where to; parents are made.
        classes: Module classes of your own that occur in it.

    Returns:
        The folder.

    Raises:
        InputError: Something cannot be saved, `folder` holds something else, or it cannot be written.

    Example:
        >>> save(eqx.nn.Linear(2, 3, key=jax.random.key(0)), {"note": "first"}, "run")
    """
    structure, arrays = dump({"model": tree, "meta": meta}, name="run", classes=classes)
    tensors = safetensors.numpy.save(arrays)
    text = written(
        {
            "tensors_bytes": len(tensors),
            "tensors_sha256": hashlib.sha256(tensors).hexdigest(),
            "meta": structure["meta"],
            "structure": structure["model"],
        }
    )
    files = {CONFIG: text, TENSORS: tensors}
    target = _resolved(folder)
    try:
        settle(target, set(files))
        refuse_foreign(target)
        replace(target, files)
    except OSError as error:
        cause = f"{error.strerror} ({error.filename})" if error.filename else error.strerror
        raise InputError(f"cannot write the model folder {target}: {cause}; choose another folder") from error
    return target


def load(folder: str | Path, *, classes: Iterable[type[eqx.Module]] = ()) -> tuple[Any, dict]:
    """Read a model folder; nothing in it is run.

    Args:
        folder: Where `save` wrote it.
        classes: Module classes of your own that occur in it.

    Returns:
        The tree and its meta, leaf for leaf as they were saved.

    Raises:
        ModelFileError: The folder is missing, not ours, truncated, altered or of another version; the message names
            the cause.

    Example:
        >>> layer, meta = load("run")
        >>> meta["note"]
        'first'
    """
    config, arrays = contents(folder)
    try:
        run = build({"model": config["structure"], "meta": config["meta"]}, arrays, name="run", classes=classes)
    except ModelFileError as error:
        raise ModelFileError(f"{folder}: {error}") from error
    if not isinstance(run["meta"], dict):
        raise ModelFileError(f"{folder}: run.meta must be a dict, found a {type(run['meta']).__name__}")
    return run["model"], run["meta"]


def refuse_foreign(target: Path) -> None:
    """Refuse to write where something stands that is neither empty nor a model folder.

    Raises:
        InputError: Naming what is in the way.
    """
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not is_ours(target):
        raise InputError(f"{target} exists and is not a model folder; choose another folder or move it away")


def _resolved(folder: str | Path) -> Path:
    """The path that a link stands for, so that the folder is replaced and not the link."""
    try:
        return Path(folder).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{str(folder)!r} is not the path of a folder ({error}); choose another folder") from error
