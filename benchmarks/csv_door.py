"""Reading a CSV file of 1 GB: time, memory at the peak, and what the door says it needs before it reads.

Three files of the same size: wide (20 columns of numbers in full precision), long (a hundred series, dates and one
number) and digits (100 columns of single digits, the most cells a file can hold). Each is read in a process of its own.
The files are written into the folder of temporary files and removed. With `--memory` the door is told of so many free
GB, and refuses what needs more.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from setting import machine, write_table

BLOCK = 10_000
READ = """
import json, resource, sys, time
from alternax.core.errors import InputError
from alternax.data import Sequences, csv_door
found, stated = {}, csv_door.memory_needed
csv_door.memory_needed = lambda *a: found.setdefault("needed", stated(*a))
if len(sys.argv) > 2:
    csv_door.available_memory = lambda: float(sys.argv[2]) * 1e9
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
start = time.perf_counter()
try:
    data = Sequences.from_csv(sys.argv[1])
    found["cells"] = data.x.size
except InputError as error:
    found["refused"] = str(error)
found["seconds"] = time.perf_counter() - start
found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
print(json.dumps(found))
"""


def wide(rng: np.random.Generator) -> Iterator[str]:
    """Hourly rows of 20 numbers."""
    yield "ds," + ",".join(f"x{i}" for i in range(20))
    hour = np.datetime64("1900-01-01T00")
    while True:
        for row in rng.standard_normal((BLOCK, 20)).tolist():
            yield f"{hour}:00," + ",".join(map(repr, row))
            hour += 1


def long(rng: np.random.Generator) -> Iterator[str]:
    """One number an hour in each of a hundred series, which take turns."""
    yield "unique_id,ds,y"
    hour = np.datetime64("1900-01-01T00")
    while True:
        for row in rng.integers(0, 1000, (BLOCK // 100, 100)).tolist():
            yield from (f"series {i},{hour}:00,{value}" for i, value in enumerate(row))
            hour += 1


def digits(rng: np.random.Generator) -> Iterator[str]:
    """Rows of 100 single digits under a count."""
    yield "ds," + ",".join(f"x{i}" for i in range(100))
    count = 0
    while True:
        for row in rng.integers(0, 10, (BLOCK, 100)).tolist():
            yield f"{count}," + ",".join(map(str, row))
            count += 1


def written(path: Path, lines: Iterator[str], size: int) -> int:
    """The bytes of the file, once it has reached its size."""
    total = 0
    with path.open("w") as file:
        while total < size:
            total += file.write("\n".join(next(lines) for _ in range(BLOCK)) + "\n")
    return total


def row(name: str, make, folder: Path, size: int, memory: list[str]) -> str:
    """One line of the table."""
    path = folder / f"{name}.csv"
    try:
        total = written(path, make(np.random.default_rng(0)), size)
        found = json.loads(subprocess.check_output([sys.executable, "-c", READ, str(path), *memory]))
    finally:
        path.unlink(missing_ok=True)
    stated = f"{found['needed'] / 1e9:.1f}"
    if "refused" in found:
        return f"| {name} | {total / 1e9:.2f} | - | {found['seconds']:.1f} | - | {stated} | refused |"
    cells, peak = found["cells"], f"{found['peak'] / 1e9:.1f}"
    return f"| {name} | {total / 1e9:.2f} | {cells / 1e6:.0f} | {found['seconds']:.0f} | {peak} | {stated} | read |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--memory", help="free memory in GB, instead of what the machine has")
    parser.add_argument("--out")
    arguments = parser.parse_args()
    lines = [
        "| file | GB | million values | s | GB at the peak | GB stated before | |",
        "|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for name, make in (("wide", wide), ("long", long), ("digits", digits)):
            lines.append(
                row(
                    name,
                    make,
                    Path(folder),
                    arguments.megabytes * 10**6,
                    [arguments.memory] if arguments.memory else [],
                )
            )
    write_table("CSV door", __doc__, [*lines, "", machine()], arguments.out)


if __name__ == "__main__":
    main()
