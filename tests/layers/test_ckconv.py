"""CKConv against the equations of its paper, written out in NumPy, at irregular times; its kernel; where it ends."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled import call
from untyped import untyped

from alternax.core.errors import InputError
from alternax.layers import CKConv


@pytest.fixture(scope="module")
def layer() -> CKConv:
    return CKConv(3, max_length=16, hidden=5, frequency=4.0, key=jax.random.key(0))


def kernel(layer, elapsed):
    if elapsed >= layer.max_length:
        return np.zeros(layer.dim)
    p, w = 2 * elapsed / layer.max_length - 1, layer.frequency
    h = np.sin(w * (p * np.asarray(layer.input_weight) + layer.input_bias))
    h = np.sin(w * (np.asarray(layer.hidden_weight) @ h + layer.hidden_bias))
    return np.asarray(layer.output_weight) @ h


@pytest.mark.parametrize("regular", [True, False])
def test_outputs_equal_the_paper_equations(layer, regular):
    rng = np.random.default_rng(0)
    x, dt = rng.normal(size=(12, 3)), np.ones(12) if regular else rng.uniform(0.1, 4.0, 12)
    times = np.cumsum(dt)
    want = [sum(kernel(layer, times[t] - times[j]) * x[j] for j in range(t + 1)) for t in range(12)]
    y, state = call(layer, jnp.asarray(x, jnp.float32), dt=None if regular else jnp.asarray(dt, jnp.float32))
    np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(state.times[:12], times, rtol=1e-6)
    np.testing.assert_allclose(state.clock, times[-1], rtol=1e-6)


@pytest.mark.slow
def test_an_instant_without_input_changes_nothing_after_it(layer):
    """Time is real: two gaps in a row are their sum."""
    x = jnp.asarray(np.random.default_rng(1).normal(size=(4, 3)), jnp.float32)
    direct, _ = call(layer, x, dt=jnp.array([1.0, 1.0, 3.0, 1.0]))
    by_way, _ = call(layer, jnp.insert(x, 2, 0.0, axis=0), dt=jnp.array([1.0, 1.0, 1.2, 1.8, 1.0]))
    np.testing.assert_allclose(jnp.delete(by_way, 2, axis=0), direct, rtol=1e-4, atol=1e-5)


def test_regular_rows_go_on_after_irregular_ones(layer):
    """A state remembers when its rows were."""
    x = jnp.asarray(np.random.default_rng(2).normal(size=(7, 3)), jnp.float32)
    dt = jnp.array([1.0, 0.3, 2.2, 0.7, 1.0, 1.0, 1.0])
    whole, _ = call(layer, x, dt=dt)
    _, state = call(layer, x[:4], dt=dt[:4])
    np.testing.assert_allclose(call(layer, x[4:], state)[0], whole[4:], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_kernel_has_as_many_weights_at_any_length_and_keeps_the_size_of_white_noise():
    short, long = (CKConv(400, max_length=length, hidden=64, key=jax.random.key(3)) for length in (8, 2048))
    shapes = [[leaf.shape for leaf in jax.tree.leaves(eqx.filter(layer, eqx.is_array))] for layer in (short, long)]
    assert shapes[0] == shapes[1]
    power = jnp.sum(long.kernel(jnp.arange(2048.0)) ** 2, axis=0)
    assert np.mean(power) == pytest.approx(1.0, abs=0.3)


@pytest.mark.parametrize("dt", [1e-6, 1e3])
def test_extreme_times_stay_finite(layer, dt):
    x, times = jnp.ones((8, 3)), jnp.full(8, dt)
    gradient = eqx.filter_jit(eqx.filter_grad(lambda layer: jnp.mean(layer(x, dt=times)[0] ** 2)))
    for leaf in jax.tree.leaves(gradient(layer)):
        assert np.isfinite(leaf).all()
    ahead = np.arange(1, 9)[:, None] if dt == 1e-6 else np.ones((8, 1))
    np.testing.assert_allclose(call(layer, x, dt=times)[0], ahead * kernel(layer, 0.0), rtol=1e-3, atol=1e-5)


def test_going_past_the_end_is_refused(layer):
    with pytest.raises(InputError, match="CKConv: 17 rows are more than max_length=16"):
        layer(jnp.ones((17, 3)), dt=jnp.ones(17))
    with pytest.raises(InputError, match="CKConv: 17 rows are more than max_length=16"):
        layer(jnp.ones((17, 3)))
    _, state = call(layer, jnp.ones((12, 3)))
    full = call(layer, jnp.ones((4, 3)), state)[1]
    message = "CKConv: more rows were taken in than max_length=16"
    with pytest.raises(Exception, match=message):
        call(layer, jnp.ones((5, 3)), state)
    with pytest.raises(Exception, match=message):
        layer.step(jnp.ones(3), full)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "CKConv: dim must be at least 1, found 0"),
        ({"max_length": 0}, "CKConv: max_length must be at least 1, found 0"),
        ({"hidden": 0}, "CKConv: hidden must be at least 1, found 0"),
        ({"frequency": 0.0}, "CKConv: expected a positive frequency, found 0.0"),
    ],
)
def test_refuses_what_does_not_fit(options, message):
    with untyped(), pytest.raises(InputError, match=message):
        CKConv(options.pop("dim", 3), **options, key=jax.random.key(0))
