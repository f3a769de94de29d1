"""The OTN of a field: a latent passed up the resolutions of a grid to what is asked of every cell.

It is given the state alone. The last field enters only where asked for, by connections of its own on every level.
"""

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
from alternax.nets.grids.pyramid import Ascent, Descent, Maps


class GridPredictor(Memoryless):
    """Every row by itself, `[state, ages, shown if skip, controls]` to what is asked; the state of the body is `()`.

    Attributes:
        in_dim: Width of input.
        out_dim: Numbers asked for a row.
        gate: Factor on every number of the input, 0 where it is to have no effect at first.
        grid: The grid of the columns.
        asked: The grid of the numbers asked.
        levels: Resolutions, finest first.
        latent: The grid of the latent field, None for a vector.
        bottom: The valid cells of the coarsest level with all channels, None for a field.
        dense: From the vector and the controls to the coarsest level; None for a field.
        lift: From the latent field and the controls into the channels of the pyramid; None for a vector.
        descent: Of the latent field, down to the coarsest level; None where it stands there.
        shown: The grid of the numbers by which the last row is shown; None without `skip`.
        last: Of the last field: into the channels of the pyramid, and down it; None without `skip`.
        ascent: Up to the finest level.
        out: From the channels of a cell to what is asked of it.
    """

    in_dim: int = eqx.field(static=True)
    out_dim: int = eqx.field(static=True)
    state_dim: int = eqx.field(static=True)
    gate: Gate
    grid: Grid
    asked: Grid
    levels: tuple[Level, ...]
    latent: Grid | None
    bottom: Grid | None
    dense: eqx.nn.Linear | None
    lift: Convolution | None
    descent: Descent | None
    shown: Grid | None
    last: tuple[Convolution, Descent] | None
    ascent: Ascent
    out: eqx.nn.Linear

    def __init__(
        self,
        grid: Grid,
        layout: RowLayout,
        state_dim: int,
        *,
        latent: Grid | None,
        at: int,
        levels: int,
        width: int,
        depth: int,
        skip: bool,
        key: PRNGKeyArray,
    ):
        """A predictor on `grid` with `levels` halvings, whose latent field, if any, stands on level `at`."""
        state_key, down_key, lift_key, last_key, up_key, out_key = jax.random.split(key, 6)
        self.state_dim, self.out_dim = state_dim, len(layout.asked)
        self.in_dim = state_dim + layout.obs_dim + len(layout.shown) * skip + layout.control_dim
        self.gate, self.grid, self.asked = Gate(self.in_dim), grid, grid.numbers(layout.asked)
        self.levels = tuple(Level(grid.coarse(index)) for index in range(levels + 1))
        self.latent, self.bottom = latent, None
        self.dense = self.lift = self.descent = self.shown = self.last = None
        given = {0: 2 * grid.shape[0]}
        if latent is None:
            self.bottom = grid.coarse(levels, width)
            self.dense = eqx.nn.Linear(state_dim + layout.control_dim, self.bottom.obs_dim, key=state_key)
        else:
            self.lift = Convolution(latent.shape[0] + layout.control_dim, width, key=state_key)
            self.descent = Descent((at, levels), width, depth, key=down_key)
        _add(given, width, levels if latent is None else at, levels)
        if skip:
            self.shown = grid.numbers(layout.shown)
            lift = Convolution(self.shown.shape[0] + grid.shape[0], width, key=lift_key)
            self.last = lift, Descent((0, levels), width, depth, key=last_key)
            _add(given, width, 0, levels)
        self.ascent = Ascent((0, levels), given, width, depth, key=up_key)
        self.out = eqx.nn.Linear(width, self.asked.shape[0], key=out_key)

    @property
    def first(self) -> Gate:
        """The gate of the input."""
        return self.gate

    @property
    def reads_last(self) -> bool:
        """Where `skip` was asked for."""
        return self.shown is not None

    def rows(self, x: Float[Array, "time in_dim"]) -> Float[Array, "time out_dim"]:
        """From the latent up to every cell."""
        sizes = self.state_dim, self.grid.obs_dim, 0 if self.shown is None else self.shown.obs_dim
        z, ages, shown, controls = jnp.split(self.gate(x), [sum(sizes[: i + 1]) for i in range(3)], -1)
        given = {index: [field] for index, field in self._from_state(z, controls).items()}
        for index, field in self._from_last(shown).items():
            given.setdefault(index, []).append(field)
        given.setdefault(0, []).extend([laid_out(self.grid, ages), sea(self.grid, x)])
        end = jax.nn.gelu(self.ascent(given, self.levels))
        return gathered(self.asked, linear(self.out, end))

    def _from_state(self, z: Float[Array, "time state_dim"], controls: Float[Array, "time control_dim"]) -> Maps:
        """What the latent says on the levels it reaches by itself."""
        if self.dense is not None:
            assert self.bottom is not None
            vector = linear(self.dense, jnp.concatenate([z, controls], -1))
            return {len(self.levels) - 1: laid_out(self.bottom, vector)}
        assert self.latent is not None
        assert self.lift is not None
        assert self.descent is not None
        level = self.levels[self.descent.top]
        field = jnp.concatenate([laid_out(self.latent, z), everywhere(controls, level)], -1)
        return self.descent(self.lift(field, level), self.levels)

    def _from_last(self, shown: Float[Array, "time shown"]) -> Maps:
        """What the last field says on every level, nothing without `skip`."""
        if self.shown is None or self.last is None:
            return {}
        lift, descent = self.last
        field = jnp.concatenate([laid_out(self.shown, shown), sea(self.grid, shown)], -1)
        return descent(lift(field, self.levels[0]), self.levels)


def _add(given: dict[int, int], width: int, top: int, bottom: int) -> None:
    for index in range(top, bottom + 1):
        given[index] = given.get(index, 0) + width
