"""Damaged model folders without end, from a seed: bytes flipped, cut, put in, swapped; entries altered and moved.

`damaged` is what disks, copies and editors do. `forged` makes all sizes and checksums fit afterwards, as only a person
who means it does, so that what lies behind the checksums is reached. Needs NumPy alone.
"""

import copy
import hashlib
import json
import random
import re
import signal
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alternax.files.config import digest

CONFIG, TENSORS = "config.json", "model.safetensors"
SECONDS = 5
Files = dict[str, bytes]
NAMES = (
    "../../etc/passwd", "/etc/passwd", "a\0b", "\u202egnp", "\ud800", "", ".", "run.model.\u0000", "$module", "$array",
    "$tuple", "$dict", "$float", "$function", "fields", "shape", "dtype", "model", "C:\\run", "x" * 300, "os.system",
    "alternax.core.fixed.Fixed", "alternax.files.folder.save", "equinox.nn.Linear", "__class__", "__init__",
)  # fmt: skip
VALUES = (
    None, True, False, 0, 1, -1, 3, 2**31, 2**63, 2**64, -(10**30), 0.5, -0.0, 1e308, [], {}, [[]], [0], [2**40, 2**40],
    {"$float": "nan"}, {"$tuple": []}, {"$function": "relu"}, {"$array": "run.model"}, {"$module": "os.system"},
)  # fmt: skip
DEEP: Any = []
for _ in range(120):
    DEEP = [DEEP]


class Hang(BaseException):
    """No `except` of the library may take this for an error of its own."""


@contextmanager
def time_limit() -> Iterator[None]:
    """End with `Hang` what takes longer than a damaged folder may."""

    def stop(*_: Any) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def files_of(folder: Path) -> Files:
    return {name: (folder / name).read_bytes() for name in (CONFIG, TENSORS)}


