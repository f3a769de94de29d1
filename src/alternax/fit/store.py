"""Checkpoints as Orbax keeps them: complete under their name or not there, with checksums over every byte.

All arrays of a checkpoint travel as one buffer of bytes, so that every dtype and every width is exact, a write is one
write, and one that fails fails once. The record beside it says where in the buffer each array lies.
"""

import hashlib
import json
import logging
import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import jax
import numpy as np

PREFIX = "checkpoint"
FORMAT, SCHEMA_VERSION = "alternax checkpoint", 1
LATEST = 2
UNFINISHED = ".orbax-checkpoint-tmp"


class DamagedError(Exception):
    """A checkpoint that is not what was written."""


def steps_in(folder: Path) -> list[int]:
    """Steps of the checkpoints of a folder, in order; those whose writing was cut short are none."""
    names = (path.name.removeprefix(f"{PREFIX}_") for path in folder.glob(f"{PREFIX}_*") if path.is_dir())
    return sorted(int(name) for name in names if name.isdigit())


def belongs(path: Path) -> bool:
    """Whether an entry of a folder is a checkpoint, or what is left of one."""
    return path.name.startswith(f"{PREFIX}_")


class Store:
    """The last two checkpoints of a folder and the one with the lowest score.

    Args:
        folder: Where; made with its parents.

    Raises:
        OSError: If the folder cannot be made.
    """

    def __init__(self, folder: Path):
        policy = _LatestAndBest()
        self.folder, self.scores = folder, policy.scores
        with _quiet():
            self.orbax, self.manager = _open(folder, policy)

    def write(self, step: int, record: dict[str, Any], arrays: dict[str, np.ndarray], score: float) -> None:
        """Write a checkpoint and drop those that are no longer needed."""
        buffer = np.frombuffer(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays.values()), np.uint8)
        layout = [[name, array.dtype.name, list(array.shape)] for name, array in arrays.items()]
        record = {**record, "format": FORMAT, "schema_version": SCHEMA_VERSION, "layout": layout, "score": score}
        record["arrays_sha256"] = hashlib.sha256(buffer).hexdigest()
        record["record_sha256"] = _checksum(record)
        args = self.orbax.args
        content = args.Composite(arrays=args.PyTreeSave({"bytes": buffer}), record=args.JsonSave(record))
        self.scores[step] = score
        with _quiet():
            try:
                self.manager.save(step, args=content, force=True)
            except Exception:
                del self.scores[step]
                self.tidy()
                raise

    def tidy(self) -> None:
        """Remove what writes that were cut short have left."""
        for left in self.folder.glob(f"{PREFIX}_*{UNFINISHED}*"):
            shutil.rmtree(left, ignore_errors=True)

    def record(self, step: int) -> dict[str, Any]:
        """The record of a checkpoint.

        Raises:
            DamagedError: If it is not there as it was written.
        """
        record = self._item(step, record=self.orbax.args.JsonRestore())
        if not isinstance(record, dict) or record.get("record_sha256") != _checksum(record):
            raise DamagedError("its record does not match its checksum")
        self.scores[step] = record["score"]
        return record

    def arrays(self, step: int, record: dict[str, Any]) -> dict[str, np.ndarray]:
        """The arrays of a checkpoint.

        Raises:
            DamagedError: If they are not there as they were written.
        """
        content = self._item(step, arrays=self.orbax.args.PyTreeRestore())
        buffer = content.get("bytes") if isinstance(content, dict) else None
        if not isinstance(buffer, np.ndarray) or hashlib.sha256(buffer).hexdigest() != record["arrays_sha256"]:
            raise DamagedError("its arrays do not match their checksum")
        arrays, start = {}, 0
        for name, dtype, shape in record["layout"]:
            kind = jax.numpy.dtype(dtype)
            stop = start + kind.itemsize * int(np.prod(shape))
            arrays[name], start = buffer[start:stop].copy().view(kind).reshape(shape), stop
        return arrays

    def remove(self, step: int) -> None:
        """Remove a checkpoint, in whatever state it is."""
        with _quiet(), suppress(FileNotFoundError):
            self.manager.delete(step)
        shutil.rmtree(self.folder / f"{PREFIX}_{step}", ignore_errors=True)

    def close(self) -> None:
        """Give up what Orbax holds; the checkpoints stay."""
        with _quiet():
            self.manager.close()

    def _item(self, step: int, **wanted: Any) -> Any:
        try:
            with _quiet():
                restored = self.manager.restore(step, args=self.orbax.args.Composite(**wanted))
            return restored[next(iter(wanted))]
        # Orbax answers a damaged file with whatever its parts happen to raise.
        except Exception as error:
            raise DamagedError(f"it cannot be read ({type(error).__name__})") from error


class _LatestAndBest:
    """What Orbax is to preserve, by scores kept here.

    With its own metrics it could not open the folder any more once one file of them is damaged.
    """

    def __init__(self):
        self.scores: dict[int, float] = {}

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
        steps = [checkpoint.step for checkpoint in checkpoints]
        best = min(steps, key=lambda step: self.scores.get(step, math.inf), default=None)
        return [step in steps[-LATEST:] or step == best for step in steps]


def _open(folder: Path, policy: _LatestAndBest) -> tuple[Any, Any]:
    """Orbax, which is imported only here, and its manager of the folder."""
    import orbax.checkpoint as orbax

    folder.mkdir(parents=True, exist_ok=True)
    options = orbax.CheckpointManagerOptions(
        step_prefix=PREFIX, preservation_policy=policy, enable_async_checkpointing=False
    )
    # Weights do not get shorter by compression, only later.
    arrays = orbax.PyTreeCheckpointHandler(use_compression=False)
    handlers = {"arrays": arrays, "record": orbax.JsonCheckpointHandler()}
    return orbax, orbax.CheckpointManager(folder, options=options, item_handlers=handlers)


def _checksum(record: dict[str, Any]) -> str:
    rest = {name: value for name, value in record.items() if name != "record_sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Orbax's log; what goes wrong is raised, and said in our own words.

    That log gives the root logger a handler where it has none, which would silence a later `logging.basicConfig`.
    """
    logger, configured = logging.getLogger("absl"), bool(logging.root.handlers)
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
        if not configured:
            logging.root.handlers.clear()
