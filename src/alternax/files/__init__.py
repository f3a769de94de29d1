"""Model folders: a readable `config.json` and the arrays in `model.safetensors`; loading one runs no code from it.

Names are imported when they are first used, so that `alternax.files.read` needs NumPy and no JAX.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alternax.files.folder import load, save
    from alternax.files.reader import read
    from alternax.files.structure import build, dump

_HOMES = {"build": "structure", "dump": "structure", "load": "folder", "read": "reader", "save": "folder"}

__all__ = ["build", "dump", "load", "read", "save"]


# Hidden from type checkers, which would otherwise take any misspelt name for granted.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
