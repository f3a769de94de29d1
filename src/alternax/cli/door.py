"""How the command meets its user: errors as one message and exit code 2, never a traceback for a mistake of theirs."""

import functools
import re
from collections.abc import Callable

import typer

INTERRUPTED = 130
_ARGUMENT = re.compile(
    r"(?<![\w.'-])(time|id|values|covariates|controls|kinds|context|latent_dim|steps|seed|horizon|stride|start|samples)=(?!=)"
)


def door(verb: Callable[..., None]) -> Callable[..., None]:
    """Wrap a verb so that bad input ends in `error: ...` on standard error."""

    @functools.wraps(verb)
    def wrapped(*args, **kwargs) -> None:
        try:
            verb(*args, **kwargs)
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except (ValueError, OSError, RuntimeError) as error:
            from alternax.core.errors import InputError, ModelFileError, TrainingError

            if not isinstance(error, InputError | ModelFileError | TrainingError | OSError):
                raise
            typer.echo(f"error: {as_options(' '.join(str(error).split()))}", err=True)
            raise typer.Exit(2) from None

    return wrapped


def as_options(message: str) -> str:
    """Python's `time=` as the command's `--time=`."""
    return _ARGUMENT.sub(lambda found: f"--{found[1].replace('_', '-')}=", message)


def names(listed: str | None) -> list[str] | None:
    """Column names from a comma-separated option."""
    return None if listed is None else [name.strip() for name in listed.split(",") if name.strip()]


def pairs(option: str, listed: str | None) -> dict[str, str] | None:
    """Names with a word each from an option such as `--kinds sales=count,open=binary`."""
    if listed is None:
        return None
    split = [entry.rpartition("=") for entry in names(listed) or []]
    for name, _, word in split:
        if not name.strip() or not word.strip():
            from alternax.core.errors import InputError

            raise InputError(f"{option} {listed}: expected NAME=WORD,NAME=WORD,..., such as sales=count,open=binary.")
    return {name.strip(): word.strip() for name, _, word in split}
