"""What the verbs do once their options are read."""

from pathlib import Path
from typing import Any

import jax
import pandas as pd
import typer

import alternax as ax
from alternax.cli.outputs import no_other_run, output_file, output_page, writable, write
from alternax.cli.training import checkpoints_of, finish, spoken_warnings
from alternax.core.errors import InputError
from alternax.core.fixed import parameter_count
from alternax.core.precision import computing_in, current_precision
from alternax.data.calendar import default_calendar
from alternax.data.csv_door import from_table, read_table
from alternax.data.schema import Schema
from alternax.data.sequences import Sequences
from alternax.files.folder import refuse_foreign
from alternax.fit.objectives import smooth_draws
from alternax.fitted import Fitted
from alternax.report.history import in_training

MODELS = ("alternator", "alternator++", "autoregressive")
LATENT_DIM = 16


def fit(
    data: Path,
    out: Path,
    *,
    model: str,
    layer: str,
    horizon: int,
    context: int | None,
    latent_dim: int | None,
    steps: int,
    float64: bool,
    checkpoint_every: int,
    resume: bool,
    replace: bool,
    seed: int,
    columns: dict[str, Any],
) -> None:
    """Train on a CSV file and save."""
    if model not in MODELS:
        raise InputError(f"--model {model} is not known: choose one of {', '.join(MODELS)}.")
    if model == "autoregressive" and latent_dim is not None:
        raise InputError(
            "--latent-dim is the alternator's: an autoregressive model has no latent vector. Leave it out."
        )
    if horizon < 1:
        raise InputError(f"--horizon must be at least 1; found {horizon}.")
    refuse_foreign(out.absolute())
    writable(out)
    checkpoints = checkpoints_of(out, resume)
    if not resume and not replace:
        no_other_run(out)
    table = Sequences.from_csv(data, **{k: v for k, v in columns.items() if v is not None})
    if table.schema.time_kind == "datetime":
        table = table.with_calendar(*default_calendar(table.schema.step))
    typer.echo(f"data: {table}", err=True)
    with computing_in("float64" if float64 else current_precision()), spoken_warnings():
        sizes = {"control_dim": table.control_dim, "context": context, "key": jax.random.key(seed)}
        if set(table.schema.kinds) != {"real"}:
            sizes["law" if model == "autoregressive" else "noise"] = ax.families.of(table)
        if model == "autoregressive":
            net = ax.Autoregressive(table.obs_dim, body=layer, **sizes)
        else:
            dim = LATENT_DIM if latent_dim is None else latent_dim
            family = ax.Alternator if model == "alternator" else ax.AlternatorPlusPlus
            net = family(table.obs_dim, latent_dim=dim, ftn=layer, **sizes)
        rolled = ax.RolloutScore("crps", horizon=horizon, samples=4, origins=2)
        fitted = ax.fit(
            net,
            table,
            objective=ax.Elbo() + rolled if smooth_draws(net) else ax.Elbo(),
            steps=steps,
            seed=seed,
            checkpoint=checkpoints,
            checkpoint_every=checkpoint_every,
            resume=resume,
        )
    fitted.save(out)
    typer.echo(f"{_training(fitted)}\nsaved to {out}")
    finish(fitted, checkpoints)


def forecast(
    run: Path, out: Path, *, horizon: int, samples: int, data: Path | None, future: Path | None, seed: int
) -> None:
    """Forecast from a run, or from the end of other data of the same columns."""
    fitted = _load(run)
    output_file(out, reads=(data, future), columns=("feature", "mean"))
    table = None if data is None else _read(data, fitted.schema)
    controls = None if future is None else _controls(future, fitted.schema)
    result = fitted.forecast(table, horizon=horizon, samples=samples, controls=controls, seed=seed)
    write(result.to_frame(), out)


def impute(run: Path, data: Path, out: Path, *, samples: int, seed: int) -> None:
    """Fill the gaps of a CSV file."""
    fitted = _load(run)
    output_file(out, reads=(data,))
    table = _table(data, fitted.schema)
    filled = fitted.impute(_by_schema(table, data, fitted.schema), samples=samples, seed=seed).to_frame()
    if left := [name for name in table.columns if name not in filled.columns]:
        typer.echo(f"note: columns that the run does not model are left out: {', '.join(left)}", err=True)
    write(filled, out)


