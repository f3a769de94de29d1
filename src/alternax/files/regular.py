"""Regular files read with suspicion: no pipe waited for, no device opened, nothing larger than announced taken in."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from alternax.core.errors import ModelFileError

# A pipe that takes the place of the file after it was looked at must not be waited for either.
FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def read_regular(path: Path, refuse: Callable[[int], None], expected: str) -> bytes:
    """The bytes of one file, or of the regular file that a link points to.

    Links are followed: stores of models keep a folder as links into one place, and what is read is checked anyway.

    Args:
        path: The file.
        refuse: Called with the size in bytes before anything is read; raises where that is not what it should be.
        expected: What the file should belong to, for the message.

    Raises:
        ModelFileError: The file is missing, a folder, pipe, socket or device, cannot be read, or changes meanwhile.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise FileNotFoundError
        with os.fdopen(os.open(path, FLAGS), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise FileNotFoundError
            refuse(status.st_size)
            content = file.read(status.st_size + 1)
    except FileNotFoundError as error:
        raise ModelFileError(f"{path} is missing or no regular file; expected {expected}") from error
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) != status.st_size:
        raise ModelFileError(f"{path} changes while it is read; try again once it is written")
    return content


def physical_memory() -> int | None:
    """Bytes of memory of this machine, None where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
