"""When training is written down, and from where it goes on: never from another run, never over one."""

import math
import shutil
import time
import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from alternax.core.errors import InputError, TrainingError
from alternax.fit.fingerprint import differences, environment
from alternax.fit.interrupt import uninterrupted
from alternax.fit.state import State
from alternax.fit.store import PREFIX, SCHEMA_VERSION, DamagedError, Store, belongs, steps_in

# Share of the training's time that checkpoints at a better validation score may take; those at intervals come on top.
SHARE = 0.05
# Frames from here up to the call of `fit`, which is what a warning should point at.
CALLER_OF_FIT = 4


def latest_step(folder: str | Path) -> int | None:
    """The step of the newest checkpoint in a folder, None where there is none."""
    steps = steps_in(Path(folder))
    return steps[-1] if steps else None


def discard(folder: str | Path) -> None:
    """Remove the checkpoints in a folder, and the folder when nothing else is in it."""
    folder = Path(folder)
    if not folder.is_dir():
        return
    for path in filter(belongs, list(folder.iterdir())):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()


class Checkpoints:
    """The checkpoints of one training; a context that closes them.

    Written are the start, every `every` steps, a better validation score, and the end. Kept are the last two and the
    one with the best score.

    Args:
        folder: Where; made with its parents.
        every: Steps between two checkpoints.
        run: Fingerprint of the training.
        resume: Whether to go on from what is there.

    Raises:
        InputError: If checkpoints are there and must not be gone on from, or the folder cannot be written to.
    """

    def __init__(self, folder: str | Path, every: int, run: dict[str, str], *, resume: bool):
        self.folder, self.every, self.run, self.resume = Path(folder).absolute(), every, run, resume
        self.written, self.tried, self.cost, self.ended = -1, -1, 0.0, 0.0
        self.failing = False
        self._check_folder()
        self.store = self._opened()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *error: object) -> None:
        self.store.close()

    def start(self, state: State) -> State:
        """The state of the newest checkpoint that can be read; without any `state` itself, which is written.

        Raises:
            InputError: If the checkpoints are of another run, or of this one without `resume`, or cannot be written.
            TrainingError: If none of the checkpoints that are there can be read.
        """
        damaged = {}
        for step in reversed(steps_in(self.folder)):
            try:
                record = self.store.record(step)
                self._check_run(record, step)
                found = self._state(state, record, self.store.arrays(step, record))
            except DamagedError as error:
                damaged[step] = f"the checkpoint of step {step} in {self.folder} is damaged: {error}"
                continue
            self._give_up(damaged, step)
            self._settle()
            self.written = self.tried = found.steps
            return replace(found, stopped="" if found.stopped == "interrupted" else found.stopped)
        if damaged:
            raise TrainingError(
                f"{'; '.join(damaged.values())}. There is no other to go on from: restore the folder from a copy, or "
                "give another folder to train from the start."
            )
        self._settle()
        try:
            self._write(state)
        except Exception as error:
            raise self._unwritable(error) from error
        return state

    def keep(self, state: State) -> None:
        """Write a checkpoint if one is due; at an interrupt say how to go on."""
        if state.steps != self.written and self._due(state):
            self._attempt(state)
        if state.stopped == "interrupted":
            warnings.warn(
                f"training was interrupted at step {state.steps}: the same call with resume=True goes on from the "
                f"checkpoint of step {self.written} in {self.folder}.",
                RuntimeWarning,
                stacklevel=CALLER_OF_FIT,
            )

    def _attempt(self, state: State) -> None:
        """Write a checkpoint; a disk that fills up after hours must not cost the training, so failure is a warning."""
        self.tried = state.steps
        try:
            self._write(state)
        except Exception as error:
            if not self.failing:
                warnings.warn(
                    f"the checkpoint of step {state.steps} could not be written to {self.folder}: {_cause(error)}. "
                    f"Training goes on, and tries again; the last checkpoint is that of step {self.written}.",
                    RuntimeWarning,
                    stacklevel=CALLER_OF_FIT + 1,
                )
            self.failing = True

    def _due(self, state: State) -> bool:
        """At the end, at intervals, and at a better score where earlier writes did not take too much of the time."""
        better = bool(state.valid_loss) and state.best_step == state.steps
        affordable = SHARE * (time.perf_counter() - self.ended) >= self.cost
        return bool(state.stopped) or state.steps - self.tried >= self.every or (better and affordable)

    def _write(self, state: State) -> None:
        began = time.perf_counter()
        score = state.valid_loss[-1] if state.valid_loss else math.inf
        record = {"run": self.run, "environment": environment(), "state": state.numbers()}
        # The books belong to the write: an interrupt between the two would have it written twice.
        with uninterrupted():
            self.store.write(state.steps, record, state.arrays(), score if math.isfinite(score) else math.inf)
            self.ended = time.perf_counter()
            self.cost, self.written, self.tried, self.failing = self.ended - began, state.steps, state.steps, False

    def _check_folder(self) -> None:
        """Refuse a file, and a folder of other things."""
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"checkpoint: {self.folder} is a file; give a folder.")
        if self.folder.is_dir() and not all(map(belongs, self.folder.iterdir())):
            raise InputError(
                f"checkpoint: {self.folder} holds other files than checkpoints; give an empty folder or a new one."
            )

    def _opened(self) -> Store:
        probe = self.folder / f"{PREFIX}_write_test"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
            return Store(self.folder)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: Exception) -> InputError:
        return InputError(f"cannot write checkpoints to {self.folder}: {_cause(error)}. Give another folder.")

    def _check_run(self, record: dict[str, Any], step: int) -> None:
        """Refuse another run, a newer format, and going on unasked; warn where the last digits may differ."""
        if record["schema_version"] != SCHEMA_VERSION:
            raise InputError(
                f"{self.folder} holds checkpoints of format version {record['schema_version']}, written by alternax "
                f"{record['environment']['alternax']}; this one reads version {SCHEMA_VERSION}. Go on with the former."
            )
        if different := differences(record["run"], self.run):
            raise InputError(
                f"{self.folder} holds checkpoints of another run: {different}. Give another folder, or what that run "
                "was given, or delete the folder."
            )
        if not self.resume:
            raise InputError(
                f"{self.folder} holds a checkpoint of this very run at step {step}: give resume=True to go on from "
                "there, or another folder, or delete this one."
            )
        if different := differences(record["environment"], environment()):
            warnings.warn(
                f"the checkpoint of step {step} in {self.folder} was written elsewhere ({different}): the last digits "
                "may differ from those of an uninterrupted run.",
                RuntimeWarning,
                stacklevel=CALLER_OF_FIT + 2,
            )

    def _state(self, start: State, record: dict[str, Any], arrays: dict[str, Any]) -> State:
        expected = {name: (array.dtype, array.shape) for name, array in start.arrays().items()}
        if {name: (array.dtype, array.shape) for name, array in arrays.items()} != expected:
            raise InputError(
                f"{self.folder} holds checkpoints with other arrays than this version of alternax and optax trains "
                "with: go on with the versions that wrote them, or give another folder."
            )
        return start.filled(arrays, record["state"])

    def _give_up(self, damaged: dict[int, str], step: int) -> None:
        """Remove what cannot be read, now that something older can."""
        for bad, text in damaged.items():
            warnings.warn(
                f"{text}. It is removed; training goes on from step {step}.",
                RuntimeWarning,
                stacklevel=CALLER_OF_FIT + 2,
            )
            self.store.remove(bad)

    def _settle(self) -> None:
        """Make ready to write: nothing half written left, the scores of the older checkpoints known."""
        self.store.tidy()
        for older in steps_in(self.folder):
            with suppress(DamagedError):
                self.store.record(older)


def _cause(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__).rstrip(".")
