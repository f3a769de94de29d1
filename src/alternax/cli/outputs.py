"""What the command writes, and what it never writes over: found out before the work, not after it."""

import csv
from pathlib import Path
from typing import Any

import typer

from alternax.core.errors import InputError


def output_file(path: Path, *, reads: tuple[Path | None, ...] = (), columns: tuple[str, ...] = ()) -> None:
    """`path` can be written, and nothing is lost by it.

    Args:
        path: File to write.
        reads: Files that are read: none of them may be it.
        columns: Columns of what will be written; a CSV file that is there already must have them too.

    Raises:
        InputError: If it is a folder, an input, a file of other contents, or cannot be written.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder: give the name of a file to --out.")
    for read in reads:
        if read is not None and path.exists() and read.exists() and path.samefile(read):
            raise InputError(f"--out {path} is the file that is read: it would be lost. Choose another --out.")
    if path.exists() and not set(columns) <= set(_header(path)):
        raise InputError(
            f"--out {path} is a file of something else, not one with the columns {', '.join(columns)}: it would be "
            "lost. Choose another --out, or remove it."
        )
    writable(path)


def output_page(path: Path, read: Path) -> None:
    """The same for an HTML page."""
    output_file(path, reads=(read,))
    if path.exists() and not path.read_bytes()[:64].lstrip().lower().startswith(b"<!doctype html"):
        raise InputError(f"--out {path} is a file, and no HTML page: it would be lost. Choose another --out.")


def no_other_run(path: Path) -> None:
    """A run takes the place of another only when asked to."""
    if (path / "config.json").exists():
        raise InputError(
            f"{path} holds a run already: add --replace to put the new one in its place, or choose another --out."
        )


def writable(path: Path) -> None:
    """A file or folder of that name can be made."""
    folder = path if path.is_dir() else path.absolute().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".alternax-write-test"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}. Choose another --out.") from error


def write(frame: Any, out: Path) -> None:
    """A frame as a CSV file, and how many rows that were."""
    (frame if hasattr(frame, "to_csv") else frame.to_pandas()).to_csv(out, index=False)
    typer.echo(f"{len(frame):,} rows written to {out}")


def _header(path: Path) -> list[str]:
    """The first line of a CSV file, as far as it is text."""
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        return next(csv.reader([file.readline(100_000)]), [])
