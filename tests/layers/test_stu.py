"""The spectral transform unit: its filters, its equation row by row, what it can represent, and where it ends."""

from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled import call
from untyped import untyped

from alternax.core.errors import InputError
from alternax.core.fixed import trainable
from alternax.layers import STU
from alternax.layers.stu import spectral_filters


@pytest.mark.parametrize(("length", "count"), [(1, 1), (40, 40), (90, 8)], ids=["one", "dense", "iterative"])
def test_filters_solve_the_hankel_eigenproblem(length, count):
    i = np.arange(1.0, length + 1)
    Z = 2 / ((i[:, None] + i) ** 3 - (i[:, None] + i))
    sigma, phi = spectral_filters(length, count)
    np.testing.assert_allclose(sigma, np.maximum(np.linalg.eigvalsh(Z)[::-1][:count], 0), atol=1e-15)
    np.testing.assert_allclose(Z @ phi.T, sigma * phi.T, atol=1e-15)
    np.testing.assert_allclose(phi @ phi.T, np.eye(count), atol=1e-12)


def test_hankel_matrix_is_the_integral_over_all_decays():
    """Z = int_0^1 mu mu^T da with mu = (a - 1) (1, a, a^2, ...), here by a quadrature that is exact for it."""
    nodes, weights = np.polynomial.legendre.leggauss(12)
    a = (nodes + 1) / 2
    mu = (a - 1)[:, None] * a[:, None] ** np.arange(10)
    sigma, phi = spectral_filters(10, 10)
    np.testing.assert_allclose(mu.T @ (weights[:, None] / 2 * mu), phi.T @ (sigma[:, None] * phi), atol=1e-15)


def test_outputs_equal_the_paper_equations():
    layer = STU(3, max_length=20, filter_count=4, input_terms=2, output_terms=2, key=jax.random.key(0))
    layer = eqx.tree_at(
        lambda layer: layer.output_weights, layer, 0.2 * jax.random.normal(jax.random.key(1), (2, 3, 3))
    )
    x = np.random.default_rng(0).normal(size=(20, 3))
    sigma, phi = spectral_filters(20, 4)
    plus = sigma[:, None] ** 0.25 * phi
    minus = plus * (-1.0) ** np.arange(20)
    M = np.asarray(layer.weights)
    y = []
    for t in range(20):
        y_t = sum(layer.input_weights[i] @ x[t - i] for i in range(2) if i <= t)
        y_t = y_t + sum(layer.output_weights[i] @ y[t - 1 - i] for i in range(2) if i < t)
        for k in range(4):
            for s in range(t + 1):
                y_t = y_t + plus[k, s] * M[k] @ x[t - s] + minus[k, s] * M[4 + k] @ x[t - s]
        y.append(y_t)
    found, state = eqx.filter_jit(layer)(jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(found, y, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(state.outputs, [y[-1], y[-2]], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(state.past.rows, x, rtol=1e-6)


@pytest.mark.slow
def test_represents_systems_with_real_eigenvalues_better_with_every_filter():
    """Impulse responses a^s of slow, fast and alternating decays, by the weights of least squares."""
    length, decays = 128, np.array([0.999, 0.98, 0.8, 0.3, -0.5, -0.97])
    responses = decays[:, None] ** np.arange(length)
    errors = []
    for count in (4, 8, 12, 16):
        _, phi = spectral_filters(length, count)
        features = np.concatenate([phi, phi * (-1.0) ** np.arange(length)])
        weights = np.linalg.lstsq(features.T, responses.T)[0]
        errors.append(
            np.max(np.linalg.norm(features.T @ weights - responses.T, axis=0) / np.linalg.norm(responses, axis=1))
        )
    assert errors[-1] < 1e-4
    assert all(later < earlier / 5 for earlier, later in pairwise(errors))
    layer = STU(1, max_length=length, filter_count=16, input_terms=0, key=jax.random.key(0))
    scale = np.linalg.norm(np.asarray(layer.filters.value), axis=1)
    target = (np.array([1.0, -2.0, 0.5, 1.0, 1.0, 0.7]) @ responses).astype(np.float32)
    fitted = (np.linalg.lstsq(features.T, target)[0] / scale)[:, None, None]
    layer = eqx.tree_at(lambda layer: layer.weights, layer, jnp.asarray(fitted, jnp.float32))
    x = np.random.default_rng(1).normal(size=length)
    y, want = call(layer, jnp.asarray(x, jnp.float32)[:, None])[0][:, 0], np.convolve(x, target)[:length]
    assert np.linalg.norm(y - want) < 1e-3 * np.linalg.norm(want)


def test_filters_are_not_trained():
    marked = trainable(STU(2, max_length=8, key=jax.random.key(0)))
    assert not marked.filters.value
    assert marked.weights and marked.input_weights and marked.output_weights


def test_a_longer_sequence_is_refused_before_it_runs():
    layer = STU(2, max_length=8, key=jax.random.key(0))
    with pytest.raises(InputError, match=r"STU: 9 rows are more than max_length=8.*larger max_length, or reset"):
        call(layer, jnp.ones((9, 2)))


@pytest.mark.slow
def test_going_on_past_the_end_is_refused_when_it_happens():
    layer = STU(2, max_length=8, key=jax.random.key(0))
    x, run = jnp.ones((5, 2)), eqx.filter_jit(lambda layer, x, state, **masks: call(layer, x, state, **masks))
    _, state = run(layer, x, None)
    message = "STU: more rows were taken in than max_length=8"
    with pytest.raises(Exception, match=message):
        run(layer, x, state)
    with pytest.raises(Exception, match=message):
        run(layer, jnp.ones((12, 2)), None, valid=jnp.arange(12) < 9)
    assert np.isfinite(run(layer, x, state, valid=jnp.arange(5) < 3)[0]).all()
    assert np.isfinite(run(layer, jnp.ones((12, 2)), None, resets=jnp.arange(12) == 8)[0]).all()
    full = run(layer, x[:3], state)[1]
    with pytest.raises(Exception, match=message):
        layer.step(x[0], full)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "STU: dim must be at least 1, found 0"),
        ({"max_length": 0}, "STU: max_length must be at least 1, found 0"),
        ({"filter_count": 0}, "STU: filter_count must be at least 1, found 0"),
        ({"max_length": 4, "filter_count": 5}, "a length of 4 has only as many filters, found count=5"),
        ({"input_terms": -1}, "terms of at least 0, found -1 and 0"),
        ({"output_terms": -2}, "terms of at least 0, found 3 and -2"),
    ],
)
def test_refuses_what_does_not_fit(options, message):
    with untyped(), pytest.raises(InputError, match=message):
        STU(options.pop("dim", 3), **options, key=jax.random.key(0))
