"""The report of a fitted model on data: one HTML page, from the data's gaps to the skill of the forecasts."""

import secrets
from pathlib import Path

import jax
import numpy as np

from alternax.core.errors import InputError
from alternax.data.checks import listed
from alternax.data.sequences import Sequences
from alternax.files.swap import write_through
from alternax.fitted import Fitted
from alternax.report import answers, calibration, fans, latent, overview, skill, training
from alternax.report.page import Facts, Prose, Section, page
from alternax.report.plan import Plan, plan
from alternax.report.values import stamp
from alternax.version import __version__


def report(
    fitted: Fitted,
    data: Sequences,
    path: str | Path,
    *,
    horizon: int | None = None,
    samples: int = 100,
    origins: int = 60,
    seed: int = 0,
    title: str | None = None,
) -> Path:
    """Write one self-contained HTML page on a fitted model and data; it opens in a browser without network.

    It shows the data and their gaps, the training curves, forecast fans with what happened, the calibration of the
    forecasts, their skill by lead beside climatology, persistence and a linear autoregression, latent trajectories, and
    decoded targets and classes where the model has them. Forecasts start after the training data; where the data hold
    no such rows, they are of the last rows, and the page says so. Long data are thinned, and the page says how.

    Args:
        fitted: A trained model.
        data: Series of the training data's columns: all of them, or those that follow on the training data.
        path: The HTML file to write; one that is there is replaced at once when the new one is complete.
        horizon: Rows ahead; default 12, or less where the data after training are short.
        samples: Sample paths of each forecast, at least 2.
        origins: Forecasts of each series, at most.
        seed: Seed of all draws: same seed, same page.
        title: Title of the page; default the model's name and the columns.

    Returns:
        The path.

    Raises:
        InputError: If the data are of other columns or too short, an option is out of range, or the file cannot be
            written; before anything is computed.

    Example:
        >>> report(fitted, data, "report.html", horizon=24)
    """
    path = _writable(Path(path))
    _check_options(fitted, data, title, samples=samples, origins=origins, horizon=1 if horizon is None else horizon)
    data = data.like(fitted.schema)
    chosen = plan(fitted, data, horizon=horizon, origins=origins, samples=samples)
    name = title or f"{type(fitted.model).__name__} of {_columns(data)}"
    verdict, *forecasts = _forecasts(fitted, chosen, samples, seed)
    sections = [
        verdict,
        overview.section(fitted, data),
        training.section(fitted),
        *forecasts,
        latent.section(fitted, data, seed=seed),
        *answers.sections(fitted, data, seed=seed),
        _made(chosen, samples, seed),
    ]
    _write(path, page(name, sections, lead=_lead(data)))
    return path


def _forecasts(fitted: Fitted, chosen: Plan, samples: int, seed: int) -> list[Section]:
    """The verdict, then fans, skill and calibration, all of one backtest."""
    backtest = chosen.backtest(fitted, samples=samples, seed=seed)
    known = np.isfinite(backtest.truth)
    sections = [fans.section(chosen, backtest)]
    reason = ""
    if not known.any():
        reason = "Nothing was observed in the rows forecast, so there is nothing to score."
    elif not np.isfinite(backtest.samples).all():
        reason = "Some sample paths are not finite: the model diverges, and there are no scores."
    if reason:
        return [Section("In short", [Prose(reason)]), *sections]
    found = skill.measure(chosen, backtest, type(fitted.model).__name__, seed=seed)
    verdict = Section("In short", [Prose(skill.verdict(found, chosen, chosen.panel.series))])
    counts = known.sum((0, 1, 3))
    calibrated = calibration.section(backtest, calibration.measure(backtest, seed=seed))
    return [verdict, *sections, skill.section(found, chosen, counts), calibrated]


def _lead(data: Sequences) -> str:
    present, schema = data.times[data.valid], data.schema
    ends = f"{stamp(present.min(), schema)} to {stamp(present.max(), schema)}"
    many = f"{data.series} series, " if data.series > 1 else ""
    rows = f"{many}{data.valid.sum():,} rows of {data.obs_dim} column{'s' * (data.obs_dim > 1)}"
    return f"{rows}, {ends}. Drag in a chart to zoom in, double-click to go back."


def _columns(data: Sequences) -> str:
    names = data.schema.scored
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more columns" if len(names) > 3 else "")


def _made(chosen: Plan, samples: int, seed: int) -> Section:
    facts = [
        ("versions", f"alternax {__version__}, jax {jax.__version__}"),
        ("draws", f"{samples} sample paths of each forecast, seed {seed}"),
        ("origins", f"{len(chosen.origins)} in each series, {chosen.stride} rows apart"),
        ("limits", "; ".join(chosen.notes) or "none: all series, and every origin"),
    ]
    return Section("How this page was made", [Facts(facts)])


def _check_options(fitted: Fitted, data: Sequences, title: str | None, **counts: int) -> None:
    for name, value, kind in (("fitted", fitted, Fitted), ("data", data, Sequences)):
        if not isinstance(value, kind):
            raise TypeError(f"report: expected {name} to be an alternax {kind.__name__}, found {type(value).__name__}.")
    if not (title is None or isinstance(title, str)):
        raise TypeError(f"report: expected title to be text, found {type(title).__name__}.")
    for name, value in counts.items():
        least = 2 if name == "samples" else 1
        if not isinstance(value, int | np.integer) or value < least:
            raise InputError(f"report: {name} must be an integer of at least {least}; found {value!r}.")
    empty = [data.schema.ids[i] for i in np.flatnonzero(data.lengths == 0)]
    if empty:
        raise InputError(f"report: series {listed(empty)} of the data have no rows: leave them out with data.take.")


def _writable(path: Path) -> Path:
    """The path, once it is known that a file can be written there."""
    folder, new = path.absolute().parent, _beside(path)
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder: give the name of the HTML file to write.")
        if not folder.is_dir():
            raise InputError(f"the folder {folder} of the report does not exist: make it, or name another.")
        new.touch(exist_ok=False)
        new.unlink()
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}. Choose another path for the report.") from error
    return path


def _write(path: Path, text: str) -> None:
    """A complete file, then its name: whoever opens the page meets the old one or the new one whole."""
    new = _beside(path)
    try:
        write_through(new, text.encode())
        new.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}. Choose another path for the report.") from error
    finally:
        new.unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
