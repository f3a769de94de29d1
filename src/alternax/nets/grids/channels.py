"""Numbers of rows as channels of fields `(rows, lat, lon, channels)`, and back."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from alternax.nets.grids.grid import Grid
from alternax.nets.grids.level import Level


def laid_out(grid: Grid, x: Float[Array, "rows obs_dim"]) -> Float[Array, "rows lat lon channels"]:
    """One number a cell of the grid."""
    return jnp.moveaxis(grid.field(x), -3, -1)


def gathered(grid: Grid, fields: Float[Array, "rows lat lon channels"]) -> Float[Array, "rows obs_dim"]:
    """The numbers of the grid's cells."""
    return grid.columns(jnp.moveaxis(fields, -1, -3))


def everywhere(values: Float[Array, "rows count"], level: Level) -> Float[Array, "rows lat lon count"]:
    """The same numbers at every cell."""
    lat, lon = level.valid.value.shape[:2]
    return jnp.broadcast_to(values[:, None, None], (len(values), lat, lon, values.shape[1]))


def sea(grid: Grid, x: Float[Array, "rows any"]) -> Float[Array, "rows lat lon channels"]:
    """Where each channel has cells, as fields of as many rows as `x`."""
    return laid_out(grid, jnp.ones((len(x), grid.obs_dim), x.dtype))
