"""The LRU against the equations of its paper, written out row by row in NumPy."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled import call

from alternax.core.errors import InputError
from alternax.layers import LRU


@pytest.fixture(scope="module")
def layer() -> LRU:
    return LRU(3, state_dim=5, r_min=0.4, r_max=0.9, key=jax.random.key(0))


def test_outputs_equal_the_paper_equations(layer):
    rng = np.random.default_rng(0)
    x, dt = rng.normal(size=(9, 3)), rng.uniform(0.5, 2.0, 9)
    exponents = -np.exp(layer.nu_log) + 1j * np.exp(layer.theta_log)
    b, c = layer.B[0] + 1j * layer.B[1], layer.C[0] + 1j * layer.C[1]
    h, want = np.zeros(5, complex), []
    for x_t, dt_t in zip(x, dt, strict=True):
        h = np.exp(exponents * dt_t) * h + np.exp(layer.gamma_log) * (b @ x_t)
        want.append((c @ h).real + layer.D * x_t)
    y, state = call(layer, jnp.asarray(x, jnp.float32), dt=jnp.asarray(dt, jnp.float32))
    np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(state, [h.real, h.imag], rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def wide() -> LRU:
    return LRU(4, state_dim=20_000, r_min=0.3, r_max=0.8, max_phase=1.0, key=jax.random.key(1))


def test_eigenvalues_start_evenly_on_the_ring(wide):
    """Evenly by area (lemma 3.2): the squared radius is uniform, the angle is uniform."""
    radius, angle = np.exp(-np.exp(wide.nu_log)), np.exp(wide.theta_log)
    share = (radius**2 - 0.3**2) / (0.8**2 - 0.3**2)
    for uniform in (share, angle):
        assert uniform.min() >= 0 and uniform.max() <= 1 + 1e-5
        assert np.mean(uniform) == pytest.approx(0.5, abs=4 / math.sqrt(12 * 20_000))
        assert np.mean(uniform < 0.25) == pytest.approx(0.25, abs=4 * math.sqrt(0.25 * 0.75 / 20_000))


def test_normalisation_keeps_the_size_of_white_noise(wide):
    """With gamma = sqrt(1 - |Lambda|^2) the stationary E|h|^2 is that of B x, which is 1 a unit at the start."""
    power = np.sum(wide.B**2, axis=(0, 2))
    decay = np.exp(-2 * np.exp(wide.nu_log))
    np.testing.assert_allclose(np.exp(2 * wide.gamma_log) * power / (1 - decay), power, rtol=1e-3)
    assert np.mean(power) == pytest.approx(1.0, abs=4 / math.sqrt(20_000 * 4))


@pytest.mark.slow
def test_an_instant_without_input_changes_nothing_after_it(layer):
    """Time flows through an instant with x = 0: two gaps in a row are their sum."""
    x = jnp.asarray(np.random.default_rng(3).normal(size=(4, 3)), jnp.float32)
    _, direct = call(layer, x, dt=jnp.array([1.0, 1.0, 3.0, 1.0]))
    _, by_way = call(layer, jnp.insert(x, 2, 0.0, axis=0), dt=jnp.array([1.0, 1.0, 1.2, 1.8, 1.0]))
    np.testing.assert_allclose(by_way, direct, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dt", [1e-6, 1e3])
def test_extreme_times_and_long_memory_stay_finite(dt):
    layer = LRU(3, state_dim=5, r_min=0.999, r_max=1.0, key=jax.random.key(4))
    x, times = jnp.ones((64, 3)), jnp.full(64, dt)
    value_and_gradient = eqx.filter_jit(eqx.filter_value_and_grad(lambda layer: jnp.mean(layer(x, dt=times)[0] ** 2)))
    for leaf in jax.tree.leaves(eqx.filter_jit(value_and_gradient)(layer)):
        assert np.isfinite(leaf).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "LRU: dim must be at least 1, found 0"),
        ({"state_dim": 0}, "LRU: state_dim must be at least 1, found 0"),
        ({"r_min": 0.9, "r_max": 0.5}, "0 <= r_min < r_max <= 1, found r_min=0.9, r_max=0.5"),
        ({"r_max": 1.1}, "found r_min=0.0, r_max=1.1"),
        ({"max_phase": 7.0}, "0 < max_phase <= 2 pi, found 7.0"),
    ],
)
def test_refuses_an_unstable_or_empty_start(options, message):
    with pytest.raises(InputError, match=message):
        LRU(options.pop("dim", 3), **options, key=jax.random.key(0))
