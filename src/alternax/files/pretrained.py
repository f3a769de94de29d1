"""Folders of transformers: `config.json` beside the tensors in safetensors, one file or shards; no code is run."""

import json
from pathlib import Path, PurePath

import numpy as np
import safetensors

from alternax.core.errors import ModelFileError

CONFIG, TENSORS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
MAX_JSON_BYTES = 64 * 2**20
FLOATS = ("BF16", "F16", "F32", "F64")


def read_config(folder: Path) -> dict:
    """The entries of config.json.

    Raises:
        ModelFileError: `folder` is none, or the file is missing, damaged or no JSON object.
    """
    if not folder.is_dir():
        raise ModelFileError(f"{folder} is not a folder; expected one written by transformers' save_pretrained")
    return _json(folder / CONFIG)


def read_tensors(folder: Path) -> dict[str, np.ndarray]:
    """The tensors by name, all of floating point, as they are stored.

    Raises:
        ModelFileError: no safetensors in `folder`, a damaged file, a shard that is missing, outside the folder or not
            as the index says, or tensors of another kind.
    """
    if (folder / TENSORS).is_file():
        return _tensors(folder / TENSORS)
    if (folder / INDEX).is_file():
        return _sharded(folder)
    pickle = next((name for name in PICKLES if (folder / name).exists()), None)
    if pickle is not None:
        raise ModelFileError(
            f"{folder / pickle} is a pickle, which can run any code when it is read; only {TENSORS} is read. Where you "
            "trust the file, load it with transformers and write it again with save_pretrained"
        )
    raise ModelFileError(f"{folder}: neither {TENSORS} nor {INDEX} is there; expected one of them")


def _sharded(folder: Path) -> dict[str, np.ndarray]:
    """The tensors of all files that the index names."""
    homes = _json(folder / INDEX).get("weight_map")
    if not isinstance(homes, dict) or not homes:
        raise ModelFileError(f"{folder / INDEX}: expected the entry 'weight_map' from tensors to files")
    for shard in homes.values():
        if not isinstance(shard, str) or PurePath(shard).name != shard or not shard.endswith(".safetensors"):
            raise ModelFileError(f"{folder / INDEX}: {shard!r} is not the name of a safetensors file in the folder")
    tensors = {}
    for shard in sorted(set(homes.values())):
        found = _tensors(folder / shard)
        promised = {name for name, home in homes.items() if home == shard}
        if found.keys() != promised:
            raise ModelFileError(
                f"{folder / shard} and {INDEX} disagree about {min(found.keys() ^ promised)!r}: they are not of one "
                "model; copy the folder again"
            )
        tensors |= found
    return tensors


def _tensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of one file."""
    if not path.is_file():
        raise ModelFileError(f"{path} is missing; copy the folder again")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            names = file.keys()
            for name in names:
                kind = file.get_slice(name).get_dtype()
                if kind not in FLOATS:
                    raise ModelFileError(f"{path}: {name} is of type {kind}; expected one of {', '.join(FLOATS)}")
            return {name: file.get_tensor(name) for name in names}
    except (safetensors.SafetensorError, OSError) as error:
        raise ModelFileError(f"{path} is not a safetensors file that can be read ({error}); copy it again") from error


def _json(path: Path) -> dict:
    """The object in a JSON file."""
    if not path.is_file():
        raise ModelFileError(f"{path} is missing; expected a folder written by transformers' save_pretrained")
    if path.stat().st_size > MAX_JSON_BYTES:
        raise ModelFileError(f"{path} is larger than {MAX_JSON_BYTES} bytes, which no model needs")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError, OSError) as error:
        raise ModelFileError(f"{path} is truncated or damaged ({error}); copy the folder again") from error
    if not isinstance(content, dict):
        raise ModelFileError(f"{path}: expected a JSON object, found {type(content).__name__}")
    return content
