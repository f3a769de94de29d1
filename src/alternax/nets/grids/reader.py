"""The FTN of a field: rows laid out on the grid, passed down its resolutions, and read off as a latent."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from alternax.layers.rowwise import linear
from alternax.nets.body import Gate, Memoryless
from alternax.nets.body_maker import RowLayout
from alternax.nets.grids.channels import everywhere, gathered, laid_out, sea
from alternax.nets.grids.grid import Grid
from alternax.nets.grids.level import Convolution, Level
from alternax.nets.grids.pyramid import Ascent, Descent


class GridReader(Memoryless):
    """Every row by itself, `[shown, missing, controls]` to a latent; the state is `()`.

    Attributes:
        in_dim: Width of input.
        out_dim: Length of the latent.
        gate: Factor on every number of the input, 0 where it is to have no effect at first.
        grid: The grid of the columns.
        shown: The grid of the numbers by which a row is shown.
        levels: Resolutions, finest first.
        lift: Into the channels of the pyramid, from shown numbers, what is missing, land, and the controls everywhere.
        descent: Down to the coarsest level.
        ascent: Up to the latent field, which also reads what was seen on the way down; None at the coarsest level.
        latent: The grid of the latent field, None for a vector.
        bottom: The valid cells of the coarsest level with all channels, None for a field.
        out: From the valid cells of the coarsest level to the vector, or from the channels of a cell to the field's.
    """

    in_dim: int = eqx.field(static=True)
    out_dim: int = eqx.field(static=True)
    gate: Gate
    grid: Grid
    shown: Grid
    levels: tuple[Level, ...]
    lift: Convolution
    descent: Descent
    ascent: Ascent | None
    latent: Grid | None
    bottom: Grid | None
    out: eqx.nn.Linear

    def __init__(
        self,
        grid: Grid,
        layout: RowLayout,
        out_dim: int,
        *,
        latent: Grid | None,
        at: int,
        levels: int,
        width: int,
        depth: int,
        key: PRNGKeyArray,
    ):
        """A reader of `grid` with `levels` halvings, whose latent field, if any, stands on level `at`."""
        lift_key, down_key, up_key, out_key = jax.random.split(key, 4)
        self.in_dim, self.out_dim = len(layout.shown) + layout.obs_dim + layout.control_dim, out_dim
        self.gate, self.grid, self.shown = Gate(self.in_dim), grid, grid.numbers(layout.shown)
        self.levels = tuple(Level(grid.coarse(index)) for index in range(levels + 1))
        channels = self.shown.shape[0] + 2 * grid.shape[0] + layout.control_dim
        self.lift = Convolution(channels, width, key=lift_key)
        self.descent = Descent((0, levels), width, depth, key=down_key)
        given = dict.fromkeys(range(at, levels + 1), width)
        self.ascent = Ascent((at, levels), given, width, depth, key=up_key) if at < levels else None
        self.latent, self.bottom = latent, None
        if latent is None:
            self.bottom = grid.coarse(levels, width)
            self.out = eqx.nn.Linear(self.bottom.obs_dim, out_dim, key=out_key)
        else:
            self.out = eqx.nn.Linear(width, latent.shape[0], key=out_key)

    @property
    def first(self) -> Gate:
        """The gate of the input."""
        return self.gate

    @property
    def reads_last(self) -> bool:
        """A reader is shown the row itself."""
        return False

    def rows(self, x: Float[Array, "time in_dim"]) -> Float[Array, "time out_dim"]:
        """Down the pyramid, and up to the latent."""
        maps = self.descent(self.lift(self._channels(self.gate(x)), self.levels[0]), self.levels)
        end = maps[max(maps)] if self.ascent is None else self.ascent({i: [m] for i, m in maps.items()}, self.levels)
        end = jax.nn.gelu(end)
        if self.bottom is not None:
            return linear(self.out, gathered(self.bottom, end))
        assert self.latent is not None
        return gathered(self.latent, linear(self.out, end))

    def _channels(self, x: Float[Array, "time in_dim"]) -> Float[Array, "time lat lon channels"]:
        """The input as channels of a field."""
        shown, missing, controls = jnp.split(x, [self.shown.obs_dim, self.shown.obs_dim + self.grid.obs_dim], -1)
        fields = laid_out(self.shown, shown), laid_out(self.grid, missing), sea(self.grid, x)
        return jnp.concatenate([*fields, everywhere(controls, self.levels[0])], -1)
