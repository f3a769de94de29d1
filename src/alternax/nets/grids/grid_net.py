"""Convolutions and U-Nets for fields on a grid, as the FTN or the OTN of a model."""

import equinox as eqx
from jaxtyping import PRNGKeyArray

from alternax.core.errors import InputError
from alternax.layers.inputs import check_size
from alternax.nets.body_maker import BodyMaker, RowLayout
from alternax.nets.grids.grid import Grid
from alternax.nets.grids.predictor import GridPredictor
from alternax.nets.grids.reader import GridReader


class GridNet(BodyMaker):
    """What to give as `ftn=` or `otn=` for fields on a grid with land.

    As FTN it lays a row out on the grid (with what is missing, land and the controls as channels), convolves and halves
    it `levels` times. As OTN it goes the other way. Both are memoryless. Land never enters: see `Convolution`.

    The latent is a vector, tied to the coarsest level by a dense map, or a field of its own resolution,
    `latent=grid.coarse(halvings, channels)` with `latent_dim=latent.obs_dim`. A latent field above the coarsest level
    makes both networks U-Nets: they go down to the coarsest level and up again to it, and what they saw on the way down
    is read on the way up.

    No path passes the latent by: the OTN sees the state, the ages and the controls. What persists is the model's
    `residual`; with `residual=None` all goes through the latent. `skip=True` lets the OTN read the last field as well.

    Args:
        grid: The grid of the data, `Grid.of(data)`.
        width: Channels on every level.
        levels: How many times both sizes are halved.
        depth: Convolutions of 3 x 3 on every level of every pass.
        latent: The grid of the latent field, or None for a vector.
        skip: Whether the OTN is shown the last field, on every level, beside the latent.

    Raises:
        InputError: Sizes below 1, more levels than the grid has, a latent that is no coarse grid of this one; when a
            model is built, columns or a `latent_dim` of another number, or an observation operator.

    Example:
        >>> grid = Grid.of(data)
        >>> latent = grid.coarse(2, channels=4)
        >>> net = GridNet(grid, width=16, levels=3, latent=latent)
        >>> model = Alternator(data.obs_dim, latent_dim=latent.obs_dim, ftn=net, otn=net, key=jax.random.key(0))

    Reference: Ronneberger et al., "U-Net" (2015); Liu et al., "Image Inpainting for Irregular Holes Using Partial
    Convolutions" (2018).
    """

    grid: Grid
    latent: Grid | None
    at: int = eqx.field(static=True)
    width: int = eqx.field(static=True)
    levels: int = eqx.field(static=True)
    depth: int = eqx.field(static=True)
    skip: bool = eqx.field(static=True)

    def __init__(
        self,
        grid: Grid,
        *,
        width: int = 16,
        levels: int = 2,
        depth: int = 1,
        latent: Grid | None = None,
        skip: bool = False,
    ):
        check_size("GridNet", width=width, depth=depth)
        most = (max(grid.shape[1:]) - 1).bit_length()
        if not 0 <= levels <= most:
            raise InputError(
                f"GridNet: levels must be from 0 to {most}, where a grid of {grid.shape[1]} x {grid.shape[2]} is down "
                f"to one cell; found {levels}."
            )
        self.grid, self.latent, self.skip = grid, latent, skip
        self.width, self.levels, self.depth = width, levels, depth
        self.at = levels if latent is None else _level(grid, latent, levels)

    def reader(self, layout: RowLayout, out_dim: int, *, key: PRNGKeyArray) -> GridReader:
        """The FTN."""
        self._check(layout, out_dim)
        sizes = {"at": self.at, "levels": self.levels, "width": self.width, "depth": self.depth}
        return GridReader(self.grid, layout, out_dim, latent=self.latent, **sizes, key=key)

    def predictor(self, layout: RowLayout, state_dim: int, *, key: PRNGKeyArray) -> GridPredictor:
        """The OTN."""
        self._check(layout, state_dim)
        sizes = {"at": self.at, "levels": self.levels, "width": self.width, "depth": self.depth}
        return GridPredictor(self.grid, layout, state_dim, latent=self.latent, skip=self.skip, **sizes, key=key)

    def _check(self, layout: RowLayout, latent_dim: int) -> None:
        if layout.obs_dim != self.grid.obs_dim:
            raise InputError(
                f"GridNet: the grid has {self.grid.obs_dim} valid cells, the model obs_dim = {layout.obs_dim}: make "
                "the grid by Grid.of(data) of the data that the model is for."
            )
        if self.latent is not None and latent_dim != self.latent.obs_dim:
            raise InputError(
                f"GridNet: the latent field has {self.latent.obs_dim} valid cells, the model {latent_dim} latent "
                "dimensions: give latent_dim=latent.obs_dim."
            )


def _level(grid: Grid, latent: Grid, levels: int) -> int:
    """How many halvings lead to the grid of the latent field."""
    for index in range(levels + 1):
        coarse = grid.coarse(index, latent.shape[0])
        if coarse.shape == latent.shape and coarse.cells.value.tolist() == latent.cells.value.tolist():
            return index
    raise InputError(
        f"GridNet: expected latent=grid.coarse(halvings, channels) with at most levels = {levels} halvings; found a "
        f"grid of shape {latent.shape} with {latent.obs_dim} valid cells."
    )
