"""The masked convolution over the whole past against its definition to 1e-12, with many halvings."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alternax.layers import STU, CKConv, history
from alternax.layers.ckconv import Channelwise

pytestmark = [pytest.mark.float64, pytest.mark.slow]

TIME, LENGTH, DIM = 45, 50, 2
run = jax.jit(partial(history.run, "here"))


@pytest.fixture(autouse=True)
def short_base(monkeypatch):
    monkeypatch.setattr(history, "BASE", 2)


def draw(seed):
    rng = np.random.default_rng(seed)
    x, kernel = rng.normal(size=(TIME, DIM)), rng.normal(size=(LENGTH, DIM))
    return x, kernel, rng.random(TIME) < 0.7, rng.random(TIME) < [0.0, 0.05, 0.4][seed % 3]


def naive(x, kernel, valid, resets, start=()):
    """Outputs and the rows in the buffer after every row, from a list of the rows taken in."""
    taken, y, states = list(start), [], []
    for x_t, valid_t, reset_t in zip(x, valid, resets, strict=True):
        taken = [] if reset_t else taken
        y.append(kernel[0] * x_t + sum(kernel[len(taken) - j] * row for j, row in enumerate(taken)))
        taken = [*taken, x_t] if valid_t else taken
        states.append(np.array([*taken, *np.zeros((LENGTH - len(taken), DIM))]))
    return np.array(y), np.array(states)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_outputs_and_states_equal_the_naive_loop(seed):
    x, kernel, valid, resets = draw(seed)
    start = np.random.default_rng(9).normal(size=(4, DIM))
    past = history.Past(jnp.zeros((LENGTH, DIM)).at[:4].set(start), jnp.array(4, jnp.int32))
    keep = jnp.arange(TIME)
    taps = Channelwise(jnp.asarray(kernel))
    everything, nothing = np.ones(TIME, bool), np.zeros(TIME, bool)
    for rows, masks in (
        ((everything, nothing), (None, None)),
        ((valid, nothing), (valid, None)),
        ((everything, resets), (None, resets)),
        ((valid, resets), (valid, resets)),
    ):
        given = dict(zip(("valid", "resets"), (None if m is None else jnp.asarray(m) for m in masks), strict=True))
        for before, first in ((None, ()), (past, start)):
            y, states = run(taps, jnp.asarray(x), before, **given, keep=keep)
            want, buffers = naive(x, kernel, *rows, first)
            np.testing.assert_allclose(y, want, rtol=1e-12, atol=1e-12)
            np.testing.assert_array_equal(states.rows, buffers)


@pytest.mark.slow
@pytest.mark.parametrize("build", [STU, CKConv])
def test_gradients_of_the_halving_equal_those_of_the_steps(build):
    """For filters with matrices and for kernels by channel, in all weights and inputs."""
    layer = build(DIM, max_length=LENGTH, key=jax.random.key(0))
    x, _, valid, resets = (jnp.asarray(v) for v in draw(1))

    def by_steps(layer, x):
        def body(state, row):
            x_t, taken, restarted = row
            state = jax.tree.map(lambda a, b: jnp.where(restarted, a, b), layer.init_state(), state)
            y_t, after = layer.step(x_t, state)
            return jax.tree.map(lambda a, b: jnp.where(taken, a, b), after, state), y_t

        return jax.lax.scan(body, layer.init_state(), (x, valid, resets))[1]

    def at_once(layer, x):
        return layer(x, valid=valid, resets=resets)[0]

    found, want = (
        jax.jit(jax.grad(lambda layer, x, run=run: jnp.sum(jnp.sin(run(layer, x))), argnums=(0, 1)))(layer, x)
        for run in (at_once, by_steps)
    )
    for f, w in zip(jax.tree.leaves(found), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(f, w, rtol=1e-10, atol=1e-10)
