"""What training carries from one dispatch to the next: complete after each, and all that a checkpoint has to hold."""

import math
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from alternax.core.record import CURVES

TREES = ("params", "safe", "mean", "best", "opt_state")


@dataclass(frozen=True)
class State:
    """Parameters in their several roles, the optimiser's memory, the counters and the curves.

    Args:
        params: Parameters to go on from.
        safe: The last ones whose loss and gradient were finite, one update behind.
        mean: Their moving average; None without averaging.
        best: Those with the best validation score, which are handed back.
        opt_state: State of the optimiser.
        best_loss: Validation loss of `best`; infinite before the first and without validation.
        waited: Dispatches since `best`.
        steps: Optimiser steps taken.
        best_step: Step of `best`.
        stopped: Why training ended; empty while it goes on.
        seconds: Wall time, that of earlier processes included.
        train_loss: Mean training loss of every dispatch.
        valid_loss: Validation loss after it.
        checked_at: The steps of those two.
    """

    params: Any
    safe: Any
    mean: Any
    best: Any
    opt_state: Any
    best_loss: float = math.inf
    waited: int = 0
    steps: int = 0
    best_step: int = 0
    stopped: str = ""
    seconds: float = 0.0
    train_loss: tuple[float, ...] = ()
    valid_loss: tuple[float, ...] = ()
    checked_at: tuple[int, ...] = ()

    def arrays(self) -> dict[str, np.ndarray]:
        """Every array on the host, by its place."""
        trees = {name: getattr(self, name) for name in TREES}
        return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in jax.tree.leaves_with_path(trees)}

    def numbers(self) -> dict[str, Any]:
        """Everything else, as JSON has it."""
        plain = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in TREES}
        return {name: list(value) if name in CURVES else value for name, value in plain.items()}

    def filled(self, arrays: dict[str, np.ndarray], numbers: dict[str, Any]) -> Self:
        """This state's structure with the content of another, as `arrays` and `numbers` gave it.

        Raises:
            KeyError: If `arrays` lacks a place of this structure.
        """
        trees = {name: getattr(self, name) for name in TREES}
        put = lambda path, leaf: jnp.asarray(arrays[jax.tree_util.keystr(path)], leaf.dtype)  # noqa: E731
        plain = {name: tuple(value) if name in CURVES else value for name, value in numbers.items()}
        return replace(self, **jax.tree_util.tree_map_with_path(put, trees), **plain)