def backtest(
    run: Path, data: Path, out: Path | None, *, horizon: int, stride: int, start: str | None, samples: int, seed: int
) -> None:
    """Score forecasts on data that go beyond the training data."""
    fitted = _load(run)
    if out is not None:
        output_file(out, reads=(data,), columns=("lead", "crps"))
    table = _read(data, fitted.schema)
    first = None if start is None else _first_row(table, start)
    result = fitted.backtest(table, horizon=horizon, stride=stride, start=first, samples=samples, seed=seed)
    if seen := int(in_training(fitted, table)[:, result.origins].any(0).sum()):
        typer.echo(
            f"warning: {seen} of {len(result.origins)} origins lie in rows that WERE PART OF TRAINING: forecasts of "
            "new rows will score worse.",
            err=True,
        )
    scores = result.to_frame()
    typer.echo(scores.to_string(index=False, float_format=lambda v: f"{v:.4f}"))
    if out is not None:
        write(scores, out)


def report(run: Path, data: Path, out: Path, **options: Any) -> None:
    """Write the report of a run on a CSV file."""
    fitted = _load(run)
    output_page(out, data)
    path = ax.report(fitted, _read(data, fitted.schema), out, **options)
    typer.echo(f"report written to {path}: open it in a browser")


def info(run: Path) -> None:
    """Describe a run."""
    fitted = _load(run)
    model, schema = fitted.model, fitted.schema
    parameters = parameter_count(model)
    lines = (
        f"model      {type(model).__name__}, {parameters:,} parameters, context {model.context or 'all rows'}",
        f"columns    {', '.join(schema.values[:8])}{' ...' if len(schema.values) > 8 else ''} ({len(schema.values)})",
        f"covariates {', '.join(schema.covariates) or 'none'}",
        f"controls   {', '.join((*schema.controls, *schema.calendar)) or 'none'}",
        f"series     {len(schema.ids)}",
        f"step       {schema.step_name}",
        f"training   {_training(fitted)}",
        f"metrics    {', '.join(f'{name} {score:.4g}' for name, score in fitted.metrics.items()) or 'none kept'}",
    )
    typer.echo("\n".join(lines))


def _training(fitted: Fitted) -> str:
    record = fitted.record
    best = (
        f", best validation loss {min(record.valid_loss):.4f} at step {record.best_step}" if record.valid_loss else ""
    )
    note = f" ({record.note})" if record.note else ""
    return f"{record.steps} steps in {record.seconds:.0f} s, {record.stopped}{best}{note}"


def _load(run: Path) -> Fitted:
    """A run of either precision; it computes in its own."""
    with computing_in("float64"):
        return ax.load(run)


def _read(path: Path, schema: Schema) -> Sequences:
    """A CSV file by the columns of the training data."""
    return _by_schema(_table(path, schema), path, schema)


def _by_schema(frame: pd.DataFrame, path: Path, schema: Schema) -> Sequences:
    """A table by the columns of the training data; errors name the file it came from."""
    roles = {
        "values": schema.values,
        "covariates": schema.covariates,
        "controls": schema.controls,
        "static": schema.static,
    }
    options: dict[str, Any] = {name: list(columns) for name, columns in roles.items() if columns}
    # Arrays name neither series nor rows; files that were written from them do.
    if schema.layout == "long" or (_tells_series(schema) and schema.id_name in frame):
        options["id"] = schema.id_name
    if schema.time_kind != "index" or schema.time_name in frame:
        options["time"] = schema.time_name
    return from_table(frame, path, calendar=schema.calendar, kinds=list(schema.kinds), **options)


def _table(path: Path, schema: Schema) -> pd.DataFrame:
    """A CSV file whose series are called as in the run where they differ as text and whole number alone."""
    if not _tells_series(schema):
        return read_table(path)
    whole = {str(name): name for name in schema.ids if isinstance(name, int)}
    frame = read_table(path, texts=() if len(whole) == len(schema.ids) else (schema.id_name,))
    if whole and schema.id_name in frame:
        frame[schema.id_name] = [whole.get(name, name) for name in frame[schema.id_name]]
    return frame


def _tells_series(schema: Schema) -> bool:
    """Whether files may have a column of series identities."""
    return schema.layout in ("long", "numpy") and schema.id_name not in schema.values


def _controls(path: Path, schema: Schema) -> pd.DataFrame:
    """The rows ahead of a CSV file, by their times where it has them."""
    frame = _table(path, schema)
    absent = [name for name in schema.controls if name not in frame]
    if absent:
        raise InputError(f"{path} lacks the control {absent[0]!r}: it needs the columns {', '.join(schema.controls)}.")
    return frame


def _first_row(table: Sequences, start: str) -> int | str:
    """Where to start, which is text on the command line: a date as `Fitted.backtest` takes it, a number by its row."""
    if table.schema.time_kind == "datetime":
        return start
    try:
        number = float(start)
    except ValueError as error:
        raise InputError(f"--start {start}: the times of these data are numbers.") from error
    return int(table.split(time=number)[0].lengths.max())
