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
from alternax.layers.segments import in_segments


class Stack(Layer):
    """Layers of one width applied in turn; the state is the tuple of theirs.

    A long sequence runs in segments through all layers, with the same answers; see `layers/segments.py`.

    Attributes:
        dim: Width of input and output.
        segment: Rows in a segment; None leaves it to the layers.
        layers: The layers, first one first.
    """

    dim: int = eqx.field(static=True)
    segment: int | None = eqx.field(static=True)
    layers: tuple[Layer, ...]

    def __init__(self, layers: tuple[Layer, ...], *, segment: int | None = None):
        """Chains `layers`.

        Args:
            layers: At least one, all of the same width.
            segment: Rows that run through all layers at a time, in sequences at least twice as long: the fewer, the
                less memory a gradient takes. None takes the smallest `segment_rows` of the layers on a CPU, and the
                whole elsewhere or where a layer has none.

        Raises:
            InputError: no layers, something that is not a causal `Layer`, different widths, a `segment` below 1.
        """
        check_size("Stack", segment=1 if segment is None else segment)
        layers = tuple(layers)
        for layer in layers:
            check_causal("Stack", layer)
        if len({layer.dim for layer in layers}) != 1:
            raise InputError(f"Stack: expected layers of one width, found widths {[layer.dim for layer in layers]}.")
        self.dim = layers[0].dim
        self.segment = segment
        self.layers = layers

    @property
    def segment_rows(self) -> int | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The smallest of the layers'; None if one has none."""
        sizes = [layer.segment_rows for layer in self.layers]
        return None if None in sizes else min(size for size in sizes if size is not None)

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
        masks = {"valid": valid, "resets": resets, "dt": dt, "keep": keep, "key": key}
        rows = self._segment(0 if keep is None else keep.size)
        if rows is None or x.shape[0] < 2 * rows:
            return self._whole(x, (None,) * len(self.layers) if state is None else state, **masks)
        return in_segments(self._whole, x, self.init_state() if state is None else state, rows=rows, **masks)

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

    def _segment(self, kept: int) -> int | None:
        """Rows in a segment; without being asked, none where so many states are kept that they outweigh the rest."""
        if self.segment is not None:
            return self.segment
        rows = self.segment_rows if jax.default_backend() == "cpu" else None
        return None if rows is None or kept > rows else rows

    def _whole(self, x: Array, states: tuple[LayerState, ...], *, key: PRNGKeyArray | None, **masks: Any) -> Any:
        """All layers on all rows at once."""
        after = []
        for layer, before, layer_key in zip(self.layers, states, self._keys(key), strict=True):
            x, kept = layer(x, before, key=layer_key, **masks)
            after.append(kept)
        return x, tuple(after)

    def _keys(self, key: PRNGKeyArray | None) -> list[PRNGKeyArray | None]:
        return [None if key is None else jax.random.fold_in(key, i) for i in range(len(self.layers))]


def stack(
    name: str,
    *,
    depth: int,
    dim: int,
    block: str = "gated",
    segment: int | None = None,
    key: PRNGKeyArray,
    **options: Any,
) -> Stack:
    """`depth` residual blocks around the layer registered as `name`.

    Args:
        name: One of `alternax.layers.NAMES`.
        depth: Number of blocks.
        dim: Width of the whole stack.
        block: "gated" (`Block`: layer norm, layer, gated linear unit), "plain" (`Residual`: root-mean-square norm and
            layer, as layers with a gate of their own are stacked) or "mlp" (the same, and a network of every row).
        segment: Rows that run through all blocks at a time; None leaves it to the layer. See `Stack`.
        key: JAX random key.
        **options: Handed to the layer, such as `state_dim` and `r_max` of the LRU.

    Raises:
        InputError: an unknown name or block, a depth, width or segment below 1.

    Example:
        >>> body = stack("lru", depth=2, dim=64, key=jax.random.key(0))
    """
    build = constructor(name)
    check_size("stack", depth=depth, dim=dim)
    if block not in _BLOCKS:
        raise InputError(f"stack: unknown block {block!r}; choose from {', '.join(_BLOCKS)}.")
    keys = [jax.random.split(k) for k in jax.random.split(key, depth)]
    blocks = tuple(_BLOCKS[block](build(dim, key=inner, **options), key=outer) for inner, outer in keys)
    return Stack(blocks, segment=segment)


_BLOCKS: dict[str, Callable[..., Layer]] = {"gated": Block, "plain": Residual, "mlp": partial(Residual, expand=4)}
