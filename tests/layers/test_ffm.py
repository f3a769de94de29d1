"""FFM against the equations of its paper, written out row by row in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled import call

from alternax.core.errors import InputError
from alternax.layers import FFM


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


@pytest.fixture(scope="module")
def layer() -> FFM:
    return FFM(3, memory=5, context=2, longest=16.0, key=jax.random.key(0))


def test_outputs_equal_the_paper_equations(layer):
    rng = np.random.default_rng(0)
    x, dt = rng.normal(size=(9, 3)), rng.uniform(0.5, 2.0, 9)
    exponents = -np.abs(layer.alpha)[:, None] - 1j * np.asarray(layer.omega)
    affine = lambda linear, v: linear.weight @ v + linear.bias  # noqa: E731
    S, want = np.zeros((5, 2), complex), []
    for x_t, dt_t in zip(x, dt, strict=True):
        value, gate = np.split(affine(layer.inputs, x_t), 2)
        S = np.exp(exponents * dt_t) * S + (value * sigmoid(gate))[:, None]
        z = affine(layer.mix, np.concatenate([S.real.ravel(), S.imag.ravel()]))
        gate, past = np.split(affine(layer.outputs, x_t), 2)
        normed = (z - z.mean()) / np.sqrt(z.var() + 1e-5)
        want.append(normed * sigmoid(gate) + past * (1 - sigmoid(gate)))
    y, state = call(layer, jnp.asarray(x, jnp.float32), dt=jnp.asarray(dt, jnp.float32))
    np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(state, [S.real, S.imag], rtol=1e-4, atol=1e-5)


def test_slowest_trace_keeps_a_hundredth_and_the_slowest_frequency_turns_once(layer):
    left = layer._factor(jnp.array(16.0))
    np.testing.assert_allclose(np.abs(left[0]), 0.01, rtol=1e-4)
    np.testing.assert_allclose(np.angle(left[:, 0]), 0.0, atol=1e-5)
    assert np.abs(layer._factor(None)[-1, 0]) == pytest.approx(0.01, rel=1e-4)


@pytest.mark.parametrize("dt", [1e-6, 1e3])
def test_extreme_times_stay_finite(layer, dt):
    loss = lambda x, dt: jnp.sum(call(layer, x, dt=dt)[0] ** 2)  # noqa: E731
    assert all(np.isfinite(g).all() for g in jax.jit(jax.grad(loss, (0, 1)))(jnp.ones((9, 3)), jnp.full(9, dt)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory": 0}, "FFM: memory must be at least 1, found 0"),
        ({"context": 0}, "FFM: context must be at least 1, found 0"),
        ({"longest": 2.0}, "FFM: expected longest above 2 steps, found 2.0"),
    ],
)
def test_refuses_impossible_sizes(options, message):
    with pytest.raises(InputError, match=message):
        FFM(3, **options, key=jax.random.key(0))
