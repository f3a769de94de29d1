"""Read COUNT damaged folders with NumPy alone in little memory: `python fuzz_reader.py RUN OTHER WORK COUNT`.

Every outcome must be a ModelFileError or exactly what the files say. Prints the counts as JSON; a crash, a hang,
another error or a wrong array ends it with a traceback.
"""

import json
import random
import resource
import struct
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from mutations import CONFIG, TENSORS, Files, damaged, files_of, forged, place, time_limit

from alternax.core.errors import ModelFileError
from alternax.files import read

MEMORY = 2**30


def same(read_out: tuple, expected: tuple) -> bool:
    """The same config, entries in the same order, and the same bits."""
    (config, arrays), (known, numbers) = read_out, expected
    return (
        json.dumps(config) == json.dumps(known)
        and arrays.keys() == numbers.keys()
        and all(
            a.dtype == numbers[n].dtype and a.shape == numbers[n].shape and a.tobytes() == numbers[n].tobytes()
            for n, a in arrays.items()
        )
    )


def said(files: Files) -> tuple[dict, dict[str, bytes]]:
    """The config and the bits of every array, by a plain reading of the formats that trusts the files."""
    tensors = files[TENSORS]
    length = struct.unpack("<Q", tensors[:8])[0]
    header, body = json.loads(tensors[8 : 8 + length]), tensors[8 + length :]
    header.pop("__metadata__", None)
    return json.loads(files[CONFIG]), {n: body[slice(*entry["data_offsets"])] for n, entry in header.items()}


def as_said(read_out: tuple, files: Files) -> bool:
    """Whether that is what was read, bfloat16 by its upper half."""
    (config, arrays), (known, bits) = read_out, said(files)
    narrow = {n: a.tobytes() if len(a.tobytes()) == len(bits[n]) else halves(a) for n, a in arrays.items()}
    return json.dumps(config) == json.dumps(known) and narrow == bits


def halves(array: np.ndarray) -> bytes:
    return (array.view(np.uint32) >> 16).astype(np.uint16).tobytes()


def outcome(files: Files, folder: Path, whole: tuple | None) -> str:
    """What reading does: refuse, or give the run as it was saved (`whole`), or else as the forged files say."""
    place(files, folder)
    with time_limit():
        try:
            got = read(folder)
        except ModelFileError:
            return "refused"
    assert same(got, whole) if whole else as_said(got, files), "read as something else"
    return "read"


def main(run: Path, other: Path, work: Path, count: int) -> None:
    rng, counts = random.Random(0), Counter()
    sources = files_of(run), files_of(other)
    whole = read(run)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for index in range(count):
        kind = "forged" if index % 2 else "damaged"
        files = (forged if index % 2 else damaged)(*sources, rng)
        try:
            counts[f"{kind} {outcome(files, work / 'run', None if index % 2 else whole)}"] += 1
        except BaseException:
            print(f"mutation {index} ({kind}) is in {work / 'run'}", file=sys.stderr)
            raise
    heavy = sorted({"jax", "equinox", "ml_dtypes", "pandas", "scipy"} & sys.modules.keys())
    print(json.dumps(counts | {"heavy": heavy}))


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:4]), int(sys.argv[4]))
