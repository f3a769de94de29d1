"""Largest Lyapunov exponent of a map written in JAX: how fast close states part, by a tangent carried along.

v_{k+1} = DF(s_k) v_k,    lambda = mean_k log(|v_{k+1}| / |v_k|) / dt,    v scaled back to length 1 at every step
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from alternax.core.errors import InputError

State = Any


def largest_lyapunov(
    step: Callable[[State], State],
    states: State,
    *,
    steps: int,
    warmup: int = 100,
    dt: float = 1.0,
    key: PRNGKeyArray,
) -> Float[Array, "start"]:
    """Largest Lyapunov exponent of a map, one estimate for each of several starts.

    Positive for chaos, 0 for a cycle of a flow, negative for a fixed point; two states part as `exp(lambda t)`. The
    Jacobian is never formed: one `jax.jvp` a step. The mean over starts and its standard error
    (`lam.std(ddof=1) / sqrt(starts)`) say how well it is known.

    For a map with noise, let `step` draw from a key and a counter that are in the state: every start then sees one
    fixed noise, and the exponent is that of the random map, two copies of it driven alike.

    Args:
        step: One step of the map for one start: a state, any tree of arrays, to the next of the same structure. A
            `jax.tree_util.Partial` or an Equinox module is compiled once for all its values.
        states: Starts, stacked along a first axis of every leaf. Leaves that are not floating-point (counters, keys)
            go along without a tangent.
        steps: Steps to average over.
        warmup: Steps before these, in which the tangent turns into the fastest direction and the state onto the
            attractor.
        dt: Time of a step; the exponent is per unit of it.
        key: Key of the first tangents.

    Returns:
        An exponent for each start: -inf where everything is forgotten in one step, NaN where the state or the tangent
        is not finite any more.

    Raises:
        InputError: If steps, warmup or dt are out of range, leaves differ in their first axis, nothing is
            floating-point, or a step does not return a state like the one given.

    Example:
        >>> starts = jnp.linspace(0.1, 0.9, 8)
        >>> lam = largest_lyapunov(lambda x: 3.2 * x * (1 - x), starts, steps=2000, key=jax.random.key(0))
        >>> bool(jnp.allclose(lam, -0.9163, atol=1e-3))
        True

    Reference: Benettin, Galgani, Giorgilli and Strelcyn 1980, Meccanica 15, 9-20, for the first exponent.
    """
    _check_settings(steps, warmup, dt)
    states = jax.tree.map(jnp.asarray, states)
    _check_states(step, states)
    return _exponents(step, states, steps, warmup, key) / dt


@eqx.filter_jit
def _exponents(step: Callable, states: State, steps: int, warmup: int, key: PRNGKeyArray) -> Float[Array, "start"]:
    """Mean log growth a step."""
    starts = jax.tree.leaves(states)[0].shape[0]
    tangents = jax.vmap(_first_tangent)(states, jax.random.split(key, starts))
    carried = jax.vmap(lambda state, tangent: _carry(step, state, tangent))
    _, growth = jax.lax.scan(lambda carry, _: _paired(carried(*carry)), (states, tangents), length=warmup + steps)
    return growth[warmup:].mean(0)


def _paired(found: tuple[State, State, Array]) -> tuple[tuple[State, State], Array]:
    state, tangent, growth = found
    return (state, tangent), growth


def _first_tangent(state: State, key: PRNGKeyArray) -> State:
    leaves, tree = jax.tree.flatten(eqx.filter(state, eqx.is_inexact_array))
    keys = jax.random.split(key, len(leaves))
    drawn = [jax.random.normal(k, leaf.shape, leaf.dtype) for k, leaf in zip(keys, leaves, strict=True)]
    return _unit(jax.tree.unflatten(tree, drawn))[0]


def _carry(step: Callable, state: State, tangent: State) -> tuple[State, State, Array]:
    """The state after a step, the tangent there of length 1, and the logarithm of what it grew by."""
    moving, rest = eqx.partition(state, eqx.is_inexact_array)

    def moved(part):
        return eqx.partition(step(eqx.combine(part, rest)), eqx.is_inexact_array)

    after, grown, rest = jax.jvp(moved, (moving,), (tangent,), has_aux=True)
    tangent, length = _unit(grown)
    return eqx.combine(after, rest), tangent, jnp.log(length)


def _unit(tangent: State) -> tuple[State, Array]:
    """The tangent of length 1 (or 0 where it is 0), and its length."""
    length = jnp.sqrt(sum((jnp.abs(leaf) ** 2).sum() for leaf in jax.tree.leaves(tangent)))
    scale = jnp.where(length > 0, length, 1.0)
    return jax.tree.map(lambda leaf: leaf / scale.astype(leaf.dtype), tangent), length


def _check_settings(steps: int, warmup: int, dt: float) -> None:
    for name, value, least in (("steps", steps, 1), ("warmup", warmup, 0)):
        if not isinstance(value, int) or value < least:
            raise InputError(f"{name} must be an integer of at least {least}, found {value!r}")
    if not 0 < dt < float("inf"):
        raise InputError(f"dt must be a positive number, found {dt!r}")


def _check_states(step: Callable, states: State) -> None:
    leaves = jax.tree.leaves(states)
    if not any(eqx.is_inexact_array(leaf) for leaf in leaves):
        raise InputError("states hold no floating-point array: there is nothing to differentiate")
    starts = {leaf.shape[:1] for leaf in leaves}
    if len(starts) > 1 or starts & {(), (0,)}:
        raise InputError(
            "every array of states needs the same first axis, one entry a start, at least 1; "
            f"found shapes {[leaf.shape for leaf in leaves]}"
        )
    given = jax.eval_shape(lambda s: jax.tree.map(lambda leaf: leaf[0], s), states)
    found = eqx.filter_eval_shape(step, given)
    kinds = lambda tree: jax.tree.map(lambda leaf: (leaf.shape, str(leaf.dtype)), tree)  # noqa: E731
    if jax.tree.structure(found) != jax.tree.structure(given) or kinds(found) != kinds(given):
        raise InputError(f"step must return a state like the one given, {kinds(given)}; found {kinds(found)}")
