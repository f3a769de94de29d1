"""Largest Lyapunov exponents of maps that have them in closed form or in every book."""

import subprocess
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alternax import metrics
from alternax.core.errors import InputError

KEY = jax.random.key(0)
exponents = partial(metrics.largest_lyapunov, key=KEY)


def mean_and_error(found):
    return float(found.mean()), float(found.std(ddof=1) / np.sqrt(found.size))


@pytest.mark.float64
def test_of_a_linear_map_is_the_logarithm_of_the_spectral_radius():
    basis = np.random.default_rng(0).normal(size=(4, 4))
    matrix = jnp.asarray(basis @ np.diag([-0.9, 0.6, 0.3, 0.1]) @ np.linalg.inv(basis))
    found = exponents(lambda x: matrix @ x, jnp.ones((3, 4)), steps=50, dt=0.05)
    np.testing.assert_allclose(found, np.log(0.9) / 0.05, rtol=1e-10)


@pytest.mark.float64
def test_of_the_logistic_map_is_the_logarithm_of_two():
    starts = jax.random.uniform(KEY, (32,))
    mean, error = mean_and_error(exponents(lambda x: 4 * x * (1 - x), starts, steps=2000))
    assert error < 5e-4
    assert mean == pytest.approx(np.log(2), abs=3 * error)


@pytest.mark.float64
def test_of_the_henon_map_is_that_of_the_books():
    """0.419 (Sprott 2003, "Chaos and Time-Series Analysis"); the state is a tree."""
    starts = {"x": jnp.linspace(-0.1, 0.1, 32), "y": jnp.zeros(32)}
    henon = lambda s: {"x": 1 - 1.4 * s["x"] ** 2 + s["y"], "y": 0.3 * s["x"]}  # noqa: E731
    mean, error = mean_and_error(exponents(henon, starts, steps=4000))
    assert error < 1.5e-3
    assert mean == pytest.approx(0.4192, abs=3 * error)


def test_of_the_lorenz_system_is_that_of_the_books():
    """0.9056 (Sprott 2003), in single precision, by steps of the classical Runge-Kutta method."""
    dt = 0.02

    def flow(s):
        x, y, z = s
        return jnp.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])

    def step(s):
        k1 = flow(s)
        k2 = flow(s + dt / 2 * k1)
        k3 = flow(s + dt / 2 * k2)
        k4 = flow(s + dt * k3)
        return s + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    starts = jnp.array([1.0, 1.0, 20.0]) + jax.random.normal(KEY, (256, 3))
    mean, error = mean_and_error(exponents(step, starts, steps=1000, warmup=500, dt=dt))
    assert error < 0.01
    assert mean == pytest.approx(0.9056, abs=3 * error)


def test_noise_is_drawn_from_a_key_and_a_counter_that_go_along():
    """x <- a_k x with a_k = exp(N(-.1, .2^2)): the mean of the logarithms."""

    def step(state):
        x, count, key = state
        drawn = jax.random.normal(jax.random.fold_in(key, count))
        return jnp.exp(-0.1 + 0.2 * drawn) * x, count + 1, key

    states = jnp.ones(16), jnp.zeros(16, int), jax.random.split(KEY, 16)
    mean, error = mean_and_error(exponents(step, states, steps=500))
    assert error < 3e-3
    assert mean == pytest.approx(-0.1, abs=3 * error)


def test_what_is_forgotten_at_once_and_what_is_lost_are_values_of_their_own():
    """x <- x^2 from 0, where the derivative is 0, and from 3, whence it overflows."""
    forgotten, lost = exponents(lambda x: x**2, jnp.array([0.0, 3.0]), steps=5)
    assert forgotten == -np.inf
    assert np.isnan(lost)


def test_scores_in_numpy_do_not_import_jax():
    code = "import sys; from alternax.metrics import attractor_distance; print('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        metrics.nonsense  # noqa: B018


@pytest.mark.parametrize(
    ("step", "states", "settings", "message"),
    [
        (lambda x: x, jnp.ones(3), {"steps": 0}, "steps must be an integer of at least 1, found 0"),
        (lambda x: x, jnp.ones(3), {"warmup": -1}, "warmup must be an integer of at least 0, found -1"),
        (lambda x: x, jnp.ones(3), {"dt": 0.0}, r"dt must be a positive number, found 0\.0"),
        (lambda x: x, jnp.ones(3, int), {}, "no floating-point array"),
        (lambda x: x, (jnp.ones(3), jnp.ones(2)), {}, r"same first axis, .* found shapes \[\(3,\), \(2,\)\]"),
        (lambda x: x, 1.0, {}, r"same first axis, .* found shapes \[\(\)\]"),
        (lambda x: x[:1], jnp.ones((3, 2)), {}, r"step must return a state like .* found \(\(1,\), 'float32'\)"),
        (lambda x: (x, x), jnp.ones(3), {}, "step must return a state like the one given"),
    ],
)
def test_refuses_what_is_no_map(step, states, settings, message):
    with pytest.raises(InputError, match=message):
        exponents(step, states, **{"steps": 10, **settings})
