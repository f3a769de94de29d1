"""The text of config.json: strict JSON with a checksum of its own content, readable, and not to be edited unnoticed."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

from alternax.core.errors import InputError, ModelFileError
from alternax.version import __version__

CONFIG = "config.json"
FORMAT = "alternax"
SCHEMA_VERSION = 2
MAX_CONFIG_BYTES = 64 * 2**20
CHECKSUM = "config_sha256"
ENTRIES = {"format", "schema_version", "library_version", "tensors_bytes", "tensors_sha256", "structure", "meta"}
# Version 1 had no checksum of config.json.
VERSIONS = {1: ENTRIES, 2: ENTRIES | {CHECKSUM}}


def written(entries: dict[str, Any]) -> bytes:
    """The file for these entries, format, versions and checksum added.

    Raises:
        InputError: Something in it has no JSON of a size that can be read again.
    """
    config = {"format": FORMAT, "schema_version": SCHEMA_VERSION, "library_version": __version__, **entries}
    try:
        head = {"format": FORMAT, CHECKSUM: digest(config)}
        text = json.dumps(head | config, indent=1, allow_nan=False).encode()
    except ValueError as error:
        raise InputError(f"{CONFIG} cannot be written: {error}; keep such a number in an array") from error
    if len(text) > MAX_CONFIG_BYTES:
        raise InputError(f"{CONFIG} would have {len(text)} bytes, more than {MAX_CONFIG_BYTES}; keep numbers in arrays")
    return text


def parsed(text: bytes, where: Path) -> dict[str, Any]:
    """The checked entries of the file; `where` is its name in messages.

    Raises:
        ModelFileError: The text is no strict JSON, not alternax's, of another version, or not what was written.
    """
    try:
        config = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse_constant, parse_float=_finite)
        if not isinstance(config, dict) or config.get("format") != FORMAT:
            raise ModelFileError(f"{where} was not written by alternax")
        _check_version(config, where)
        unaltered = CHECKSUM not in config or config[CHECKSUM] == digest(config)
    except (ValueError, RecursionError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{where} is truncated or damaged ({error}); copy the folder again") from error
    if not unaltered:
        raise ModelFileError(
            f"{where} does not match its own checksum: it was edited or damaged after it was written; copy the folder "
            "again. To change a run on purpose, load the unchanged folder, change it in Python and save it"
        )
    return config


def digest(config: dict[str, Any]) -> str:
    """SHA-256 of all entries but the checksum itself, whatever the spaces between them."""
    rest = {name: value for name, value in config.items() if name != CHECKSUM}
    return hashlib.sha256(json.dumps(rest, separators=(",", ":"), allow_nan=False).encode()).hexdigest()


def shown(value: Any) -> str:
    """A value of a file for a message: short, and nothing that a terminal would obey."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _check_version(config: dict[str, Any], where: Path) -> None:
    version = config.get("schema_version")
    if type(version) is not int or version not in VERSIONS:
        raise ModelFileError(
            f"{where} is of format version {shown(version)}, written by alternax "
            f"{shown(config.get('library_version'))}; this is alternax {__version__}, which reads versions "
            f"{' and '.join(map(str, VERSIONS))}: install the version that wrote it, or newer"
        )
    odd = config.keys() ^ VERSIONS[version]
    if odd:
        name = min(odd)
        raise ModelFileError(
            f"{where} must have exactly the entries {sorted(VERSIONS[version])}; "
            f"{shown(name)} is {'not among them' if name in config else 'missing'}"
        )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, each name in it once: of two, readers would disagree about which one counts."""
    entries = dict(pairs)
    if len(entries) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in entries if names.count(name) > 1)
        raise ValueError(f"two entries are named {shown(twice)}")
    return entries


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{shown(text)} is too large for a number")
    return value


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
