"""LEM against the equations of its paper, written out row by row in NumPy, and its laws under time gaps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled import call

from alternax.core.errors import InputError
from alternax.layers import LEM


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


@pytest.mark.parametrize("longest_step", [1.0, 0.3])
def test_outputs_equal_the_paper_equations(longest_step):
    layer = LEM(3, longest_step=longest_step, key=jax.random.key(0))
    v1, v2, v_z, v_y = np.split(np.asarray(layer.input_weight), 4)
    w1, w2, w_z = np.split(np.asarray(layer.state_weight), 3)
    b1, b2, b_z, b_y = np.split(np.asarray(layer.bias), 4)
    x = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    y = z = np.zeros(3)
    want = []
    for x_t in x:
        a = longest_step * sigmoid(w1 @ y + v1 @ x_t + b1)
        b = longest_step * sigmoid(w2 @ y + v2 @ x_t + b2)
        z = (1 - a) * z + a * np.tanh(w_z @ y + v_z @ x_t + b_z)
        y = (1 - b) * y + b * np.tanh(layer.output_weight @ z + v_y @ x_t + b_y)
        want.append(y)
    found, state = call(layer, jnp.asarray(x))
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(state, [y, z], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_states_stay_bounded_over_long_gaps_and_large_inputs():
    layer = LEM(3, key=jax.random.key(1))
    x = jnp.asarray(np.random.default_rng(0).normal(size=(30, 3)) * 1e6, jnp.float32)
    loss = lambda x, dt: jnp.sum(call(layer, x, dt=dt)[0] ** 2)  # noqa: E731
    for dt in (1e-6, 1.0, 1e3):
        times = jnp.full(30, dt)
        assert np.abs(call(layer, x, dt=times)[0]).max() <= 1
        assert all(np.isfinite(g).all() for g in jax.grad(loss, (0, 1))(x, times))


def test_two_gaps_relax_as_their_sum():
    """With the gates held fixed the way is that of an exponential: (1 - a)^s (1 - a)^t = (1 - a)^(s + t)."""
    layer = LEM(2, longest_step=0.5, key=jax.random.key(2))
    value, target, gate = jnp.array([0.3, -0.9]), jnp.array([0.7, 0.1]), jnp.array([0.4, -2.0])
    after = lambda value, dt: layer._relaxed(value, target, gate, jnp.array(dt))  # noqa: E731
    np.testing.assert_allclose(after(after(value, 0.7), 1.6), after(value, 2.3), rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "LEM: dim must be at least 1, found 0"),
        ({"longest_step": 0.0}, "LEM: expected 0 < longest_step <= 1, found 0.0"),
        ({"longest_step": 1.5}, "LEM: expected 0 < longest_step <= 1, found 1.5"),
    ],
)
def test_refuses_steps_that_overshoot(options, message):
    with pytest.raises(InputError, match=message):
        LEM(options.pop("dim", 3), **options, key=jax.random.key(0))
