"""Kill a save before each of its steps on the disk, and look at what is left: `python killed_saves.py FOLDER`.

Needs NumPy alone, so that it can fork. Prints what was read after each kill, one line each.
"""

import os
import pathlib
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

from mutations import files_of, place

from alternax.files import read
from alternax.files.swap import replace, settle

GOLDEN = Path(__file__).parents[1] / "golden" / "v2"
OLD, NEW = files_of(GOLDEN / "tree"), files_of(GOLDEN / "alternator_affine")
STEPS = (
    (pathlib.Path, "mkdir"),
    (os, "fsync"),
    (pathlib.Path, "rename"),
    (pathlib.Path, "unlink"),
    (pathlib.Path, "rmdir"),
)


def killed_at(step: int, action: Callable[[], None]) -> bool:
    """Do it in a process that is killed on the spot when it reaches that step; whether it got so far."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
        return os.WIFSIGNALED(status)
    left = step

    def counted(function: Callable) -> Callable:
        def call(*args, **kwargs):
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return function(*args, **kwargs)

        return call

    for home, name in STEPS:
        setattr(home, name, counted(getattr(home, name)))
    action()
    os._exit(0)


def version_at(run: Path) -> str:
    """Which of the two runs is read, and whether it had to be looked for."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, arrays = read(run)
    assert all("saving it was interrupted" in str(w.message) for w in caught)
    version = "old" if "run.meta.arrays.scalar" in arrays else "new"
    return f"{version} found beside" if caught else version


def save(run: Path) -> None:
    settle(run, set(NEW))
    replace(run, NEW)


def main(folder: Path) -> None:
    step, reached = 0, True
    while reached:
        run = folder / f"step{step}" / "run"
        run.parent.mkdir(parents=True)
        place(OLD, run)
        (run / "notes.txt").write_text("mine")
        reached = killed_at(step, lambda run=run: save(run))
        print(version_at(run))
        # A second kill while the first is being made good, then a save that nobody disturbs.
        killed_at(step, lambda run=run: save(run))
        version_at(run)
        save(run)
        assert version_at(run) == "new" and [p.name for p in run.parent.iterdir()] == ["run"]
        assert sorted(p.name for p in run.iterdir()) == ["config.json", "model.safetensors", "notes.txt"]
        step += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]))
