"""Training from the command line: checkpoints beside the run until it is complete, and what is said meanwhile."""

import shlex
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from alternax.cli.door import INTERRUPTED
from alternax.core.errors import InputError
from alternax.fit.checkpoint import discard, latest_step
from alternax.fitted import Fitted


def checkpoints_of(out: Path, resume: bool) -> Path:
    """Where the checkpoints of a run lie, once it is clear that training may begin or go on."""
    folder = out.absolute().with_name(f"{out.absolute().name}.checkpoints")
    step = latest_step(folder)
    if step is None and resume and out.exists():
        raise InputError(
            f"{out} is complete, and there are no checkpoints to go on from in {folder}: write --replace for "
            "--resume to train again in its place, or choose another --out."
        )
    if step is not None and not resume:
        raise InputError(
            f"{folder} holds a training that was broken off after step {step}: add --resume to go on with it, choose "
            "another --out, or remove that folder to begin anew."
        )
    if step is not None:
        typer.echo(f"going on from step {step} in {folder}", err=True)
    return folder


@contextmanager
def spoken_warnings() -> Iterator[None]:
    """Warnings as one line on standard error; how to go on after an interrupt is said by `finish`."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="training was interrupted")
        warnings.showwarning = lambda message, *_, **__: typer.echo(f"warning: {message}", err=True)
        yield


def finish(fitted: Fitted, checkpoints: Path) -> None:
    """Drop the checkpoints of a run that is complete and saved; of one interrupted say how to go on."""
    if fitted.record.stopped != "interrupted":
        discard(checkpoints)
        return
    options = [option for option in sys.argv[1:] if option != "--resume"]
    typer.echo(
        f"interrupted at step {fitted.record.steps}; checkpoints are in {checkpoints}. To go on:\n"
        f"  {shlex.join(['alternax', *options, '--resume'])}",
        err=True,
    )
    raise typer.Exit(INTERRUPTED)
