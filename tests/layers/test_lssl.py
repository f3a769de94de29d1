"""LSSL against the equations of its paper, by dense inverses and matrix powers in NumPy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled import call
from untyped import untyped

from alternax.core.errors import InputError
from alternax.layers import LSSL
from alternax.ops.hippo import hippo


@pytest.fixture(scope="module")
def layer() -> LSSL:
    return LSSL(3, state_dim=5, chunk=4, step_min=0.05, step_max=0.5, key=jax.random.key(0))


def discrete(layer, channel, dt=1.0):
    step, A = dt * float(np.exp(layer.step_log[channel])), np.asarray(layer.A, float)
    left = np.linalg.inv(np.eye(len(A)) - step / 2 * A)
    return left @ (np.eye(len(A)) + step / 2 * A), step * left @ np.asarray(layer.B, float)


def test_outputs_equal_the_paper_equations_at_any_times(layer):
    rng = np.random.default_rng(0)
    x, dt = rng.normal(size=(9, 3)), rng.uniform(0.5, 2.0, 9)
    h, want = np.zeros((3, 5)), np.zeros((9, 3))
    for t in range(9):
        for channel in range(3):
            A_bar, B_bar = discrete(layer, channel, dt[t])
            h[channel] = A_bar @ h[channel] + B_bar * x[t, channel]
            want[t, channel] = layer.C[channel] @ h[channel] + layer.D[channel] * x[t, channel]
    y, state = call(layer, jnp.asarray(x, jnp.float32), dt=jnp.asarray(dt, jnp.float32))
    np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(state, h, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("chunk", "time"),
    [(4, 11), (16, 11), *(pytest.param(*size, marks=pytest.mark.slow) for size in [(1, 3), (4, 1), (4, 12)])],
)
def test_convolution_equals_matrix_powers(chunk, time):
    """Outputs and the states after some rows, from a state that is not zero."""
    layer = LSSL(3, state_dim=5, chunk=chunk, step_min=0.05, step_max=0.5, key=jax.random.key(0))
    rng = np.random.default_rng(time)
    x, start = rng.normal(size=(time, 3)), rng.normal(size=(3, 5))
    h = np.zeros((time, 3, 5))
    for channel in range(3):
        A_bar, B_bar = discrete(layer, channel)
        power = [np.linalg.matrix_power(A_bar, n) for n in range(time + 1)]
        for t in range(time):
            terms = (power[s] @ B_bar * x[t - s, channel] for s in range(t + 1))
            h[t, channel] = power[t + 1] @ start[channel] + sum(terms)
    want = np.sum(layer.C * h, axis=-1) + layer.D * x
    rows = [time - 1, 0, time // 2, -1]
    x, start = jnp.asarray(x, jnp.float32), jnp.asarray(start, jnp.float32)
    y, states = call(layer, x, start, keep=jnp.array(rows))
    np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(states, h[rows], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(call(layer, x, start)[1], h[-1], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_convolution_has_the_gradients_of_the_recurrence(layer):
    x = jnp.asarray(np.random.default_rng(3).normal(size=(11, 3)), jnp.float32)

    def gradient(**masks):
        return jax.jit(jax.grad(lambda layer, x: jnp.sum(jnp.sin(layer(x, **masks)[0])), argnums=(0, 1)))(layer, x)

    by_chunks, by_rows = gradient(), gradient(resets=jnp.zeros(11, bool))
    for found, want in zip(jax.tree.leaves(by_chunks), jax.tree.leaves(by_rows), strict=True):
        np.testing.assert_allclose(found, want, rtol=1e-3, atol=1e-4)


def test_starts_as_hippo_and_stays_stable_whatever_is_learned():
    layer = LSSL(2, state_dim=8, key=jax.random.key(1))
    A, B = hippo("legs", 8)
    np.testing.assert_allclose(layer.A, A, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(layer.B, B, rtol=1e-6)
    rng = np.random.default_rng(4)
    for scale in (0.1, 3.0):
        learned = jax.tree.map(lambda v, s=scale: v + s * jnp.asarray(rng.normal(size=v.shape), v.dtype), layer)
        for channel in range(2):
            assert np.max(np.abs(np.linalg.eigvals(discrete(learned, channel)[0]))) < 1


@pytest.mark.parametrize("dt", [1e-6, 1e3])
def test_extreme_times_stay_finite(dt):
    layer = LSSL(3, state_dim=16, key=jax.random.key(2))
    x, times = jnp.ones((32, 3)), jnp.full(32, dt)
    value_and_gradient = eqx.filter_value_and_grad(lambda layer: jnp.mean(layer(x, dt=times)[0] ** 2))
    for leaf in jax.tree.leaves(eqx.filter_jit(value_and_gradient)(layer)):
        assert np.isfinite(leaf).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "LSSL: dim must be at least 1, found 0"),
        ({"state_dim": 0}, "LSSL: state_dim must be at least 1, found 0"),
        ({"chunk": 0}, "LSSL: chunk must be at least 1, found 0"),
        ({"chunk": 12}, "LSSL: expected a power of two as chunk, found 12"),
        ({"step_min": 0.2}, "step sizes 0 < smallest <= largest, found 0.2 and 0.1"),
    ],
)
def test_refuses_what_does_not_fit(options, message):
    with untyped(), pytest.raises(InputError, match=message):
        LSSL(options.pop("dim", 3), **options, key=jax.random.key(0))
