"""Model folders: a readable `config.json` and the arrays in `model.safetensors`; loading one runs no code from it."""

from alternax.files.folder import load, save
from alternax.files.structure import build, dump

__all__ = ["build", "dump", "load", "save"]
