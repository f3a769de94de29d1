"""A model folder read and checked with NumPy alone: no JAX, no code from the file, no more memory than its files have.

`load` builds on this; a person without JAX gets the numbers of a run out of it.
"""

import hashlib
import json
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from alternax.core.errors import ModelFileError
from alternax.files.arrays import restored, widened
from alternax.files.config import CONFIG, FORMAT, MAX_CONFIG_BYTES, parsed, shown
from alternax.files.regular import physical_memory, read_regular
from alternax.files.swap import standing

TENSORS = "model.safetensors"
EXPECTED = "a run saved by alternax"
# Letters of any script may name a field or column; slashes, control characters and direction marks never do.
ARRAY_NAME = re.compile(r"run(\.[\w%~-]*)+")
ATTEMPTS = 5


def read(folder: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The configuration and the arrays of a model folder; needs neither JAX nor the classes that the model is made of.

    Args:
        folder: Where a run was saved.

    Returns:
        The entries of config.json as they stand there (`config["meta"]` holds schema, scaling, training record and
        metrics, `config["structure"]` the model), and the arrays by the names that they are referred to by. Dates are
        datetime64; bfloat16, which NumPy does not have, comes as float32 of the same values.

    Raises:
        ModelFileError: The folder is missing, not ours, truncated, altered or of another version; the message names
            the cause.

    Example:
        >>> config, arrays = alternax.files.read("run")
        >>> arrays["run.meta.tail.x"].shape
        (1, 1024, 3)
    """
    config, stored = contents(folder)
    arrays = {}
    for node in _array_nodes([config["structure"], config["meta"]]):
        try:
            name, dtype, shape = node["$array"], str(node["dtype"]), tuple(node["shape"])
            if name not in stored:
                raise ModelFileError(f"{folder}: the array {shown(name)} is missing from {TENSORS}, or used twice")
        except (KeyError, TypeError) as error:
            raise ModelFileError(f"{folder}: malformed '$array' entry") from error
        numpy_has = restored if dtype != "bfloat16" else widened
        arrays[name] = numpy_has(stored.pop(name), dtype, shape, f"{folder}: {shown(name)}")
    if stored:
        raise ModelFileError(f"{folder}: {len(stored)} arrays belong nowhere, first {min(stored)!r}")
    return config, arrays


def contents(folder: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The checked entries of config.json and the arrays as they are stored.

    Raises:
        ModelFileError: As `read`.
    """
    folder = Path(folder)
    for attempt in range(ATTEMPTS):
        found = standing(folder)
        before = _identity(found)
        try:
            config, arrays = _contents(found)
            break
        except ModelFileError:
            # Another process may have replaced the folder between the two files.
            if attempt + 1 == ATTEMPTS or before == _identity(standing(folder)):
                raise
    if found != folder and not folder.exists():
        warnings.warn(
            f"{folder} is not there because saving it was interrupted; the complete {found.name} beside it is read. "
            "Saving to the same place again, or renaming that folder, puts it right.",
            RuntimeWarning,
            stacklevel=3,
        )
    return config, arrays


def _contents(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    if not folder.is_dir():
        raise ModelFileError(f"{folder} is not a folder; expected {EXPECTED}")
    config = parsed(_config_text(folder), folder / CONFIG)
    content = read_regular(folder / TENSORS, lambda size: _check_size(folder / TENSORS, size, config), EXPECTED)
    if hashlib.sha256(content).hexdigest() != config["tensors_sha256"]:
        raise ModelFileError(f"{folder / TENSORS} does not match its checksum: it is damaged or of another run")
    try:
        arrays = safetensors.numpy.load(content)
    except (safetensors.SafetensorError, KeyError, ValueError, OverflowError) as error:
        raise ModelFileError(f"{folder / TENSORS} is not a safetensors file alternax can read ({error})") from error
    for name in arrays:
        if not ARRAY_NAME.fullmatch(name):
            raise ModelFileError(f"{folder / TENSORS}: {shown(name)} is not the name of an array of a run")
    return config, arrays


def is_ours(folder: Path) -> bool:
    """Whether the folder is a run of any version, whole or not."""
    try:
        return json.loads(_config_text(folder)).get("format") == FORMAT
    except (ValueError, AttributeError, RecursionError):
        return False


def _config_text(folder: Path) -> bytes:
    def refuse(size: int) -> None:
        if size > MAX_CONFIG_BYTES:
            raise ModelFileError(f"{folder / CONFIG} is larger than {MAX_CONFIG_BYTES} bytes, which no model needs")

    return read_regular(folder / CONFIG, refuse, EXPECTED)


def _check_size(path: Path, size: int, config: dict[str, Any]) -> None:
    """Refuse the tensors before a byte is read, by the size that was written and by what the machine can hold."""
    if size != config["tensors_bytes"]:
        raise ModelFileError(
            f"{path} has {size} bytes where {shown(config['tensors_bytes'])} were written: "
            "it is truncated or of another run; copy the folder again"
        )
    memory = physical_memory()
    if memory is not None and size > memory:
        raise ModelFileError(
            f"{path} needs {size} bytes of memory and this machine has {memory}; load it on a larger one"
        )


def _array_nodes(roots: list[Any]) -> Iterator[dict[str, Any]]:
    """Every entry that stands for an array."""
    pending = roots
    while pending:
        node = pending.pop()
        if isinstance(node, dict) and "$array" in node:
            yield node
        else:
            pending.extend(node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())


def _identity(folder: Path) -> tuple[int, int, int] | None:
    """What tells this folder from another at the same place, None where there is none; inodes alone are used again."""
    try:
        status = os.stat(folder)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino, status.st_ctime_ns
