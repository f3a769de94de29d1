"""Particle filtering written once on `Model.update`'s log-weight: evidence, and joint draws of missing entries.

A particle holds the whole state after row t-1. It advances (drawing the latent noise of that row), is weighed by how
well it predicted row t, and takes row t in; resampling comes before the advance, so copies of one particle part again
at once. Models whose latent is a chain given the rows have `particle_filter`, which computes less.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, Scalar

from alternax.core.emission import complete
from alternax.core.model import Model, State, draw_key, restart, where_tree
from alternax.core.sequence import Sequence
from alternax.inference.ancestry import look_ahead
from alternax.inference.resampling import ancestors, check_scheme, effective_size


def log_evidence(
    model: Model,
    seq: Sequence,
    *,
    particles: int,
    key: PRNGKeyArray,
    scheme: str = "systematic",
    threshold: float = 0.5,
) -> tuple[Scalar, Float[Array, "time"]]:
    """log of an unbiased estimate of p(x), and the effective sample size after each row.

    Resampling where the effective sample size falls below `threshold` times the particles. Where every weight is lost
    (all 0 or not a number) the estimate is 0 and so is the effective sample size there.

    Raises:
        InputError: An unknown scheme or a threshold outside 0 to 1.

    Reference: Del Moral, "Feynman-Kac Formulae" (2004), section 7.4 (unbiasedness).
    """
    check_scheme(scheme, threshold)
    turn, keys, states = _start(model, particles, key)

    def body(carry, row):
        states, logits, step = carry
        order = ancestors(scheme, logits, key=jax.random.fold_in(turn, step))
        poor = effective_size(logits) < threshold * particles
        states = where_tree(poor, jax.tree.map(lambda a: a[order], states), states)
        logits = jnp.where(poor, 0.0, logits)
        after, weights, _ = _take_in(model, states, row, keys, fill=False)
        base, logits = jax.nn.logsumexp(logits), logits + weights
        effective = effective_size(logits)
        gained = jax.nn.logsumexp(logits) - base
        return (after, jnp.where(effective > 0, logits, 0.0), step + 1), (gained, effective)

    _, (gained, effective) = jax.lax.scan(body, (states, jnp.zeros(particles), jnp.asarray(0)), _rows(seq))
    return gained.sum(), effective


def impute_paths(
    model: Model, seq: Sequence, *, particles: int, lag: int, key: PRNGKeyArray
) -> tuple[Float[Array, "particles time obs_dim"], Float[Array, "time"]]:
    """Joint draws of the series given its observed entries, and the effective sample size after each row.

    Observed entries are kept, missing ones drawn by the model. Every particle draws the missing entries of a row given
    the observed ones and its own past, is weighed by the observed ones, and killing resampling (which leaves survivors
    in their place) lets later rows speak on earlier draws: `lag` further rows with anything observed. With lag >= time
    they are exact as the number of particles grows; a shorter lag keeps old draws diverse and forgets what comes after.
    """
    turn, keys, states = _start(model, particles, key)

    def body(carry, row):
        states, logits, step = carry
        order = ancestors("killing", logits, key=jax.random.fold_in(turn, step))
        states = jax.tree.map(lambda a: a[order], states)
        after, weights, filled = _take_in(model, states, row, keys, fill=True)
        effective = effective_size(weights)
        return (after, jnp.where(effective > 0, weights, 0.0), step + 1), (order, filled, effective)

    start = (states, jnp.zeros(particles), jnp.asarray(0))
    (_, logits, step), (orders, filled, effective) = jax.lax.scan(body, start, _rows(seq))
    last = ancestors("killing", logits, key=jax.random.fold_in(turn, step))
    # `orders[t]` was drawn before row t: what follows row t is the next one.
    following, seen = jnp.concatenate([orders[1:], last[None]]), seq.observed.any(1) & seq.valid
    ahead = look_ahead(following, seen, jnp.arange(particles, dtype=orders.dtype), lag)
    paths = jax.vmap(lambda row, order, index: row[order[index]])(filled, following, ahead)
    return jnp.moveaxis(paths, 0, 1), effective


def _start(model: Model, particles: int, key: PRNGKeyArray) -> tuple[Array, Array, State]:
    """Key of the resampling, keys of the particles and their first states."""
    turn, own = jax.random.split(key)
    keys = jax.vmap(lambda i: jax.random.fold_in(own, i))(jnp.arange(particles))
    return turn, keys, jax.vmap(lambda k: model.init(key=k))(keys)


def _rows(seq: Sequence) -> tuple[Array, ...]:
    return seq.x, seq.observed, seq.valid, seq.dt, seq.controls, seq.starts


def _take_in(
    model: Model, states: State, row: tuple[Array, ...], keys: Array, *, fill: bool
) -> tuple[State, Array, Array]:
    """All particles take one row in; with `fill` each completes it by its own draw first."""
    x, observed, valid, dt, control, reset = row

    def one(state, key):
        state = where_tree(reset, restart(model, state, key), state)
        moved = model.advance(state, dt, control=control, key=key)
        whole, seen = x, observed
        _, weight = model.update(moved, x, observed, control=control, key=key)
        if fill:
            law = model.emission(model.predict(moved, control=control))
            whole, seen = complete(law, x, observed, draw_key(key, moved.step)), jnp.ones_like(observed)
        after, _ = model.update(moved, whole, seen, control=control, key=key)
        weight = jnp.where(jnp.isnan(weight), -jnp.inf, weight)
        return where_tree(valid, after, state), jnp.where(valid, weight, 0.0), whole

    return jax.vmap(one)(states, keys)
