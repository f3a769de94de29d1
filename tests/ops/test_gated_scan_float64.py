"""The loops of LSTM and GRU to 1e-11: values against their definitions, gradients against a loop that JAX reverses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alternax.core.model import where_tree
from alternax.ops import gru_scan, gru_scan_naive, lstm_scan, lstm_scan_naive

pytestmark = pytest.mark.float64

DIM = 3


def lstm_step(p, r, state):
    i, f, g, o = jnp.split(p + r, 4)
    c = jax.nn.sigmoid(f) * state[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return h, (h, c)


def gru_step(p, r, state):
    (p_r, p_u, p_n), (a, b, q) = jnp.split(p, 3), jnp.split(r, 3)
    update = jax.nn.sigmoid(p_u + b)
    h = (1 - update) * jnp.tanh(p_n + jax.nn.sigmoid(p_r + a) * q) + update * state
    return h, h


KERNELS = {
    "lstm": (lstm_scan, lstm_scan_naive, lstm_step, 4, lambda v: (v[0], v[1])),
    "gru": (gru_scan, gru_scan_naive, gru_step, 3, lambda v: v[0]),
}
MASKS = {
    "plain": (None, None),
    "held": ([True, False, True, True, False, True, False], None),
    "cut": (None, [False, False, True, True, False, False, True]),
    "held and cut": ([False, True, True, False, False, True, True], [False, True, False, False, True, False, True]),
}


def draw(name, length):
    *_, gates, state_of = KERNELS[name]
    rng = np.random.default_rng(length)
    inputs, weight = rng.normal(size=(length, gates * DIM)), rng.normal(size=(gates * DIM, DIM))
    return inputs, weight, rng.normal(size=gates * DIM), state_of(rng.normal(size=(2, DIM)))


def loop(step, inputs, weight, bias, state, valid, resets):
    """The definition in JAX: outputs, and the states after all rows."""
    none = jnp.zeros(len(inputs), bool)

    def body(state, row):
        p, taken, restarted = row
        state = where_tree(restarted, jax.tree.map(jnp.zeros_like, state), state)
        h = state[0] if isinstance(state, tuple) else state
        y, after = step(p, weight @ h + bias, state)
        state = where_tree(taken, after, state)
        return state, (y, state)

    masks = ~none if valid is None else valid, none if resets is None else resets
    return jax.lax.scan(body, state, (inputs, *masks))[1]


def close(found, want):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12), found, want)


@pytest.mark.parametrize(("masks", "length"), [("plain", 1), *((masks, 7) for masks in MASKS)])
@pytest.mark.parametrize("name", KERNELS)
def test_values_and_gradients_equal_the_plain_loop(name, masks, length):
    kernel, naive, step, *_ = KERNELS[name]
    arguments = draw(name, length)
    valid, resets = (None if mask is None else np.array(mask[:length]) for mask in MASKS[masks])
    rows = jnp.arange(length)[::-1]
    y, states = naive(*arguments, valid=valid, resets=resets)
    arguments, valid, resets = jax.tree.map(jnp.asarray, (arguments, valid, resets))
    close(kernel(*arguments, valid=valid, resets=resets), (y, jax.tree.map(lambda v: v[-1], states)))

    def number(y, states, last):
        leaves = [jnp.sum(jnp.cos(v) * jnp.arange(1.0, v.size + 1).reshape(v.shape)) for v in jax.tree.leaves(states)]
        return jnp.sum(jnp.sin(y)) + sum(leaves) + sum(jnp.sum(v**2) for v in jax.tree.leaves(last))

    def ours(*arguments):
        y, kept = kernel(*arguments, valid=valid, resets=resets, keep=rows)
        return number(y, kept, kernel(*arguments, valid=valid, resets=resets)[1])

    def plain(*arguments):
        y, states = loop(step, *arguments, valid, resets)
        return number(y, *(jax.tree.map(lambda v, rows=rows: v[rows], states) for rows in (rows, -1)))

    close(*(jax.jit(jax.value_and_grad(f, argnums=(0, 1, 2, 3)))(*arguments) for f in (ours, plain)))
