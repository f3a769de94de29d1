"""The GRU against its equations, written out row by row in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alternax.core.errors import InputError
from alternax.layers import GRU


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def test_outputs_equal_the_equations():
    layer = GRU(4, key=jax.random.key(0))
    x = np.random.default_rng(0).normal(size=(8, 4))
    weights = [np.split(np.asarray(v, np.float64), 3) for v in (layer.input_weight, layer.state_weight, layer.bias)]
    (w_r, w_u, w_n), (u_r, u_u, u_n), (b_r, b_u, b_n) = weights
    h, want = np.zeros(4), []
    for x_t in x:
        r, u = sigmoid(w_r @ x_t + u_r @ h + b_r), sigmoid(w_u @ x_t + u_u @ h + b_u)
        n = np.tanh(w_n @ x_t + b_n + r * (u_n @ h + layer.candidate_bias))
        h = (1 - u) * n + u * h
        want.append(h)
    y, state = layer(jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(y, want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(state, want[-1], rtol=1e-5, atol=1e-6)


def test_refuses_no_width():
    with pytest.raises(InputError, match="GRU: dim must be at least 1, found 0"):
        GRU(0, key=jax.random.key(0))
