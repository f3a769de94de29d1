"""Sequence layers by name: one place that stacks, bodies and the command line look in."""

from collections.abc import Callable, KeysView

from alternax.core.errors import InputError
from alternax.core.layer import Layer
from alternax.layers.gru import GRU
from alternax.layers.lru import LRU

_LAYERS: dict[str, Callable[..., Layer]] = {"lru": LRU, "gru": GRU}

NAMES: KeysView[str] = _LAYERS.keys()
"""The names known, those registered later included."""


def register(name: str, layer: Callable[..., Layer]) -> None:
    """Make a layer known by name.

    Args:
        name: A new name.
        layer: The class, or any function called as `layer(dim, *, key=..., **options)`.

    Raises:
        InputError: the name is taken.

    Example:
        >>> register("slow_lru", functools.partial(LRU, r_min=0.9, r_max=0.999))
    """
    if name in _LAYERS:
        raise InputError(f"register: the layer name {name!r} is taken by {_LAYERS[name]!r}.")
    _LAYERS[name] = layer


def constructor(name: str) -> Callable[..., Layer]:
    """What was registered under `name`.

    Raises:
        InputError: no such layer; the message lists the names there are.
    """
    if name not in _LAYERS:
        raise InputError(f"There is no layer named {name!r}; choose from {', '.join(sorted(NAMES))}.")
    return _LAYERS[name]
