"""GateLoop against its equations written out row by row in NumPy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alternax.core.errors import InputError
from alternax.layers import GateLoop


@pytest.fixture(scope="module")
def layer() -> GateLoop:
    return GateLoop(3, key=jax.random.key(0))


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def test_outputs_equal_the_paper_equations(layer):
    x = np.random.default_rng(0).normal(size=(9, 3))
    h, want = np.zeros(3, complex), []
    for x_t in x:
        q, k, v, alpha, beta, g = np.split(layer.in_weight @ x_t, 6)
        h = sigmoid(alpha + layer.decay_bias) * np.exp(1j * (beta + layer.phase_bias)) * h + k * v
        want.append(layer.out_weight @ (g * sigmoid(g) * q * h.real))
    y, state = jax.jit(layer.__call__)(jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(state, [h.real, h.imag], rtol=1e-4, atol=1e-5)


def test_without_decay_and_phase_it_is_linear_attention(layer):
    """With factors of one the state is the running sum of k v."""
    weight = layer.in_weight.at[9:15].set(0.0)
    parts = lambda v: (v.in_weight, v.decay_bias, v.phase_bias)  # noqa: E731
    still = eqx.tree_at(parts, layer, (weight, jnp.full(3, 40.0), jnp.zeros(3)))
    x = jnp.asarray(np.random.default_rng(1).normal(size=(7, 3)), jnp.float32)
    _, k, v, *_ = jnp.split(x @ weight.T, 6, axis=1)
    np.testing.assert_allclose(still(x)[1][0], jnp.sum(k * v, axis=0), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_factors_start_on_the_ring_asked_for():
    layer = GateLoop(2000, slowest=0.99, fastest=0.9, max_phase=0.5, key=jax.random.key(2))
    modulus = jax.nn.sigmoid(layer.decay_bias)
    assert modulus.min() > 0.8999 and modulus.max() < 0.9901
    assert layer.phase_bias.min() >= 0 and layer.phase_bias.max() <= 0.5
    assert np.mean(layer.phase_bias) == pytest.approx(0.25, abs=4 * 0.5 / np.sqrt(12 * 2000))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "GateLoop: dim must be at least 1, found 0"),
        ({"fastest": 0.9, "slowest": 0.5}, "0 < fastest <= slowest < 1, found fastest=0.9, slowest=0.5"),
        ({"slowest": 1.0}, "found fastest=0.5, slowest=1.0"),
        ({"max_phase": -1.0}, "max_phase must be at least 0 and finite, found -1.0"),
    ],
)
def test_refuses_an_unstable_or_empty_start(options, message):
    with pytest.raises(InputError, match=message):
        GateLoop(options.pop("dim", 3), **options, key=jax.random.key(0))
