"""The model folder: `config.json` beside `model.safetensors`, written whole or not at all, read with suspicion."""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import equinox as eqx
import numpy as np
import safetensors
import safetensors.numpy

from alternax.core.errors import InputError, ModelFileError
from alternax.files.structure import build, dump
from alternax.version import __version__

FORMAT = "alternax"
SCHEMA_VERSION = 1
CONFIG, TENSORS = "config.json", "model.safetensors"
MAX_CONFIG_BYTES = 64 * 2**20
KEYS = {"format", "schema_version", "library_version", "tensors_bytes", "tensors_sha256", "structure", "meta"}


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
    config = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "library_version": __version__,
        "tensors_bytes": len(tensors),
        "tensors_sha256": hashlib.sha256(tensors).hexdigest(),
        "structure": structure["model"],
        "meta": structure["meta"],
    }
    text = json.dumps(config, indent=1, allow_nan=False).encode()
    if len(text) > MAX_CONFIG_BYTES:
        raise InputError(f"{CONFIG} would have {len(text)} bytes, more than {MAX_CONFIG_BYTES}; keep numbers in arrays")
    target = Path(folder).resolve()
    refuse_foreign(target)
    try:
        _write(target, {CONFIG: text, TENSORS: tensors})
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
    folder = Path(folder)
    if not folder.is_dir():
        raise ModelFileError(f"{folder} is not a folder; expected a run saved by alternax")
    config = _config(folder)
    arrays = _tensors(folder, config)
    try:
        run = build({"model": config["structure"], "meta": config["meta"]}, arrays, name="run", classes=classes)
    except ModelFileError as error:
        raise ModelFileError(f"{folder}: {error}") from error
    return run["model"], run["meta"]


def _config(folder: Path) -> dict:
    """The checked content of config.json."""
    try:
        config = json.loads(_read(folder, CONFIG, MAX_CONFIG_BYTES), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{folder / CONFIG} is truncated or damaged ({error}); copy the folder again") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise ModelFileError(f"{folder / CONFIG} was not written by alternax")
    version = config.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ModelFileError(
            f"{folder} is of format version {version}, written by alternax {config.get('library_version')}; this is "
            f"alternax {__version__}, which reads version {SCHEMA_VERSION}: install the version that wrote it, or newer"
        )
    if config.keys() != KEYS:
        raise ModelFileError(f"{folder / CONFIG} must have exactly the entries {sorted(KEYS)}, found {sorted(config)}")
    return config


def _tensors(folder: Path, config: dict) -> dict[str, np.ndarray]:
    """The arrays, once size and checksum agree with config.json."""
    content = _read(folder, TENSORS)
    if len(content) != config["tensors_bytes"]:
        raise ModelFileError(
            f"{folder / TENSORS} has {len(content)} bytes where {config['tensors_bytes']} were written: "
            "it is truncated or of another run; copy the folder again"
        )
    if hashlib.sha256(content).hexdigest() != config["tensors_sha256"]:
        raise ModelFileError(f"{folder / TENSORS} does not match its checksum: it is damaged or of another run")
    try:
        return safetensors.numpy.load(content)
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise ModelFileError(f"{folder / TENSORS} is not a safetensors file alternax can read ({error})") from error


def _read(folder: Path, name: str, limit: int | None = None) -> bytes:
    """The bytes of one file of the folder."""
    path = folder / name
    if not path.is_file():
        raise ModelFileError(f"{path} is missing or no regular file; expected a run saved by alternax")
    if limit is not None and path.stat().st_size > limit:
        raise ModelFileError(f"{path} is larger than {limit} bytes, which no model needs")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}") from error


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def refuse_foreign(target: Path) -> None:
    """Refuse to write where something stands that is neither empty nor a model folder."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    try:
        ours = json.loads(_read(target, CONFIG, MAX_CONFIG_BYTES)).get("format") == FORMAT
    except (ValueError, AttributeError, RecursionError):
        ours = False
    if not ours:
        raise InputError(f"{target} exists and is not a model folder; choose another folder or move it away")


def _write(target: Path, contents: dict[str, bytes]) -> None:
    """Write a complete folder beside `target`, then swap the two by renaming."""
    target.parent.mkdir(parents=True, exist_ok=True)
    mark = secrets.token_hex(4)
    new, old = (target.with_name(f".{target.name}.{mark}.{end}") for end in ("new", "old"))
    try:
        new.mkdir()
        for name, content in contents.items():
            _write_through(new / name, content)
        _sync(new)
        if target.exists():
            target.rename(old)
        try:
            new.rename(target)
        except BaseException:
            if old.exists():
                old.rename(target)
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
    _sync(target.parent)
    _empty_into(old, target, set(contents))


def _write_through(path: Path, content: bytes) -> None:
    """Write a file and wait until the disk has it."""
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Wait until the disk has the folder's entries, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _empty_into(old: Path, target: Path, replaced: set[str]) -> None:
    """Drop the replaced files of the old folder, move whatever else a person kept there, remove the folder."""
    if not old.exists():
        return
    for entry in old.iterdir():
        if entry.name in replaced:
            entry.unlink()
        else:
            entry.rename(target / entry.name)
    old.rmdir()
