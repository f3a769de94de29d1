"""Particle filtering written once on `Model.update`'s log-weight: evidence, and joint draws of missing entries.

A particle holds the state after row t-1. It advances (drawing the latent noise of that row), is weighed by how well it
predicted row t, and takes row t in; resampling comes before the advance, so copies of one particle part again at once.
"""

import jax
import jax.numpy as jnp
from cuthbertlib.resampling import killing, systematic
from jaxtyping import Array, Float, PRNGKeyArray, Scalar

from alternax.core.emission import complete
from alternax.core.model import Model, State, draw_key, restart, where_tree
from alternax.core.sequence import Sequence


def log_evidence(
    model: Model, seq: Sequence, *, particles: int, key: PRNGKeyArray
) -> tuple[Scalar, Float[Array, "time"]]:
    """log of an unbiased estimate of p(x), and the effective sample size after each row.

    Systematic resampling where the effective sample size falls below half the particles.

    Reference: Del Moral, "Feynman-Kac Formulae" (2004), section 7.4 (unbiasedness).
    """
    turn, keys, states = _start(model, particles, key)

    def body(carry, row):
        states, logits, step = carry
        order, _, _ = systematic.resampling(jax.random.fold_in(turn, step), logits, jnp.zeros(particles), particles)
        poor = _effective(logits) < 0.5 * particles
        states = where_tree(poor, jax.tree.map(lambda a: a[order], states), states)
        logits = jnp.where(poor, 0.0, logits)
        after, weights, _ = _take_in(model, states, row, keys, fill=False)
        gained = jax.nn.logsumexp(logits + weights) - jax.nn.logsumexp(logits)
        return (after, logits + weights, step + 1), (gained, _effective(logits + weights))

    _, (gained, effective) = jax.lax.scan(body, (states, jnp.zeros(particles), jnp.asarray(0)), _rows(seq))
    return gained.sum(), effective


def impute_paths(
    model: Model, seq: Sequence, *, particles: int, lag: int, key: PRNGKeyArray
) -> Float[Array, "particles time obs_dim"]:
    """Joint draws of the series given its observed entries: those are kept, the missing ones drawn by the model.

    Every particle draws the missing entries of a row given the observed ones and its own past, is weighed by the
    observed
    ones, and killing resampling (which leaves survivors in their place) lets later rows speak on earlier draws, up to
    `lag` rows later: with lag >= time, exact as the number of particles grows; a shorter lag keeps old draws diverse.
    """
    turn, keys, states = _start(model, particles, key)

    def body(carry, row):
        states, logits, step = carry
        order, _, states = killing.resampling(jax.random.fold_in(turn, step), logits, states, particles)
        after, weights, filled = _take_in(model, states, row, keys, fill=True)
        return (after, weights, step + 1), (order, filled)

    (_, logits, step), (orders, filled) = jax.lax.scan(body, (states, jnp.zeros(particles), jnp.asarray(0)), _rows(seq))
    last, _, _ = killing.resampling(jax.random.fold_in(turn, step), logits, jnp.zeros(particles), particles)
    ancestors = _compose(jnp.concatenate([orders[1:], last[None]]), lag)
    paths = jax.vmap(lambda row, index: row[index])(filled, ancestors)
    return jnp.moveaxis(paths, 0, 1)


def _compose(orders: Array, lag: int) -> Array:
    """For every row t the particle there that each particle of row t + lag comes from, by doubling the stride.

    `orders[t]` maps the particles after the resampling that follows row t to those of row t; past the end nothing
    moves.
    """
    rows, particles = orders.shape
    identity = jnp.arange(particles)
    ahead = jnp.broadcast_to(identity, orders.shape)
    stride, block, done = 1, orders, 0

    def shifted(maps, by):
        return jnp.concatenate([maps[by:], jnp.broadcast_to(identity, (min(by, rows), particles))])[:rows]

    chain = jax.vmap(lambda outer, inner: outer[inner])
    while done < min(lag, rows):
        if (min(lag, rows) & stride) != 0:
            ahead, done = chain(ahead, shifted(block, done)), done + stride
        block, stride = chain(block, shifted(block, stride)), stride * 2
    return ahead


def _start(model: Model, particles: int, key: PRNGKeyArray) -> tuple[Array, Array, State]:
    """Key of the resampling, keys of the particles and their first states."""
    turn, own = jax.random.split(key)
    keys = jax.vmap(lambda i: jax.random.fold_in(own, i))(jnp.arange(particles))
    return turn, keys, jax.vmap(lambda k: model.init(key=k))(keys)


def _rows(seq: Sequence) -> tuple[Array, ...]:
    return seq.x, seq.observed, seq.valid, seq.dt, seq.controls, seq.resets & seq.valid


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
        return where_tree(valid, after, state), jnp.where(valid, weight, 0.0), whole

    return jax.vmap(one)(states, keys)


def _effective(logits: Array) -> Scalar:
    return jnp.exp(2 * jax.nn.logsumexp(logits) - jax.nn.logsumexp(2 * logits))
