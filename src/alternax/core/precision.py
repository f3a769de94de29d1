"""Single and double precision: one switch for what is made from now on; what is made already keeps its own.

JAX has a switch of its own for the whole process, `jax_enable_x64`, and this turns that one. A model made before
it was turned still has its old weights, and JAX would mix or cut them without a word; so every task on a `Fitted` runs
in the precision of its model's weights, whatever is set.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp

from alternax.core.errors import InputError

NAMES = ("float32", "float64")
SWITCH = "jax_enable_x64"

P = ParamSpec("P")
R = TypeVar("R")


def set_precision(name: str) -> AbstractContextManager[None]:
    """Make and train models in this precision from now on; in a `with` statement, until its end.

    Without a call it is what JAX was told: float32, or float64 where `JAX_ENABLE_X64=1` is set. Models that were made
    before keep their weights and go on computing in the precision of these.

    Args:
        name: "float32" or "float64".

    Returns:
        Nothing to keep, or a context that puts back what was set before.

    Raises:
        InputError: If it is neither.

    Example:
        >>> with set_precision("float64"):
        ...     print(jnp.ones(1).dtype)
        float64
    """
    if name not in NAMES:
        raise InputError(f"precision must be one of {', '.join(NAMES)}; found {name!r}.")
    before = current_precision()
    jax.config.update(SWITCH, name == "float64")
    return _Restored(before)


def current_precision() -> str:
    """What is set: "float32" or "float64"."""
    return NAMES[bool(jax.config.read(SWITCH))]


def precision_of(tree: Any) -> str:
    """The precision that a tree's inexact arrays ask for: "float64" if any is double, what is set if there is none."""
    kinds = [leaf.dtype for leaf in jax.tree.leaves(tree) if eqx.is_inexact_array(leaf)]
    if not kinds:
        return current_precision()
    return NAMES[any(jnp.finfo(kind).bits == 64 for kind in kinds)]


def check_precision(model: Any) -> None:
    """Refuse to train a model in another precision than it was made in.

    Raises:
        InputError: With both precisions and what to do.
    """
    own, now = precision_of(model), current_precision()
    if own != now:
        raise InputError(
            f"the model was made in {own}, and {now} is set: build it after alternax.set_precision({now!r}), or call "
            f"alternax.set_precision({own!r}) before training."
        )


def in_own_precision(task: Callable[P, R]) -> Callable[P, R]:
    """Run a method of something with a `model` in the precision of that model."""

    @wraps(task)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        owner: Any = args[0]
        with computing_in(precision_of(owner.model)):
            return task(*args, **kwargs)

    return run


@contextmanager
def computing_in(name: str):
    """A precision inside a block, for this thread alone."""
    with jax.enable_x64(name == "float64"):
        yield


class _Restored(AbstractContextManager):
    """Puts a precision back at the end of a `with` block."""

    def __init__(self, before: str):
        self.before = before

    def __exit__(self, *problem: object) -> None:
        jax.config.update(SWITCH, self.before == "float64")
