"""Fields passed down and up the resolutions of a grid; what was seen on the way down may be read on the way up."""

from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from alternax.nets.grids.level import Block, Convolution, Level, doubled, halved

Maps = dict[int, Float[Array, "rows lat lon channels"]]


class Descent(eqx.Module):
    """From one level down to a coarser one.

    Args:
        levels: Finest and coarsest.
        width: Channels everywhere.
        depth: Convolutions a level.
        key: JAX random key.
    """

    blocks: tuple[Block, ...]
    top: int = eqx.field(static=True)

    def __init__(self, levels: tuple[int, int], width: int, depth: int, *, key: PRNGKeyArray):
        self.top, bottom = levels
        self.blocks = tuple(Block(width, depth, key=k) for k in jax.random.split(key, bottom - self.top + 1))

    def __call__(self, x: Float[Array, "rows lat lon width"], levels: tuple[Level, ...]) -> Maps:
        """What stands on every level, from fields on the finest."""
        maps = {}
        for index, block in enumerate(self.blocks, self.top):
            x = block(x if index == self.top else halved(x, levels[index - 1]), levels[index])
            maps[index] = x
        return maps


class Ascent(eqx.Module):
    """From a coarse level up to a finer one, with further channels to read on some of the levels.

    Args:
        levels: Finest and coarsest.
        given: Number of channels to read by level; the coarsest must have some.
        width: Channels that are put out on every level.
        depth: Convolutions a level.
        key: JAX random key.
    """

    joins: tuple[Convolution, ...]
    blocks: tuple[Block, ...]
    top: int = eqx.field(static=True)

    def __init__(self, levels: tuple[int, int], given: Mapping[int, int], width: int, depth: int, *, key: PRNGKeyArray):
        self.top, bottom = levels
        keys = jax.random.split(key, 2 * (bottom - self.top + 1)).reshape(-1, 2)
        channels = [given.get(index, 0) + width * (index < bottom) for index in range(self.top, bottom + 1)]
        self.joins = tuple(Convolution(count, width, key=k) for count, (k, _) in zip(channels, keys, strict=True))
        self.blocks = tuple(Block(width, depth, key=k) for _, k in keys)

    def __call__(
        self, given: Mapping[int, list[Array]], levels: tuple[Level, ...]
    ) -> Float[Array, "rows lat lon width"]:
        """Fields on the finest level, from what is given on each."""
        x: list[Array] = []
        for index in reversed(range(self.top, self.top + len(self.joins))):
            level = levels[index]
            below = [doubled(field, level) for field in x]
            joined = self.joins[index - self.top](jnp.concatenate([*below, *given.get(index, [])], -1), level)
            x = [self.blocks[index - self.top](joined, level)]
        return x[0]
