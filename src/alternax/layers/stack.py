"""Layers one after another: the usual deep sequence body."""

from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from alternax.core.errors import InputError
from alternax.core.layer import Layer, LayerState
from alternax.layers.block import Block, check_causal
from alternax.layers.inputs import check_row, check_rows, check_size, check_state
from alternax.layers.registry import constructor
from alternax.layers.residual import Residual


class Stack(Layer):
    """Layers of one width applied in turn; the state is the tuple of theirs.

    Attributes:
        dim: Width of input and output.
        layers: The layers, first one first.
    """

    dim: int = eqx.field(static=True)
    layers: tuple[Layer, ...]

    def __init__(self, layers: tuple[Layer, ...]):
        """Chains `layers`.

        Args:
            layers: At least one, all of the same width.

        Raises:
            InputError: no layers, something that is not a causal `Layer`, or different widths.
        """
        layers = tuple(layers)
        for layer in layers:
            check_causal("Stack", layer)
        if len({layer.dim for layer in layers}) != 1:
            raise InputError(f"Stack: expected layers of one width, found widths {[layer.dim for layer in layers]}.")
        self.dim = layers[0].dim
        self.layers = layers

    def init_state(self) -> tuple[LayerState, ...]:
        """The layers' states."""
        return tuple(layer.init_state() for layer in self.layers)

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: tuple[LayerState, ...] | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], tuple[LayerState, ...]]:
        """See `Layer`."""
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        check_state(self, state)
        states = (None,) * len(self.layers) if state is None else state
        after = []
        for layer, before, layer_key in zip(self.layers, states, self._keys(key), strict=True):
            x, kept = layer(x, before, valid=valid, resets=resets, dt=dt, keep=keep, key=layer_key)
            after.append(kept)
        return x, tuple(after)

    def step(
        self,
        x_t: Float[Array, "dim"],
        state: tuple[LayerState, ...],
        *,
        dt: Scalar | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "dim"], tuple[LayerState, ...]]:
        """See `Layer`."""
        check_row(self, x_t, state)
        after = []
        for layer, before, layer_key in zip(self.layers, state, self._keys(key), strict=True):
            x_t, taken = layer.step(x_t, before, dt=dt, key=layer_key)
            after.append(taken)
        return x_t, tuple(after)

    def _keys(self, key: PRNGKeyArray | None) -> list[PRNGKeyArray | None]:
        return [None if key is None else jax.random.fold_in(key, i) for i in range(len(self.layers))]


def stack(name: str, *, depth: int, dim: int, block: str = "gated", key: PRNGKeyArray, **options: Any) -> Stack:
    """`depth` residual blocks around the layer registered as `name`.

    Args:
        name: One of `alternax.layers.NAMES`.
        depth: Number of blocks.
        dim: Width of the whole stack.
        block: "gated" (`Block`: layer norm, layer, gated linear unit), "plain" (`Residual`: root-mean-square norm and
            layer, as layers with a gate of their own are stacked) or "mlp" (the same, and a network of every row).
        key: JAX random key.
        **options: Handed to the layer, such as `state_dim` and `r_max` of the LRU.

    Raises:
        InputError: an unknown name or block, a depth or width below 1.

    Example:
        >>> body = stack("lru", depth=2, dim=64, key=jax.random.key(0))
    """
    build = constructor(name)
    check_size("stack", depth=depth, dim=dim)
    if block not in _BLOCKS:
        raise InputError(f"stack: unknown block {block!r}; choose from {', '.join(_BLOCKS)}.")
    keys = [jax.random.split(k) for k in jax.random.split(key, depth)]
    return Stack(tuple(_BLOCKS[block](build(dim, key=inner, **options), key=outer) for inner, outer in keys))


_BLOCKS: dict[str, Callable[..., Layer]] = {"gated": Block, "plain": Residual, "mlp": partial(Residual, expand=4)}
