"""Maps of gridded fields side by side on one colour scale."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from alternax.core.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def map_grid(
    fields: Mapping[str, Float[np.ndarray, "lat lon"]],
    lat: Float[np.ndarray, "lat"],
    lon: Float[np.ndarray, "lon"],
    *,
    label: str = "",
    diverging: bool = False,
    limits: tuple[float, float] | None = None,
    columns: int = 2,
) -> "Figure":
    """Fields on a longitude-latitude grid; cells that are NaN (land) are grey.

    Args:
        fields: By title: one value a cell.
        lat: Latitude of the rows, degrees north.
        lon: Longitude of the columns, degrees east, increasing.
        label: Quantity and unit, beside the colour bar.
        diverging: Colours with a neutral middle at 0, for differences and anomalies.
        limits: Ends of the colour scale; default the range of all fields (symmetric about 0 if diverging).
        columns: Maps side by side.

    Raises:
        InputError: If no field has a finite cell.
    """
    from alternax.plots.style import LAND, panels, title

    low, high = limits or _limits(fields, diverging)
    shape = np.ptp(lat) / max(np.ptp(lon), 1e-9)
    width = 7.2 if min(columns, len(fields)) == 1 else 5.2
    height = float(np.clip(0.92 * width * shape, 1.2, 5.0)) + 0.6
    figure, axes = panels(len(fields), columns=columns, width=width, height=height)
    mesh = None
    for one, (name, field) in zip(axes, fields.items(), strict=True):
        one.set_facecolor(LAND)
        one.grid(False)
        colours = "RdBu_r" if diverging else "viridis"
        mesh = one.pcolormesh(lon, lat, np.ma.masked_invalid(field), vmin=low, vmax=high, cmap=colours, rasterized=True)
        one.set_aspect("auto" if shape == 0 else "equal")
        one.xaxis.set_major_formatter(lambda degrees, _: _longitude(degrees))
        one.yaxis.set_major_formatter(lambda degrees, _: _latitude(degrees))
        title(one, name)
    figure.colorbar(mesh, ax=axes, label=label, location="bottom", shrink=0.6, aspect=40, pad=0.03)
    return figure


def _limits(fields: Mapping[str, np.ndarray], diverging: bool) -> tuple[float, float]:
    finite = np.concatenate([field[np.isfinite(field)] for field in fields.values()])
    if finite.size == 0:
        raise InputError(f"nothing to draw: all cells of {', '.join(fields)} are missing (NaN)")
    low, high = float(finite.min()), float(finite.max())
    end = max(abs(low), abs(high))
    return (-end, end) if diverging else (low, high)


def _longitude(degrees: float) -> str:
    east = (degrees + 180) % 360 - 180
    side = "" if east in (0, -180) else "E" if east > 0 else "W"
    return f"{abs(east):g}°{side}"


def _latitude(degrees: float) -> str:
    side = "" if degrees == 0 else "N" if degrees > 0 else "S"
    return f"{abs(degrees):g}°{side}"
