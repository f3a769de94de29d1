"""CSV files in: looked through line by line first, so that nothing is read that does not fit, in memory or in shape."""

import csv
import re
from collections.abc import Collection, Iterator
from functools import cache
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alternax.core.errors import InputError
from alternax.data.checks import without_repeats
from alternax.data.memory import available_memory
from alternax.data.sequences import Sequences
from alternax.data.times import looks_like_times

SEPARATORS = (",", ";", "\t")
NUMBERED = re.compile(r"\d.*\D.*\d")  # what a time stamp has at least
NUMBER = re.compile(r"[+-]?[\d.]*([eE][+-]?\d+)?|nan|NaN|NA")
LITERAL = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
MISSING = frozenset({
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
    "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
})  # as pandas.read_csv has it  # fmt: skip
SAMPLE = 2**20
# Bytes at the peak for every cell of numbers and of text, beside those of the file: see benchmarks/csv_door.md.
PER_NUMBER, PER_TEXT = 20, 64
ALWAYS = 2**26  # what any file may take


def from_csv(path: str | Path, **options: Any) -> Sequences:
    """See `Sequences.from_csv`."""
    return from_table(read_table(path), path, **options)


def from_table(frame: pd.DataFrame, path: str | Path, **options: Any) -> Sequences:
    """`Sequences.from_frame` of what `read_table` found; errors name the file."""
    try:
        return Sequences.from_frame(frame, **options)
    except InputError as error:
        raise InputError(f"{path}: {error} (Rows are counted from 0 below the header.)") from error


def read_table(path: str | Path, texts: Collection[str] = ()) -> pd.DataFrame:
    """The file as a frame; a nameless first column that only counts the rows is left out.

    Args:
        path: The file.
        texts: Columns that stay text even if every cell is a number; those that the file lacks are passed over.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"No such file: {path} (looked in {path.absolute().parent}).")
    if path.is_dir():
        raise InputError(f"Expected a CSV file, found a folder: {path}.")
    try:
        separator, names, first = _header(path)
        _check_names(path, names)
        _check_memory(path, first)
        _check_rows(path, separator, len(names))
        # In one piece, as a column must be text throughout or numbers throughout.
        frame = pd.read_csv(
            path,
            sep=separator,
            names=names,
            header=0,
            encoding="utf-8-sig",
            skipinitialspace=True,
            index_col=False,
            low_memory=False,
            dtype=dict.fromkeys(texts, str),
            **_exact_decimals(),
        )
    except pd.errors.ParserError as error:
        raise InputError(f"{path} is not a table of equally long rows: {error}.") from error
    except csv.Error as error:
        raise InputError(f"{path} is not a table: {error}; is a quotation mark never closed?") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a UTF-8 text file: {error}.") from error
    if len(frame) == 0:
        raise InputError(f"{path} has a header but no rows.")
    for name in frame.columns:
        if name not in texts and frame[name].dtype.kind == "O":
            frame[name] = _mended(frame[name])
    return _without_fillers(frame)


@cache
def _exact_decimals() -> dict[str, Any]:
    """How to have decimals read to their last digit by a pandas that does not do so by itself."""
    written = "1.6999999999999999e-19"
    found = pd.read_csv(StringIO(f"a\n{written}\n")).to_numpy().item()
    return {} if found == float(written) else {"float_precision": "round_trip"}


def _mended(column: pd.Series) -> pd.Series:
    """A column with the numbers and missing cells that pandas leaves as text beside whole numbers above 64 bits."""
    if column.isin(MISSING).any():
        column = pd.Series([np.nan if cell in MISSING else cell for cell in column], column.index, dtype=object)
    literal = (isinstance(cell, float) or (isinstance(cell, str) and LITERAL.fullmatch(cell)) for cell in column)
    return pd.Series(map(_number, column), column.index, dtype=object) if all(literal) else column


def _number(cell: str | float) -> int | float:
    """Whole numbers exactly, as they may be the identities of series."""
    try:
        return int(cell)
    except ValueError:
        return float(cell)


def _records(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The number of the line on which it ends, and the cells of every record that is not blank."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
        for cells in reader:
            if len(cells) > 1 or (cells and cells[0].strip()):
                yield reader.line_num, cells


def _header(path: Path) -> tuple[str, list[str], list[str]]:
    """The separator that cuts header and first row alike, and into most cells; the names for pandas; the first row."""
    found = {s: [cells for _, cells in islice(_records(path, s), 2)] for s in SEPARATORS}
    if not found[","]:
        raise InputError(f"{path} is empty: expected a header and at least one row.")
    widths = {s: (len(found[s][0]), len(found[s][-1])) for s in SEPARATORS}
    separator = max(SEPARATORS, key=lambda s: (widths[s][0] == widths[s][1] > 1, *widths[s]))
    names = [name.strip() or f"Unnamed: {i}" for i, name in enumerate(found[separator][0])]
    return separator, names, found[separator][-1]


def _check_names(path: Path, names: list[str]) -> None:
    """Refuse what pandas would rename, and a file whose first line is data already."""
    try:
        without_repeats(names)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    dated = pd.Series([name for name in names if NUMBERED.search(name)], dtype=object)
    for name in dated[pd.to_datetime(dated, errors="coerce", format="mixed", utc=True).notna()]:
        if looks_like_times([name]):
            raise InputError(f"{path}: expected column names in the first line, found the time stamp {name!r}.")


def memory_needed(path: Path, first: list[str]) -> float:
    """Bytes that reading will take at its peak, judged by the first row, the first lines and the size of the file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        sample = file.read(SAMPLE)
    rows = size * max(sample.count(b"\n"), sample.count(b"\r")) / max(len(sample), 1)
    text = sum(not NUMBER.fullmatch(cell.strip()) for cell in first)
    return size + rows * (PER_TEXT * text + PER_NUMBER * (len(first) - text))


def _check_memory(path: Path, first: list[str]) -> None:
    """Refuse before reading what there is no memory for."""
    needed, room = memory_needed(path, first), available_memory()
    if room is not None and needed > max(room, ALWAYS):
        raise InputError(
            f"{path}: a file of {path.stat().st_size / 1e9:.2g} GB with {len(first)} columns needs about "
            f"{needed / 1e9:.2g} GB of memory, and {room / 1e9:.2g} GB are free. Split the file by series or time, or "
            "read only the columns you need with pandas.read_csv(usecols=...) and hand the frame to "
            "Sequences.from_frame."
        )


def _check_rows(path: Path, separator: str, columns: int) -> None:
    """Refuse rows that are shorter or longer than the header: pandas would fill them up, or cut them off."""
    for line, cells in _records(path, separator):
        if len(cells) != columns and not (len(cells) == columns + 1 and cells[-1] == ""):
            raise InputError(
                f"{path} is not a table of equally long rows: the row that ends in line {line} has {len(cells)} cells, "
                f"but the header has {columns}."
            )


def _without_fillers(frame: pd.DataFrame) -> pd.DataFrame:
    """Without a nameless first column that counts the rows, and a nameless last one that a trailing separator makes."""
    first, last = frame.iloc[:, 0], frame.iloc[:, -1]
    if last.name == f"Unnamed: {frame.shape[1] - 1}" and last.isna().all():
        frame = frame.iloc[:, :-1]
    counts = first.name == "Unnamed: 0" and np.array_equal(first, np.arange(len(frame)))
    return frame.iloc[:, 1:] if counts else frame
