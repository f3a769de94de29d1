"""Compiled runs of a model that the laws share, all at one length, so that each model is compiled a few times only."""

from functools import cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from conformance.models import CONTROLS, MODELS, OBS

from alternax.core.fixed import trainable
from alternax.core.model import Model, scan_unroll
from alternax.core.sequence import Sequence

LENGTH, HALF, HORIZON = 12, 6, 4
EVERY_ROW = jnp.arange(LENGTH)
KEY = jax.random.key(7)


def series(seed: int, *, clean: bool = False) -> Sequence:
    """Twelve rows with uneven times, controls and, unless `clean`, missing entries, padding and a reset."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(LENGTH, OBS))
    valid, resets = np.ones(LENGTH, bool), np.zeros(LENGTH, bool)
    if not clean:
        x[0, 1] = x[2] = x[5, 0] = x[5, 2] = x[10] = np.nan
        valid[[4, 9]] = False
        resets[7] = True
    dt, controls = rng.uniform(0.5, 2.0, LENGTH), rng.normal(size=(LENGTH, CONTROLS))
    columns = {"valid": valid, "resets": resets, "dt": dt, "controls": controls}
    return Sequence.build(jnp.asarray(x), **{name: jnp.asarray(column) for name, column in columns.items()})


def take(seq: Sequence, rows: np.ndarray) -> Sequence:
    """The chosen rows moved to the front, the rest padding of the same length."""
    order = np.concatenate([rows, np.zeros(LENGTH - len(rows), int)])
    return masked(
        jax.tree.map(lambda v: v[order] if v.shape[:1] == (LENGTH,) else v, seq), np.arange(LENGTH) < len(rows)
    )


def masked(seq: Sequence, valid: np.ndarray) -> Sequence:
    """The sequence with fewer valid rows."""
    return eqx.tree_at(lambda s: s.valid, seq, seq.valid & jnp.asarray(valid))


def batch(sequences: list[Sequence]) -> Sequence:
    """Sequences of one length on a leading axis."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *sequences)


def run(model: Model, seq: Sequence, key, state):
    """Params, log-weights and the states after all rows."""
    return model.unroll(seq, key=key, state=state, keep=jnp.arange(seq.length))


def loop(model: Model, seq: Sequence, key, state):
    """`run` by its definition."""
    return scan_unroll(model, seq, key=key, state=state, keep=jnp.arange(seq.length))


def halves(model: Model, seq: Sequence, key, state):
    """`run` of the first half, then of the second from the one state it left."""
    early = run(model, seq.rows(0, HALF), key, state)
    late = run(model, seq.rows(HALF, LENGTH), key, at(early[2], -1))
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), early, late)


def learning(form, weights, rest, seq: Sequence, key, state):
    """Value and gradients in weights and observations of the log-likelihood plus a number of the last state."""

    def value(weights, x):
        shown = eqx.tree_at(lambda s: s.x, seq, x)
        params, log_weights, states = form(eqx.combine(weights, rest), shown, key, state)
        last = [jnp.sum(jnp.cos(v[-1])) for v in jax.tree.leaves(states) if eqx.is_inexact_array(v)]
        return log_weights.sum() + sum(last), (params, log_weights, states)

    (total, out), gradient = jax.value_and_grad(value, argnums=(0, 1), has_aux=True)(weights, seq.x)
    return out, total, gradient


class Compiled:
    """The runs of one model, compiled at first use; every one begins with a state."""

    def __init__(self, model: Model):
        self.model = model
        self.start = model.init(key=KEY)
        self.weights, self.rest = eqx.partition(model, trainable(model))
        self.run = self._of(run)
        self.batch = self._of(jax.vmap(run, in_axes=(None, 0, 0, 0)))
        self.learn = {form.__name__: self._learning(form) for form in (run, loop, halves)}
        self.paths = self._of(jax.vmap(_first_law_and_path, in_axes=(None, None, 0, None)))

    def _of(self, function):
        call = _jit(lambda weights, seq, key, state: function(eqx.combine(weights, self.rest), seq, key, state))
        return lambda seq, key=KEY, state=self.start: call(self.weights, seq, key, state)

    def _learning(self, form):
        call = _jit(lambda weights, seq, key, state: learning(form, weights, self.rest, seq, key, state))
        return lambda seq, key=KEY, state=self.start, weights=self.weights: call(weights, seq, key, state)

    def many(self, sequences: list[Sequence], keys=None):
        """`run` of several sequences at once, by default all with the same key and from the first state."""
        states = jax.tree.map(lambda v: jnp.broadcast_to(v, (len(sequences), *v.shape)), self.start)
        return self.batch(batch(sequences), jnp.stack([KEY] * len(sequences)) if keys is None else keys, states)


def _first_law_and_path(model: Model, seq: Sequence, key, state):
    """Mean and standard deviation of the next row given the noise of `key`, and a path drawn with the same noise."""
    controls, dts = seq.controls[:HORIZON], seq.dt[:HORIZON]
    moved = model.advance(state, dts[0], control=controls[0], key=key)
    law = model.emission(model.predict(moved, control=controls[0]))
    return law.mean, jnp.sqrt(law.variance), model.rollout(state, HORIZON, controls=controls, dts=dts, key=key)


def _jit(function):
    # Weights are arguments, which XLA cannot fold; compiling takes far longer here than running, so optimise little.
    return jax.jit(function, compiler_options={"xla_backend_optimization_level": 0})


@cache
def compiled(name: str) -> Compiled:
    """The runs of the registered model, shared by all laws."""
    return Compiled(MODELS[name](jax.random.key(1)))


def at(tree, row):
    """The tree with every leaf indexed."""
    return jax.tree.map(lambda v: v[row], tree)
