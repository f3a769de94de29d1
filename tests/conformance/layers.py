"""The layers that every law is checked on: each registered one, and the ways to combine them."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
from jaxtyping import PRNGKeyArray

from alternax import layers
from alternax.core.layer import Layer

DIM = 3


# Small sizes that compile fast and still meet every branch: chunks shorter than the sequence, several heads.
OPTIONS: dict[str, dict[str, Any]] = {}


def _registered(name: str) -> Callable[[PRNGKeyArray], Layer]:
    return lambda key: layers.constructor(name)(DIM, key=key, **OPTIONS.get(name, {}))


LAYERS: dict[str, Callable[[PRNGKeyArray], Layer]] = {
    **{name: _registered(name) for name in layers.NAMES},
    "block": lambda key: layers.Block(layers.GRU(DIM, key=key), key=key),
    "residual": lambda key: layers.Residual(layers.LRU(DIM, key=key), expand=2, key=key),
    "stack": lambda key: layers.stack("lru", depth=2, dim=DIM, key=key, state_dim=5),
}

STRAIGHT_THROUGH: frozenset[str] = frozenset()
"""Layers whose gradient is by design not that of their values (straight-through, top-k)."""


def single(layer: Layer) -> Layer:
    """The layer with its weights in single precision."""
    return jax.tree.map(lambda v: v.astype("float32") if eqx.is_inexact_array(v) else v, layer)
