"""What makes two trainings the same one: everything that their result depends on, by name and short enough to keep."""

import functools
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from importlib.metadata import version
from typing import Any

import jax
import numpy as np

from alternax.version import __version__

SHOWN = 60
LISTED = 5
DEPTH = 2
CHECKSUM = " blake2b "


def fingerprint(**parts: Any) -> dict[str, str]:
    """One text for each part, its fields and theirs: the value where short, else a checksum.

    The same in every process: nothing of it depends on addresses or on the order of hashes.

    Args:
        **parts: Models, data, objectives, transforms, settings.

    Example:
        >>> fingerprint(steps=10, decay=0.5)
        {'steps': '10', 'decay': '0.5'}
    """
    return {name: text for part in parts.items() for name, text in _texts(*part, DEPTH)}


def differences(there: Mapping[str, str], here: Mapping[str, str]) -> str:
    """In words what differs between two fingerprints; nothing if they are the same."""
    names = [name for name in {**there, **here} if there.get(name) != here.get(name)]
    texts = [_difference(name, there.get(name, "nothing"), here.get(name, "nothing")) for name in names]
    more = [f"{len(texts) - LISTED} more"] if len(texts) > LISTED else []
    return "; ".join(texts[:LISTED] + more)


def environment() -> dict[str, str]:
    """What the last digits of a result depend on besides."""
    device = jax.devices()[0].device_kind
    return {"alternax": __version__, "jax": jax.__version__, "jaxlib": version("jaxlib"), "device": device}


def _texts(name: str, part: Any, depth: int) -> Iterator[tuple[str, str]]:
    if depth and is_dataclass(part) and not isinstance(part, type):
        yield name, _named(type(part))
        for field in fields(part):
            yield from _texts(f"{name}.{field.name}", getattr(part, field.name), depth - 1)
    else:
        yield name, _short(part)


def _difference(name: str, there: str, here: str) -> str:
    """What a person can see of two values, or that they differ where they cannot."""
    there, here = (text.partition(CHECKSUM)[0] for text in (there, here))
    return f"another {name}" if there == here or not (there and here) else f"{name} {there} there, {here} here"


def _short(value: Any) -> str:
    if isinstance(value, jax.Array | np.ndarray):
        return _array(value)
    text = json.dumps(_described(value))
    return text if len(text) <= SHOWN else _checksum(text.encode())


def _described(value: Any) -> Any:
    """A value as JSON that tells it from others."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return float(value)
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        return _array(value)
    if isinstance(value, Mapping):
        return [[_described(key), _described(held)] for key, held in value.items()]
    if isinstance(value, list | tuple):
        return [_described(held) for held in value]
    if isinstance(value, set | frozenset):
        return sorted((_described(held) for held in value), key=json.dumps)
    if isinstance(value, functools.partial):
        return ["partial", *map(_described, (value.func, value.args, value.keywords))]
    if is_dataclass(value) and not isinstance(value, type):
        return [_named(type(value)), [[field.name, _described(getattr(value, field.name))] for field in fields(value)]]
    if callable(value) and getattr(value, "__qualname__", None):
        return _named(value)
    held = getattr(value, "__dict__", None)
    described = _described(held) if held else re.sub(r" at 0x[0-9a-f]+", "", repr(value))
    return [_named(type(value)), described]


def _named(definition: Any) -> str:
    return f"{definition.__module__}.{definition.__qualname__}"


def _array(value: Any) -> str:
    """Dtype, shape and checksum."""
    if isinstance(value, jax.Array) and jax.numpy.issubdtype(value.dtype, jax.dtypes.prng_key):
        value = jax.random.key_data(value)
    array = np.asarray(value)
    objects = array.dtype.hasobject
    content = json.dumps(_described(array.ravel().tolist())).encode() if objects else array.tobytes()
    return f"{array.dtype.name}{list(array.shape)}{_checksum(content)}"


def _checksum(content: bytes) -> str:
    return f"{CHECKSUM}{hashlib.blake2b(content, digest_size=16).hexdigest()}"
