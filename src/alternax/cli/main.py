"""The verbs of the `alternax` command; nothing heavy is imported before a verb runs."""

from pathlib import Path
from typing import Annotated

import typer

from alternax.cli.door import door, names, pairs
from alternax.version import __version__

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Sequence modelling with latent dynamics: fit a model to a table, forecast it, fill its gaps, score it.",
    pretty_exceptions_enable=False,
)

Run = Annotated[Path, typer.Argument(help="Folder of a fitted run.")]
Data = Annotated[Path, typer.Argument(help="CSV file with a time column and numbers.")]
Seed = Annotated[int, typer.Option(help="Seed of every draw.")]


def _version(shown: bool) -> None:
    if shown:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """See `app`."""


@app.command()
@door
def demo(
    out: Annotated[Path, typer.Option(help="Folder for tables, figures, samples and the report.")] = Path("demo-out"),
    samples: Annotated[int, typer.Option(help="Sample paths per origin.")] = 100,
    seed: Seed = 0,
) -> None:
    """Forecast tropical Pacific sea-surface temperature one to six months ahead, 2012 to 2021, and write a report."""
    from alternax.demo import sea_surface

    sea_surface.run(out, samples=samples, seed=seed, say=typer.echo)


@app.command()
@door
def fit(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder to write the run to.")],
    model: Annotated[
        str, typer.Option(help="Model family: alternator, alternator++ or autoregressive.")
    ] = "alternator",
    layer: Annotated[
        str, typer.Option(help="Sequence layer inside it (a name of alternax.layers.NAMES, mlp or affine).")
    ] = "lru",
    horizon: Annotated[int, typer.Option(help="Rows ahead that the forecasts are meant for.")] = 12,
    time: Annotated[
        str | None, typer.Option(help="Time column; found by itself when only one column holds dates.")
    ] = None,
    id: Annotated[str | None, typer.Option("--id", help="Column that names the series of a long table.")] = None,
    values: Annotated[str | None, typer.Option(help="Columns to model, comma separated; default all.")] = None,
    covariates: Annotated[str | None, typer.Option(help="Columns modelled but neither scored nor reported.")] = None,
    controls: Annotated[str | None, typer.Option(help="Columns known in advance.")] = None,
    kinds: Annotated[
        str | None,
        typer.Option(help="What columns are that are not real numbers: sales=count,open=binary,shop=category,..."),
    ] = None,
    context: Annotated[
        int | None,
        typer.Option(help="Scale every stretch of rows by its first CONTEXT rows, a forecast by those before it."),
    ] = None,
    latent_dim: Annotated[
        int | None, typer.Option(help="Length of the alternator's latent vector; default 16.")
    ] = None,
    steps: Annotated[int, typer.Option(help="Optimiser steps.")] = 1000,
    float64: Annotated[
        bool, typer.Option("--float64", help="Compute in double precision, now and whenever the run is used: slower.")
    ] = False,
    checkpoint_every: Annotated[
        int, typer.Option(help="Steps between two checkpoints; they lie beside the run until it is complete.")
    ] = 500,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a training that was broken off, to the same result.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put the new run in the place of one that is there already.")
    ] = False,
    seed: Seed = 0,
) -> None:
    """Fit a model to a CSV file and save the run."""
    from alternax.cli import verbs

    columns = {
        "time": time,
        "id": id,
        "values": names(values),
        "covariates": names(covariates),
        "controls": names(controls),
        "kinds": pairs("--kinds", kinds),
    }
    verbs.fit(
        data,
        out,
        model=model,
        layer=layer,
        horizon=horizon,
        context=context,
        latent_dim=latent_dim,
        steps=steps,
        float64=float64,
        checkpoint_every=checkpoint_every,
        resume=resume,
        replace=replace,
        seed=seed,
        columns=columns,
    )


@app.command()
@door
def forecast(
    run: Run,
    horizon: Annotated[int, typer.Option(help="Rows ahead.")] = 12,
    samples: Annotated[int, typer.Option(help="Sample paths.")] = 200,
    data: Annotated[
        Path | None, typer.Option(help="Forecast from the end of this CSV file instead of the training data.")
    ] = None,
    future: Annotated[Path | None, typer.Option(help="CSV file with the controls of the rows ahead.")] = None,
    out: Annotated[Path, typer.Option(help="CSV file to write.")] = Path("forecast.csv"),
    seed: Seed = 0,
) -> None:
    """Forecast: mean and quantiles of joint sample paths, as a CSV file."""
    from alternax.cli import verbs

    verbs.forecast(run, out, horizon=horizon, samples=samples, data=data, future=future, seed=seed)


@app.command()
@door
def impute(
    run: Run,
    data: Data,
    samples: Annotated[int, typer.Option(help="Draws behind the filled values.")] = 50,
    out: Annotated[Path, typer.Option(help="CSV file to write.")] = Path("filled.csv"),
    seed: Seed = 0,
) -> None:
    """Fill the gaps of a CSV file with the mean of joint draws; observed values stay as they are."""
    from alternax.cli import verbs

    verbs.impute(run, data, out, samples=samples, seed=seed)


@app.command()
@door
def backtest(
    run: Run,
    data: Data,
    horizon: Annotated[int, typer.Option(help="Rows ahead.")] = 12,
    stride: Annotated[int, typer.Option(help="Rows between origins.")] = 1,
    start: Annotated[
        str | None, typer.Option(help="Time stamp of the first row to forecast; default the end of the training data.")
    ] = None,
    samples: Annotated[int, typer.Option(help="Sample paths per origin.")] = 100,
    out: Annotated[Path | None, typer.Option(help="CSV file to write the scores to.")] = None,
    seed: Seed = 0,
) -> None:
    """Score forecasts from many origins after the training data: RMSE, MAE, CRPS, spread-skill, coverage."""
    from alternax.cli import verbs

    verbs.backtest(run, data, out, horizon=horizon, stride=stride, start=start, samples=samples, seed=seed)


@app.command()
@door
def report(
    run: Run,
    data: Data,
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("report.html"),
    horizon: Annotated[
        int | None, typer.Option(help="Rows ahead; default 12, or less where few rows follow the training data.")
    ] = None,
    samples: Annotated[int, typer.Option(help="Sample paths per origin.")] = 100,
    origins: Annotated[int, typer.Option(help="Forecasts of each series, at most.")] = 60,
    title: Annotated[str | None, typer.Option(help="Title of the page.")] = None,
    seed: Seed = 0,
) -> None:
    """Write one HTML page on a run and data: gaps, training, forecasts, calibration, skill by lead, latents."""
    from alternax.cli import verbs

    verbs.report(run, data, out, horizon=horizon, samples=samples, origins=origins, title=title, seed=seed)


@app.command()
@door
def info(run: Run) -> None:
    """Say what a run folder holds: model, data, training."""
    from alternax.cli import verbs

    verbs.info(run)
