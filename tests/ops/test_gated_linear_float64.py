"""The matrix state with a decay a key dimension against its definition: values, gradients, methods, masks, chunks."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alternax.ops import gated_linear, gated_linear_naive, ssd

pytestmark = pytest.mark.float64

LENGTH, HEADS, KEY, VALUE = 11, 2, 3, 4
KEEP = [10, 0, 7, 7, 3]


def draw(seed, length=LENGTH):
    """Arrays with decays from none at all to total, rows not taken in and new sequences among them."""
    rng = np.random.default_rng(seed)
    strength = rng.choice([0.0, 0.1, 1.0, 30.0, 1e5], size=(length, HEADS, KEY))
    arrays = (
        rng.normal(size=(length, HEADS, KEY)),
        rng.normal(size=(length, HEADS, KEY)),
        rng.normal(size=(length, HEADS, VALUE)),
        -strength * rng.uniform(0.5, 1.5, strength.shape),
        rng.normal(size=(HEADS, KEY, VALUE)),
    )
    masks = {"valid": rng.random(length) < 0.7, "resets": rng.random(length) < 0.2}
    return jax.tree.map(jnp.asarray, (arrays, masks))


def plain(q, k, v, log_decay, state, *, valid, resets):
    """The definition as a loop that JAX differentiates; outputs and the states after the rows `KEEP`."""

    def body(S, row):
        q_t, k_t, v_t, log_a, taken, restarted = row
        S = jnp.where(restarted, 0.0, S)
        after = jnp.exp(log_a)[:, :, None] * S + k_t[:, :, None] * v_t[:, None, :]
        held = jnp.where(taken, after, S)
        return held, (jnp.sum(q_t[:, :, None] * after, axis=1), held)

    o, states = jax.lax.scan(body, state, (q, k, v, log_decay, valid, resets))[1]
    return o, states[jnp.array(KEEP)]


def total(run, arrays, masks):
    o, states = run(*arrays, **masks)
    return jnp.sum(jnp.sin(o)) + jnp.sum(jnp.cos(states))


def naive(arrays, masks):
    return gated_linear_naive(*map(np.asarray, arrays), **jax.tree.map(np.asarray, masks))


def close(found, want):
    np.testing.assert_allclose(found, want, rtol=1e-11, atol=1e-11 * max(1.0, float(np.max(np.abs(want)))))


every_form = pytest.mark.parametrize(
    "form",
    [{"method": "sequential"}, {"chunk": 2, "block": 1}, {"chunk": 4, "block": 2}, {"chunk": 16, "block": 4}],
    ids=str,
)


@every_form
def test_values_equal_the_naive_loop(form):
    run = jax.jit(partial(gated_linear, keep=jnp.array(KEEP), **form))
    for seed in range(4):
        arrays, masks = draw(seed)
        o, states = run(*arrays, **masks)
        o_naive, states_naive = naive(arrays, masks)
        close(o, o_naive)
        close(states, states_naive[KEEP])


@every_form
def test_gradients_equal_those_of_the_loop(form):
    found = jax.jit(jax.grad(partial(total, partial(gated_linear, keep=jnp.array(KEEP), **form))))
    wanted = jax.jit(jax.grad(partial(total, plain)))
    for seed in range(4):
        arrays, masks = draw(seed)
        for gradient, want in zip(found(arrays, masks), wanted(arrays, masks), strict=True):
            close(gradient, want)


@pytest.mark.parametrize("method", ["sequential", "chunked"])
def test_a_single_row_and_no_state(method):
    (*arrays, _), _ = draw(5, length=1)
    o, state = gated_linear(*arrays, method=method)
    o_naive, states = naive(arrays, {})
    close(o, o_naive)
    close(state, states[0])


@pytest.mark.slow
def test_equals_ssd_where_all_keys_of_a_head_decay_alike():
    (q, k, v, log_decay, state), masks = draw(6)
    same = log_decay[..., :1]
    o, states = gated_linear(q, k, v, jnp.broadcast_to(same, k.shape), state, chunk=4, block=2, **masks)
    y, S = ssd(v, same[..., 0], k, q, state.swapaxes(1, 2), **masks)
    close(o, y)
    close(states, S.swapaxes(1, 2))
