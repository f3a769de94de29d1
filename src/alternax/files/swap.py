"""A folder replaced whole: written beside the old one, swapped by renaming, and found again after a kill in between.

While `run` is saved there is `.run.MARK.new`; for the moment between the two renames the former folder is
`.run.MARK.old` and no `run` is there, and then until what else was kept in it has been moved over.
"""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no such lock; there a folder left by a kill is found but not cleared away.
    fcntl = None


def replace(target: Path, contents: dict[str, bytes]) -> None:
    """Write a complete folder beside `target`, then swap the two by renaming; other files kept in it are carried over.

    Args:
        target: The folder to write, which may exist.
        contents: The files by name.

    Raises:
        OSError: It cannot be written; what was at `target` is there as before.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    mark = secrets.token_hex(4)
    new, old = (target.with_name(f".{target.name}.{mark}.{end}") for end in ("new", "old"))
    try:
        new.mkdir()
        with _held(new):
            for name, content in contents.items():
                write_through(new / name, content)
            _sync(new)
            if target.exists():
                target.rename(old)
            try:
                new.rename(target)
            except BaseException:
                if old.exists():
                    old.rename(target)
                raise
            _sync(target.parent)
            _empty_into(old, target, set(contents))
    finally:
        shutil.rmtree(new, ignore_errors=True)


def standing(folder: Path) -> Path:
    """Where the complete content of `folder` is: there, or beside it when a kill hit between the two renames."""
    if folder.exists():
        return folder
    try:
        left = sorted(_left(folder.resolve(), "old"), key=lambda old: old.stat().st_mtime)
    except (OSError, RuntimeError, ValueError):
        return folder
    if not left:
        return folder
    # The old folder only moves away once the new one is complete.
    new = left[-1].with_suffix(".new")
    return new if new.is_dir() else left[-1]


def settle(target: Path, replaced: set[str]) -> None:
    """Finish or clear away what killed saves to `target` left behind; what a live one holds is left alone.

    Args:
        target: The folder that was saved to.
        replaced: Names of the files that every save writes anew.

    Raises:
        OSError: Something could not be renamed or removed.
    """
    for old in _left(target, "old"):
        new = old.with_suffix(".new")
        if not new.exists() and not target.exists():
            old.rename(target)
            continue
        with _held(new if new.exists() else target) as free:
            if free and not target.exists():
                new.rename(target)
            if free:
                _empty_into(old, target, replaced)
    for new in _left(target, "new"):
        with _held(new) as free:
            if free:
                shutil.rmtree(new)


def write_through(path: Path, content: bytes) -> None:
    """Write a file and wait until the disk has it.

    Args:
        path: The file, which must not exist.
        content: All of it.

    Raises:
        OSError: It exists or cannot be written; what there is of it stays.
    """
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _left(target: Path, end: str) -> list[Path]:
    """The folders of that end that saves to `target` have beside it."""
    if not target.parent.is_dir():
        return []
    name = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{8}}\.{end}")
    return [entry for entry in target.parent.iterdir() if name.fullmatch(entry.name)]


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """The lock of a folder, which ends with the process however that ends; False where another holds it."""
    if fcntl is None:
        yield False
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            free = False
        else:
            free = True
        yield free
    finally:
        os.close(handle)


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
        elif not os.path.lexists(target / entry.name):
            entry.rename(target / entry.name)
    if not any(old.iterdir()):
        old.rmdir()