def place(files: Files, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        # A new file each time: to cut an old one short makes the system wait for the disk.
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_bytes(content)


def damaged(files: Files, other: Files, rng: random.Random) -> Files:
    """One accident; `other` are the files of another run."""
    name = rng.choice((CONFIG, TENSORS))
    if rng.random() < 0.1:
        return files | {name: other[name]}
    if rng.random() < 0.3:
        return files | {CONFIG: _spaced(_altered(json.loads(files[CONFIG]), rng), rng)}
    return files | {name: _bytes(files[name], rng)}


def forged(files: Files, other: Files, rng: random.Random) -> Files:
    """One alteration, everything sealed anew; some at format version 1, which had no checksum of the config."""
    tensors = files[TENSORS]
    config = json.loads(files[CONFIG])
    kind = rng.random()
    if kind < 0.15:
        tensors = _bytes(tensors, rng)
    elif kind < 0.4:
        tensors = _header(tensors, rng)
    elif kind < 0.5:
        config["structure"], config["meta"] = rng.sample([config["structure"], config["meta"], _whole(other)], 2)
    else:
        config = _altered(config, rng)
    if isinstance(config, dict):
        config |= {"tensors_bytes": len(tensors), "tensors_sha256": hashlib.sha256(tensors).hexdigest()}
        if rng.random() < 0.2:
            config = {k: v for k, v in config.items() if k != "config_sha256"} | {"schema_version": 1}
        else:
            config["config_sha256"] = digest(config)
    return {CONFIG: _spaced(config, rng), TENSORS: tensors}


def _whole(files: Files) -> Any:
    return json.loads(files[CONFIG])["structure"]


def _bytes(content: bytes, rng: random.Random) -> bytes:
    """Bits flipped, or a span cut off, left out, doubled, zeroed or put in."""
    at = rng.randrange(len(content))
    # The header of the tensors and the head of the config are where most of the meaning is.
    at = rng.randrange(min(len(content), 300)) if rng.random() < 0.3 else at
    end = min(len(content), at + rng.choice((1, 2, 8, 64, 1000)))
    match rng.randrange(7):
        case 0 | 1:
            flipped = bytearray(content)
            for _ in range(rng.choice((1, 1, 2, 8))):
                flipped[(at + rng.randrange(end - at)) % len(content)] ^= 1 << rng.randrange(8)
            return bytes(flipped)
        case 2:
            return content[:at]
        case 3:
            return content[:at] + content[end:]
        case 4:
            return content[:end] + content[at:]
        case 5:
            return content[:at] + bytes(end - at) + content[end:]
    return content[:at] + rng.randbytes(end - at) + content[at:]


def _places(node: Any) -> list[tuple[Any, Any]]:
    """Every entry below `node`, as the container and its key or index."""
    found, pending = [], [node]
    while pending:
        inner = pending.pop()
        keys = list(inner) if isinstance(inner, dict) else range(len(inner)) if isinstance(inner, list) else ()
        found += [(inner, key) for key in keys]
        pending += [inner[key] for key in keys]
    return found


def _altered(node: Any, rng: random.Random) -> Any:
    """`node` with one entry left out, renamed, of another type or value, exchanged with another, doubled, or buried."""
    places = _places(node)
    (home, key), (there, its) = rng.choice(places), rng.choice(places)
    match rng.randrange(7):
        case 0:
            del home[key]
        case 1:
            value = home.pop(key)
            if isinstance(home, dict):
                home[rng.choice(NAMES)] = value
            else:
                home.append(value)
        case 2:
            home[key] = copy.deepcopy(rng.choice((*VALUES, *NAMES, DEEP)))
        case 3:
            value = home[key]
            same = type(value) in (int, float)
            home[key] = value + rng.choice((1, -1, 1e-3)) if same else str(value)[: rng.randrange(40)]
        case 4:
            home[key], there[its] = copy.deepcopy(there[its]), copy.deepcopy(home[key])
        case 5:
            if isinstance(home, list):
                home.insert(key, copy.deepcopy(home[key]))
            else:
                home[rng.choice(NAMES)] = copy.deepcopy(home[key])
        case 6:
            home[key] = rng.choice(([home[key]], {"$tuple": [home[key]]}, {"$dict": [["a", home[key]]]}))
    return node


def _spaced(node: Any, rng: random.Random) -> bytes:
    """The JSON text, sometimes with an entry twice or a number that no float can hold."""
    text = json.dumps(node, indent=1 if rng.random() < 0.1 else None)
    names = list(re.finditer(r'"[a-z_]+": ', text))
    if names and rng.random() < 0.05:
        at = rng.choice(names)
        text = (
            f"{text[: at.start()]}{at.group()}{rng.choice(('1, ', 'null, ', '1e999, ', 'NaN, '))}{text[at.start() :]}"
        )
    return text.encode()


def _header(tensors: bytes, rng: random.Random) -> bytes:
    """Another safetensors header: altered entries, sizes beyond all memory, or a wrong length of itself."""
    length = struct.unpack("<Q", tensors[:8])[0]
    header, body = json.loads(tensors[8 : 8 + length]), tensors[8 + length :]
    kind = rng.random()
    if kind < 0.6:
        text = json.dumps(_altered(header, rng)).encode()
    else:
        name = rng.choice([n for n in header if n != "__metadata__"])
        entry = dict(header.pop(name))
        if kind < 0.7:
            entry["shape"] = rng.choice(([2**40, 2**20], [2**63], [2**62, 4], [0, 2**62], [1] * 70, [-1]))
        elif kind < 0.8:
            begin = rng.choice((0, 2**40, 2**63, 2**64 - 1))
            entry["data_offsets"] = [begin, begin + rng.choice((0, 4, 2**40))]
        elif kind < 0.9:
            entry["dtype"] = rng.choice(("F64", "BF16", "F8_E4M3", "C64", "I8", "BOOL", "Q"))
        text = json.dumps({rng.choice((name, *NAMES)) if kind >= 0.9 else name: entry} | header).encode()
    claimed = rng.choice((2**62, 2**40, 0, len(text) + 1, 10**8 - 8)) if rng.random() < 0.1 else len(text)
    return struct.pack("<Q", claimed) + text + body
