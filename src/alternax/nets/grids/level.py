"""One resolution of a grid, and convolutions on it that land does not enter.

What stands on land counts as 0, and the sum over a kernel is divided by the share of its places that are valid:

    y = 9 / sum(m) * (k * (m x)) + b  on valid cells,  0 on land,      m = 1 where valid

so that a kernel that takes a mean takes the mean of the valid cells, at the coast as in the open sea (the partial
convolution of Liu et al. 2018, with a mask that is the same for all rows). Beyond the first and last latitude is land.
"""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from alternax.core.fixed import Fixed
from alternax.nets.grids.grid import Grid

SIDE = 3


class Level(eqx.Module):
    """The cells of one resolution that are valid in any channel.

    Attributes:
        valid: 1 at them, 0 on land.
        gain: 9 over the number of valid cells under a kernel there, 0 on land.
        periodic: Whether the last longitude is beside the first.
    """

    valid: Fixed
    gain: Fixed
    periodic: bool = eqx.field(static=True)

    def __init__(self, grid: Grid):
        self.periodic = grid.periodic
        valid = grid.valid.max(0)
        around = np.pad(np.pad(valid, ((1, 1), (0, 0))), ((0, 0), (1, 1)), mode=self._beyond)
        under = np.lib.stride_tricks.sliding_window_view(around, (SIDE, SIDE)).sum((2, 3))
        self.valid, self.gain = (
            Fixed(jnp.asarray(a[..., None], float)) for a in (valid, valid * SIDE**2 / np.maximum(under, 1))
        )

    def surrounded(self, x: Float[Array, "rows lat lon channels"]) -> Float[Array, "rows wide high channels"]:
        """Fields with one more cell on every side."""
        x = jnp.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0)))
        return jnp.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)), mode=self._beyond)

    @property
    def _beyond(self) -> Literal["wrap", "constant"]:
        """What stands beyond the first and last longitude."""
        return "wrap" if self.periodic else "constant"


class Convolution(eqx.Module):
    """A 3 x 3 convolution on a level.

    Args:
        in_channels: Channels that it reads.
        out_channels: Channels that it puts out.
        key: JAX random key.
    """

    kernel: Float[Array, "3 3 in out"]
    bias: Float[Array, "out"]

    def __init__(self, in_channels: int, out_channels: int, *, key: PRNGKeyArray):
        bound = 1.0 / np.sqrt(SIDE**2 * in_channels)
        kernel_key, bias_key = jax.random.split(key)
        shape = (SIDE, SIDE, in_channels, out_channels)
        self.kernel = jax.random.uniform(kernel_key, shape, minval=-bound, maxval=bound)
        self.bias = jax.random.uniform(bias_key, (out_channels,), minval=-bound, maxval=bound)

    def __call__(self, x: Float[Array, "rows lat lon in"], level: Level) -> Float[Array, "rows lat lon out"]:
        """All rows in one call; land in, land out."""
        # Channels last: the convolutions of XLA on a CPU want it so.
        y = jax.lax.conv_general_dilated(
            level.surrounded(x * level.valid.value), self.kernel, (1, 1), "VALID",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )  # fmt: skip
        return level.gain.value * y + level.valid.value * self.bias


class Block(eqx.Module):
    """Convolutions behind a GELU, each added to what it read.

    Args:
        channels: Channels in and out.
        depth: Number of convolutions.
        key: JAX random key.
    """

    convolutions: tuple[Convolution, ...]

    def __init__(self, channels: int, depth: int, *, key: PRNGKeyArray):
        self.convolutions = tuple(Convolution(channels, channels, key=k) for k in jax.random.split(key, depth))

    def __call__(self, x: Float[Array, "rows lat lon channels"], level: Level) -> Float[Array, "rows lat lon channels"]:
        """All rows on one level."""
        for convolution in self.convolutions:
            x = x + convolution(jax.nn.gelu(x), level)
        return x


def halved(x: Float[Array, "rows lat lon channels"], level: Level) -> Float[Array, "rows low short channels"]:
    """Means over the valid cells of every 2 x 2 block, 0 where there is none."""
    lat, lon = x.shape[1:3]

    def sums(a):
        a = jnp.pad(a, ((0, 0), (0, lat % 2), (0, lon % 2), (0, 0)))
        return a.reshape(len(a), -(-lat // 2), 2, -(-lon // 2), 2, -1).sum((2, 4))

    valid = level.valid.value
    return sums(x * valid) / jnp.maximum(sums(valid[None]), 1)


def doubled(x: Float[Array, "rows low short channels"], level: Level) -> Float[Array, "rows lat lon channels"]:
    """Every cell repeated over its 2 x 2 block, on the finer `level`."""
    lat, lon = level.valid.value.shape[:2]
    return jnp.repeat(jnp.repeat(x, 2, 1), 2, 2)[:, :lat, :lon] * level.valid.value
