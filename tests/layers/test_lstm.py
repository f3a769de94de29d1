"""The LSTM against its equations, written out row by row in NumPy, and against torch's on the same weights."""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

from alternax.core.errors import InputError
from alternax.layers import LSTM

GOLDEN = Path(__file__).parents[1] / "golden" / "layers" / "lstm.safetensors"


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def test_outputs_equal_the_equations():
    layer = LSTM(4, key=jax.random.key(0))
    w, u, b = (np.split(np.asarray(v), 4) for v in (layer.input_weight, layer.state_weight, layer.bias))
    x = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    h = c = np.zeros(4)
    want = []
    for x_t in x:
        i, f, g, o = (w[k] @ x_t + u[k] @ h + b[k] for k in range(4))
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        want.append(h)
    y, state = layer(jnp.asarray(x))
    np.testing.assert_allclose(y, want, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(state, (h, c), rtol=1e-5, atol=1e-6)


def test_equals_torch_on_the_same_weights():
    recorded = load_file(GOLDEN)
    torch = {name: jnp.asarray(value) for name, value in recorded.items()}
    layer = eqx.tree_at(
        lambda layer: (layer.input_weight, layer.state_weight, layer.bias),
        LSTM(4, key=jax.random.key(0)),
        (torch["weight_ih_l0"], torch["weight_hh_l0"], torch["bias_ih_l0"] + torch["bias_hh_l0"]),
    )
    first = (torch["first"][0], torch["first"][1])
    y, last = layer(torch["x"], first)
    np.testing.assert_allclose(y, torch["y"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(last, torch["last"], rtol=1e-5, atol=1e-6)
    loss = lambda point: jnp.sum(point[0](point[1], first)[0] ** 2)  # noqa: E731
    d_layer, d_x = jax.grad(loss)((layer, torch["x"]))
    for found, want in (
        (d_x, "grad_x"),
        (d_layer.input_weight, "grad_weight_ih_l0"),
        (d_layer.state_weight, "grad_weight_hh_l0"),
        (d_layer.bias, "grad_bias_ih_l0"),
    ):
        np.testing.assert_allclose(found, torch[want], rtol=1e-4, atol=1e-5)


def test_an_open_forget_gate_and_a_closed_input_gate_keep_the_memory():
    layer = LSTM(2, forget_bias=20.0, key=jax.random.key(0))
    layer = eqx.tree_at(lambda layer: layer.bias, layer, layer.bias.at[:2].set(-20.0))
    c = jnp.array([0.7, -1.3])
    _, (_, kept) = layer(jnp.ones((100, 2)), (jnp.zeros(2), c))
    np.testing.assert_allclose(kept, c, rtol=1e-4)


def test_refuses_no_width():
    with pytest.raises(InputError, match="LSTM: dim must be at least 1, found 0"):
        LSTM(0, key=jax.random.key(0))
