"""Compiled runs of a layer that the laws share, so that each layer is compiled a few times and not once a law."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from alternax.core.layer import Layer
from alternax.core.model import where_tree

LENGTH, HALF = 12, 6
EVERY = np.arange(LENGTH)


def run(layer: Layer, x, valid, resets, dt, state=None, keep=None):
    """Outputs and the states after every row, or after those of `keep`."""
    keep = jnp.arange(x.shape[0]) if keep is None else keep
    return layer(x, state, valid=valid, resets=resets, dt=dt, keep=keep)


def by_steps(layer: Layer, x, valid, resets, dt):
    """`run` by its definition: one `step` a row, the state held where not valid, restarted at resets."""

    def body(state, row):
        x_t, taken, restarted, dt_t = row
        state = where_tree(restarted, layer.init_state(), state)
        y_t, after = layer.step(x_t, state, dt=dt_t)
        state = where_tree(taken, after, state)
        return state, (y_t, state)

    return jax.lax.scan(body, layer.init_state(), (x, valid, resets, dt))[1]


def in_halves(layer: Layer, x, valid, resets, dt):
    """`run` of the first half, then of the second from the state it left."""
    early, late = ([v[rows] for v in (x, valid, resets, dt)] for rows in (slice(HALF), slice(HALF, None)))
    y, states = run(layer, *early)
    y_after, states_after = run(layer, *late, jax.tree.map(lambda v: v[-1], states))
    join = lambda a, b: jnp.concatenate([a, b])  # noqa: E731
    return join(y, y_after), jax.tree.map(join, states, states_after)


def unmasked(layer: Layer, x):
    """Without masks and times: the whole with all its states, and two halves with the last state carried."""
    y, states = layer(x, keep=jnp.arange(x.shape[0]))
    early, state = layer(x[:HALF])
    late, state = layer(x[HALF:], state)
    return y, states, jnp.concatenate([early, late]), state


def loss(form, weights, layer: Layer, x, valid, resets, dt):
    """A smooth number that depends on all valid outputs and the last state."""
    y, states = form(eqx.combine(weights, layer), x, valid, resets, dt)
    total = jnp.sum(jnp.where(valid[:, None], jnp.sin(y), 0.0))
    return total + sum(jnp.sum(jnp.cos(v[-1])) for v in jax.tree.leaves(states))


def gradients(form, layer: Layer, x, valid, resets, dt):
    """Gradients of `loss` with respect to weights, inputs and elapsed times."""
    weights, rest = eqx.partition(layer, eqx.is_inexact_array)
    pull = lambda weights, x, dt: loss(form, weights, rest, x, valid, resets, dt)  # noqa: E731
    return jax.grad(pull, argnums=(0, 1, 2))(weights, x, dt)


class Compiled:
    """The runs of one layer, compiled at first use."""

    def __init__(self, layer: Layer):
        self.layer = layer
        self._run = self._of(run)
        self.start = layer.init_state()
        self.unmasked = self._of(unmasked)
        self.by_steps = self._of(by_steps)
        self.batch = self._of(jax.vmap(run, in_axes=(None, 0, 0, 0, 0)))
        self.gradients = self._of(lambda *a: gradients(run, *a))
        self.gradients_in_halves = self._of(lambda *a: gradients(in_halves, *a))

    def _of(self, function):
        # The weights are arguments and not constants, which XLA would fold for a long time.
        weights, rest = eqx.partition(self.layer, eqx.is_array)
        compiled = jax.jit(lambda weights, *rows: function(eqx.combine(weights, rest), *rows))
        # Out come NumPy arrays: picking rows of JAX arrays by a mask would compile anew for every count.
        return lambda *rows: jax.device_get(compiled(weights, *jax.tree.map(jnp.asarray, rows)))

    def run(self, x, valid, resets, dt, keep=EVERY, state=None):
        """See `run` above."""
        return self._run(x, valid, resets, dt, self.start if state is None else state, keep)

    def in_parts(self, x, valid, resets, dt, cut):
        """`run` of the rows before `cut`, then of the others from the state that those left."""
        outputs, states, left = [], [], None
        for rows in (np.less(EVERY, cut), np.greater_equal(EVERY, cut)):
            count = int(rows.sum())
            part = [np.concatenate([v[rows], np.zeros_like(v[count:])]) for v in (x, valid, resets, dt)]
            y, after = self.run(*part, state=left)
            outputs.append(y[:count])
            states.append(jax.tree.map(lambda v, count=count: v[:count], after))
            left = jax.tree.map(lambda v: v[-1], after)
        return np.concatenate(outputs), jax.tree.map(lambda a, b: np.concatenate([a, b]), *states)


def assert_close(found, want, tolerance: float) -> None:
    """Equal in structure, and in every leaf within `tolerance` of its largest entry (or of 1)."""
    assert jax.tree.structure(found) == jax.tree.structure(want)
    for f, w in zip(jax.tree.leaves(found), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(f, w, rtol=tolerance, atol=tolerance * max(1.0, float(np.max(np.abs(w), initial=0))))
