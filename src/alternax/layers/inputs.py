"""Refusals shared by all layers: what a layer is called with, checked by shape while it is traced."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array

from alternax.core.errors import InputError
from alternax.core.layer import Layer, LayerState, Mixer


def check_rows(layer: Layer | Mixer, x: Array, **per_row: Array | None) -> None:
    """`x` must be one sequence `(time, dim)`, and `valid`, `resets` and `dt`, where given, have one entry a row."""
    name = type(layer).__name__
    if x.ndim != 2 or x.shape[1] != layer.dim or x.shape[0] == 0:
        raise InputError(
            f"{name}: expected x of shape (time, {layer.dim}) with at least one row, found {x.shape}. "
            "A layer takes one sequence; batches go through jax.vmap."
        )
    for argument, values in per_row.items():
        if values is not None and values.shape != x.shape[:1]:
            raise InputError(
                f"{name}: expected {argument} of shape {x.shape[:1]}, one entry a row, found {values.shape}."
            )
    _check_elapsed(name, per_row.get("dt"))


def check_row(layer: Layer, x_t: Array, state: LayerState) -> None:
    """`x_t` must be one row `(dim,)`, and `state` one of this layer's."""
    if x_t.shape != (layer.dim,):
        raise InputError(f"{type(layer).__name__}: expected a row of shape ({layer.dim},), found {x_t.shape}.")
    check_state(layer, state)


def _check_elapsed(name: str, dt: Array | None) -> None:
    """Elapsed times must be finite and not negative; inside a transformation their values cannot be seen."""
    if dt is None or isinstance(dt, Tracer):
        return
    elapsed = np.asarray(dt)
    wrong = ~(np.isfinite(elapsed) & (elapsed >= 0))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(f"{name}: expected finite dt of at least 0, found {elapsed[row]} at row {row}.")


def check_state(layer: Layer, state: LayerState | None) -> None:
    """`state`, where given, must have the structure and shapes of the layer's own `init_state`."""
    if state is None:
        return
    wanted, found = (jax.tree.map(jnp.shape, tree) for tree in (jax.eval_shape(layer.init_state), state))
    if wanted != found:
        raise InputError(
            f"{type(layer).__name__}: expected a state of shapes {wanted}, found {found}: of another layer?"
        )


def check_size(layer: str, **sizes: int) -> None:
    """Widths, depths and counts must be positive."""
    for name, size in sizes.items():
        if size < 1:
            raise InputError(f"{layer}: {name} must be at least 1, found {size}.")


def head_count(layer: str, width: int, head_dim: int | None, *, largest: int = 64) -> int:
    """How many heads of `head_dim` make up `width`; None chooses the largest divisor of `width` up to `largest`."""
    if head_dim is None:
        head_dim = next(d for d in range(min(width, largest), 0, -1) if width % d == 0)
    check_size(layer, head_dim=head_dim)
    if width % head_dim:
        raise InputError(f"{layer}: head_dim={head_dim} does not divide the width {width} that is split into heads.")
    return width // head_dim
