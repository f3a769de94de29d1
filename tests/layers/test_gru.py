"""The GRU against its equations, written out row by row in NumPy, and against torch's on the same weights."""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

from alternax.core.errors import InputError
from alternax.layers import GRU

GOLDEN = Path(__file__).parents[1] / "golden" / "layers" / "gru.safetensors"


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


def test_equals_torch_on_the_same_weights():
    torch = {name: jnp.asarray(value) for name, value in load_file(GOLDEN).items()}
    inner, outer = torch["bias_ih_l0"], torch["bias_hh_l0"]
    layer = eqx.tree_at(
        lambda layer: (layer.input_weight, layer.state_weight, layer.bias, layer.candidate_bias),
        GRU(4, key=jax.random.key(0)),
        (torch["weight_ih_l0"], torch["weight_hh_l0"], inner.at[:8].add(outer[:8]), outer[8:]),
    )
    y, last = layer(torch["x"], torch["first"][0])
    np.testing.assert_allclose(y, torch["y"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(last, torch["last"][0], rtol=1e-5, atol=1e-6)
    loss = lambda point: jnp.sum(point[0](point[1], torch["first"][0])[0] ** 2)  # noqa: E731
    d_layer, d_x = jax.grad(loss)((layer, torch["x"]))
    for found, want in (
        (d_x, torch["grad_x"]),
        (d_layer.input_weight, torch["grad_weight_ih_l0"]),
        (d_layer.state_weight, torch["grad_weight_hh_l0"]),
        (d_layer.bias, torch["grad_bias_ih_l0"]),
        (d_layer.candidate_bias, torch["grad_bias_hh_l0"][8:]),
    ):
        np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-5)


def test_refuses_no_width():
    with pytest.raises(InputError, match="GRU: dim must be at least 1, found 0"):
        GRU(0, key=jax.random.key(0))
