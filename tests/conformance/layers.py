"""The layers that every law is checked on: each registered one, and the ways to combine them."""

from collections.abc import Callable, Iterable
from typing import Any

import equinox as eqx
import jax
import pytest
from jaxtyping import PRNGKeyArray

from alternax import layers
from alternax.core.layer import Layer

DIM = 3


# Small sizes that compile fast and still meet every branch: chunks shorter than the sequence, several heads.
OPTIONS: dict[str, dict[str, Any]] = {
    "lightnet": {"head_dim": 1, "chunk": 8},
    "gla": {"head_dim": 1, "key_dim": 2, "chunk": 8, "block": 2},
    "s4": {"state_dim": 4},
    "gss": {"inner_dim": 2, "state_dim": 3},
    "dss": {"state_dim": 4, "kernel": "softmax", "length": 16},
    "block_state": {"window": 3, "head_dim": 1},
    "s7": {"state_dim": 5},
    "mamba": {"state_dim": 4, "delta_rank": 2, "chunk": 5},
    "longhorn": {"state_dim": 4, "delta_rank": 2, "chunk": 5},
    "mamba2": {"head_dim": 2, "state_dim": 4, "groups": 3, "chunk": 5},
    "aaren": {"head_dim": 1},
    "attention": {"head_dim": 2, "heads": 2, "key_heads": 1, "max_length": 16},
    "deltanet": {"heads": 2, "head_dim": 4, "chunk": 5},
    "deltaproduct": {"heads": 2, "head_dim": 4, "decay": True, "gate": True, "chunk": 5},
    "mom": {"memories": 3, "active": 2, "heads": 2, "head_dim": 2, "chunk": 5},
    "s4d": {"state_dim": 4},
    "s5": {"state_dim": 4, "blocks": 2},
    "stu": {"max_length": 14, "filter_count": 3, "output_terms": 2},
    "ckconv": {"max_length": 14, "hidden": 4},
    "lssl": {"state_dim": 5, "chunk": 4},
    "cfc": {"rank": 2, "sparsity": 0.3},
    "ltc": {"substeps": 2},
    "ffm": {"memory": 4, "context": 2, "longest": 16.0},
}


def _registered(name: str) -> Callable[[PRNGKeyArray], Layer]:
    return lambda key: layers.constructor(name)(DIM, key=key, **OPTIONS.get(name, {}))


LAYERS: dict[str, Callable[[PRNGKeyArray], Layer]] = {
    **{name: _registered(name) for name in layers.NAMES},
    "block": lambda key: layers.Block(layers.GRU(DIM, key=key), key=key),
    "residual": lambda key: layers.Residual(layers.LRU(DIM, key=key), expand=2, key=key),
    "stack": lambda key: layers.stack("lru", depth=2, dim=DIM, key=key, state_dim=5),
    "segments": lambda key: layers.stack("mamba", depth=2, dim=DIM, segment=5, key=key, **OPTIONS["mamba"]),
}

STRAIGHT_THROUGH: frozenset[str] = frozenset()
"""Layers whose gradient is by design not that of their values (straight-through, top-k)."""


ALWAYS = ("lru", "gru", "stack")
CONVOLVED = ("attention", "ckconv", "gru", "lru", "lssl", "s4", "s4d", "stu")
"""Layers that take another form where there are no masks and no elapsed times, and two that do not."""

OWN_GRADIENT = ("lru", "gru", "mamba", "s4d")
"""Layers with a gradient of their own; other kernels have theirs tested by themselves, the rest is plain JAX."""


def mostly_slow(names: Iterable[str], always: Iterable[str] = ALWAYS) -> list:
    """The names as test parameters, all but a few of them marked slow."""
    return [name if name in always else pytest.param(name, marks=pytest.mark.slow) for name in sorted(names)]


def single(layer: Layer) -> Layer:
    """The layer with its weights in single precision."""
    return jax.tree.map(lambda v: v.astype("float32") if eqx.is_inexact_array(v) else v, layer)
