"""CSV files in."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alternax.core.errors import InputError
from alternax.data.checks import without_repeats
from alternax.data.sequences import Sequences
from alternax.data.times import looks_like_times

SEPARATORS = (",", ";", "\t")


def from_csv(path: str | Path, **options: Any) -> Sequences:
    """See `Sequences.from_csv`."""
    frame = read_table(path)
    try:
        return Sequences.from_frame(frame, **options)
    except InputError as error:
        raise InputError(f"{path}: {error} (Rows are counted from 0 below the header.)") from error


def read_table(path: str | Path) -> pd.DataFrame:
    """The file as a frame; a nameless first column that only counts the rows is left out."""
    path = Path(path)
    if not path.exists():
        raise InputError(f"No such file: {path} (looked in {path.absolute().parent}).")
    if path.is_dir():
        raise InputError(f"Expected a CSV file, found a folder: {path}.")
    try:
        with path.open(encoding="utf-8-sig") as lines:
            header = lines.readline()
        separator = max(SEPARATORS, key=header.count)
        _check_header(path, next(csv.reader([header], delimiter=separator), []))
        frame = pd.read_csv(path, sep=separator, encoding="utf-8-sig", skipinitialspace=True, index_col=False)
    except pd.errors.EmptyDataError as error:
        raise InputError(f"{path} is empty: expected a header and at least one row.") from error
    except pd.errors.ParserError as error:
        raise InputError(f"{path} is not a table of equally long rows: {error}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a UTF-8 text file: {error}.") from error
    if len(frame) == 0:
        raise InputError(f"{path} has a header but no rows.")
    first = frame.iloc[:, 0]
    counts = first.name == "Unnamed: 0" and np.array_equal(first, np.arange(len(frame)))
    return frame.iloc[:, 1:] if counts else frame


def _check_header(path: Path, names: list[str]) -> None:
    """Refuse what pandas would rename, and a file whose first line is data already."""
    names = [name.strip() for name in names]
    try:
        without_repeats([name for name in names if name])
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    for name in names:
        if looks_like_times([name]):
            raise InputError(f"{path}: expected column names in the first line, found the time stamp {name!r}.")
