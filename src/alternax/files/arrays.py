"""Arrays as safetensors can carry them: complex, calendar and bfloat16 values travel as views of plain numbers."""

import re

import numpy as np

from alternax.core.errors import InputError, ModelFileError

PLAIN_KINDS = "biuf"
TIME_KINDS = "mM"
DTYPE_NAME = re.compile(r"[a-z]+[0-9]*(\[[0-9]*[A-Za-z]+\])?")


def storable(array: np.ndarray, where: str) -> np.ndarray:
    """A C-ordered copy of `array` with the same bits in a dtype that the file format has.

    Raises:
        InputError: The dtype holds no numbers (objects, text, records) or has more than 64 bits.
    """
    carrier = _carrier(array.dtype)
    if carrier is None:
        raise InputError(f"{where}: cannot save an array of dtype {array.dtype}; convert it to numbers first")
    native = np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
    if native.dtype.kind == "c":
        native = native[..., None]
    return native.view(carrier)


def restored(stored: np.ndarray, dtype: str, shape: tuple[int, ...], where: str) -> np.ndarray:
    """The array that `storable` was given, checked against the dtype and shape written beside it.

    Raises:
        ModelFileError: The dtype is none that `storable` writes, or what is stored has another dtype or shape.
    """
    try:
        wanted = np.dtype(dtype if DTYPE_NAME.fullmatch(dtype) else object)
    except TypeError:
        wanted = np.dtype(object)
    carrier = _carrier(wanted)
    if carrier is None:
        raise ModelFileError(f"{where}: dtype {dtype!r} is none that a model file can hold")
    expected = (*shape, 2) if wanted.kind == "c" else shape
    if stored.dtype != carrier or stored.shape != expected:
        raise ModelFileError(
            f"{where}: expected {carrier} of shape {expected}, found {stored.dtype} of shape {stored.shape}; "
            "the two files of the folder do not belong together: copy both again from one run"
        )
    array = np.array(stored, order="C").view(wanted)
    return array[..., 0] if wanted.kind == "c" else array


def _carrier(dtype: np.dtype) -> np.dtype | None:
    """The dtype in the file, None where there is none."""
    if dtype.name == "bfloat16":
        return np.dtype(np.uint16)
    if dtype.kind in TIME_KINDS:
        return np.dtype(np.int64)
    if dtype.kind == "c" and dtype.itemsize <= 16:
        return np.dtype(f"f{dtype.itemsize // 2}")
    return dtype.newbyteorder("=") if dtype.kind in PLAIN_KINDS and dtype.itemsize <= 8 else None
