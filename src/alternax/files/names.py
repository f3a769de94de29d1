"""The classes and functions that a model file may name; everything else in it is data."""

import importlib
import inspect
import re
from collections.abc import Callable, Iterable

import equinox as eqx
import jax
import jax.numpy as jnp

# Rooms of this library whose modules may be named in a file; they hold definitions only.
ROOMS = ("core", "ops", "nets", "layers", "models", "inference")
OUR_MODULE = re.compile(rf"alternax\.({'|'.join(ROOMS)})(\.[a-z][a-z0-9_]*){{0,4}}")

EQUINOX = {
    f"equinox.nn.{cls.__name__}": cls
    for cls in (
        eqx.nn.Embedding,
        eqx.nn.GRUCell,
        eqx.nn.Identity,
        eqx.nn.LayerNorm,
        eqx.nn.Linear,
        eqx.nn.MLP,
        eqx.nn.RMSNorm,
    )
}

# Classes that files of an older version name by the module they stood in then.
MOVED = {
    "alternax.models.alternator.noise.Noise": "alternax.nets.noise.Noise",
    "alternax.models.alternator.residual.Residual": "alternax.nets.residual.Residual",
}

FUNCTIONS: dict[str, Callable] = {
    "celu": jax.nn.celu,
    "elu": jax.nn.elu,
    "exp": jnp.exp,
    "gelu": jax.nn.gelu,
    "identity": inspect.signature(eqx.nn.MLP).parameters["final_activation"].default,
    "leaky_relu": jax.nn.leaky_relu,
    "log_sigmoid": jax.nn.log_sigmoid,
    "mish": jax.nn.mish,
    "relu": jax.nn.relu,
    "relu6": jax.nn.relu6,
    "selu": jax.nn.selu,
    "sigmoid": jax.nn.sigmoid,
    "silu": jax.nn.silu,
    "sin": jnp.sin,
    "soft_sign": jax.nn.soft_sign,
    "softplus": jax.nn.softplus,
    "tanh": jnp.tanh,
}


def class_name(cls: type, classes: Iterable[type] = ()) -> str | None:
    """The name under which `cls` is saved, None where it may not be."""
    for name, allowed in EQUINOX.items():
        if cls is allowed:
            return name
    name = f"{cls.__module__}.{cls.__qualname__}"
    return name if class_named(name, classes) is cls else None


def class_named(name: str, classes: Iterable[type] = ()) -> type[eqx.Module] | None:
    """The module class of that name: of equinox's list, of `classes`, or defined in this library; else None."""
    given = {f"{cls.__module__}.{cls.__qualname__}": cls for cls in classes}
    if name in EQUINOX or name in given:
        return EQUINOX.get(name) or given[name]
    home, _, own_name = MOVED.get(name, name).rpartition(".")
    if not OUR_MODULE.fullmatch(home):
        return None
    try:
        found = getattr(importlib.import_module(home), own_name, None)
    except ModuleNotFoundError:
        return None
    defined_there = isinstance(found, type) and issubclass(found, eqx.Module) and found.__module__ == home
    return found if defined_there else None


def function_name(function: object) -> str | None:
    """The name under which an activation function is saved, None where it is not in the list."""
    return next((name for name, known in FUNCTIONS.items() if known is function), None)
