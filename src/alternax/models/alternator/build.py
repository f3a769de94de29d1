"""Checks at the Alternator's door, and its networks made from their specifications."""

import jax

from alternax.core.errors import InputError
from alternax.core.sequence import Sequence
from alternax.nets.body import Body, body, silence
from alternax.nets.operator import Operator

DECAY_START = -5.0
TINY = 1e-12


def check(obs_dim, latent_dim, target_dim, control_dim, sigma_z, flow, context, gap, decode, operator) -> None:
    """Raise `InputError` on the first setting out of its bounds."""
    for name, value, least in (
        ("obs_dim", obs_dim, 1),
        ("latent_dim", latent_dim, 1),
        ("target_dim", target_dim, 0),
        ("control_dim", control_dim, 0),
        ("context", context, 1),
    ):
        if name == "context" and value is None:
            continue
        if not isinstance(value, int) or value < least:
            raise InputError(f"{name} must be an integer of at least {least}; found {value!r}.")
    if not 0.0 <= sigma_z < 1.0:
        raise InputError(f"sigma_z must satisfy 0 <= sigma_z^2 < 1; found sigma_z = {sigma_z:g}.")
    if flow not in (None, "decay"):
        raise InputError(f"flow={flow!r} is not known: choose None or 'decay'.")
    check_gap(gap)
    if decode not in ("latent", "head"):
        raise InputError(f"decode={decode!r} is not known: choose 'latent' or 'head'.")
    if decode == "latent" and target_dim > latent_dim:
        raise InputError(
            f"decode='latent' reads {target_dim} targets off z, which has latent_dim = {latent_dim}: raise latent_dim."
        )
    if operator is not None and operator.obs_dim != obs_dim:
        raise InputError(f"the operator is for {operator.obs_dim} columns, the model for obs_dim = {obs_dim}.")
    if operator is not None and context is not None:
        raise InputError(
            "an operator mixes columns of one scale: use context=None and scale the data with Scale(per='all')."
        )


def check_gap(gap: str) -> None:
    """Raise `InputError` unless the rule is known."""
    if gap not in ("hold", "draw"):
        raise InputError(f"gap={gap!r} is not known: choose 'hold' or 'draw'.")


def check_sequence(model, seq: Sequence) -> None:
    """The sequence must have the model's widths."""
    for name in ("obs_dim", "control_dim"):
        expected, found = getattr(model, name), getattr(seq, name)
        if expected != found:
            raise InputError(
                f"the model was built with {name}={expected}, the data have {found}: "
                f"build it with ax.Alternator(data.obs_dim, control_dim=data.control_dim, ...)."
            )


def check_decodes(model) -> None:
    """Decoding needs targets."""
    if model.target_dim == 0:
        raise InputError(
            "this Alternator was built with target_dim=0 and decodes nothing: give target_dim=data.target_dim."
        )


def age_dim(obs_dim: int, operator: Operator | None) -> int:
    """Number of ages that f sees: one a column, or one in all under an operator."""
    return obs_dim if operator is None else 1


def ftn(spec, seen_dim: int, control_dim: int, latent_dim: int, width: int, depth: int, key) -> Body:
    """g, blind at the start to what is missing, so that a first gap after training on complete rows does no harm."""
    net = body(spec, 2 * seen_dim + control_dim, latent_dim, width=width, depth=depth, key=key)
    return silence(net, seen_dim, 2 * seen_dim)


def otn(spec, latent_dim: int, ages: int, control_dim: int, out_dim: int, width: int, depth: int, key) -> Body:
    """f, blind at the start to the ages, for the same reason."""
    net = body(spec, latent_dim + ages + control_dim, out_dim, width=width, depth=depth, key=key)
    return silence(net, latent_dim, latent_dim + ages)


def head(decode: str, latent_dim: int, target_dim: int, width: int, key) -> Body | None:
    """The decoder of the targets; None when they are coordinates of z or there are none."""
    if decode == "latent" or target_dim == 0:
        return None
    return body("mlp", latent_dim, target_dim, width=width, depth=1, key=jax.random.fold_in(key, 1))
