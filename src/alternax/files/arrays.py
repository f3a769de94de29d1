"""Arrays as safetensors can carry them: complex, calendar and bfloat16 values travel as views of plain numbers."""

import re

import numpy as np

from alternax.core.errors import InputError, ModelFileError
from alternax.files.config import shown

TIME_KINDS = "mM"
# NumPy's own names, and no others of the same dtypes.
DTYPE_NAME = re.compile(
    r"bool|u?int(8|16|32|64)|float(16|32|64)|bfloat16|complex(64|128)|(datetime|timedelta)64(\[[0-9]*[A-Za-z]+\])?"
)


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
    if not all(type(size) is int for size in shape):
        raise ModelFileError(f"{where}: {shown(shape)} is not the shape of an array")
    wanted = _named(dtype)
    if wanted is None:
        raise ModelFileError(f"{where}: dtype {shown(dtype)} is none that a model file can hold")
    carrier = _carrier(wanted)
    expected = (*shape, 2) if wanted.kind == "c" else shape
    if stored.dtype != carrier or stored.shape != expected:
        raise ModelFileError(
            f"{where}: expected {carrier} of shape {expected}, found {stored.dtype} of shape {stored.shape}; "
            "the two files of the folder do not belong together: copy both again from one run"
        )
    array = np.array(stored, order="C").view(wanted)
    return array[..., 0] if wanted.kind == "c" else array


def widened(stored: np.ndarray, dtype: str, shape: tuple[int, ...], where: str) -> np.ndarray:
    """A stored bfloat16 array as float32 of the same values, for NumPy alone.

    Raises:
        ModelFileError: As `restored`.
    """
    bits = restored(stored, "uint16", shape, f"{where} ({dtype})")
    return (bits.astype(np.uint32) << 16).view(np.float32)


def _named(dtype: str) -> np.dtype | None:
    """The dtype of that name, None where a file cannot hold it."""
    if not DTYPE_NAME.fullmatch(dtype):
        return None
    if dtype == "bfloat16":
        # It comes with JAX and gives NumPy the name.
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    try:
        return np.dtype(dtype)
    except TypeError:
        return None


def _carrier(dtype: np.dtype) -> np.dtype | None:
    """The dtype in the file, None where there is none."""
    if not DTYPE_NAME.fullmatch(dtype.name):
        return None
    if dtype.name == "bfloat16":
        return np.dtype(np.uint16)
    if dtype.kind in TIME_KINDS:
        return np.dtype(np.int64)
    return np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype.newbyteorder("=")
