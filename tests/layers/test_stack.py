"""Blocks, stacks and the registry: what they compute, and what they refuse."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from untyped import untyped

from alternax import layers
from alternax.core.errors import InputError
from alternax.core.layer import Mixer

KEY = jax.random.key(0)


class Mean(Mixer):
    dim: int = 3

    def __call__(self, x, *, valid=None, key=None):
        return jnp.broadcast_to(x.mean(0), x.shape)


def test_block_adds_the_gated_layer_of_the_normed_rows():
    block = layers.Block(layers.GRU(3, key=KEY), key=jax.random.key(1))
    x = np.random.default_rng(0).normal(3.0, 2.0, (6, 3))
    normed = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    y = np.asarray(block.layer(jnp.asarray(normed, jnp.float32))[0], np.float64)
    gelu = 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
    value, gate = np.split(gelu @ block.gate.weight.T + block.gate.bias, 2, axis=1)
    found, _ = block(jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(found, x + value / (1 + np.exp(-gate)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("expand", [None, 2])
def test_residual_adds_the_layer_and_then_the_network_of_the_normed_rows(expand):
    block = layers.Residual(layers.GRU(3, key=KEY), expand=expand, key=jax.random.key(1))
    x = np.random.default_rng(0).normal(3.0, 2.0, (6, 3)).astype(np.float32)
    norm = lambda v: v / np.sqrt(np.mean(v**2, axis=1, keepdims=True) + 1e-5)  # noqa: E731
    want = x + np.asarray(block.layer(jnp.asarray(norm(x)))[0])
    if expand is not None:
        first, last = block.mlp.layers
        v = norm(want) @ first.weight.T + first.bias
        gelu = 0.5 * v * (1 + np.tanh(np.sqrt(2 / np.pi) * (v + 0.044715 * v**3)))
        want = want + gelu @ last.weight.T + last.bias
    np.testing.assert_allclose(block(jnp.asarray(x))[0], want, rtol=1e-5, atol=1e-5)


def test_stack_chooses_the_block():
    kinds = {block: layers.stack("gru", depth=1, dim=3, block=block, key=KEY).layers[0] for block in ("plain", "mlp")}
    assert [(type(b), b.mlp is None) for b in kinds.values()] == [(layers.Residual, True), (layers.Residual, False)]


def test_stack_applies_its_layers_in_order():
    first, second = layers.GRU(3, key=KEY), layers.LRU(3, key=KEY)
    x = jnp.asarray(np.random.default_rng(1).normal(size=(6, 3)), jnp.float32)
    y, state = layers.Stack((first, second))(x)
    middle, first_state = first(x)
    want, second_state = second(middle)
    np.testing.assert_allclose(y, want, rtol=1e-6)
    np.testing.assert_array_equal(state[0], first_state)
    np.testing.assert_allclose(state[1], second_state, rtol=1e-6)


def test_stack_by_name_has_blocks_of_different_weights_and_hands_options_on():
    stack = layers.stack("lru", depth=2, dim=3, key=KEY, state_dim=5)
    assert [type(block) for block in stack.layers] == [layers.Block] * 2
    assert [block.layer.state_dim for block in stack.layers] == [5, 5]
    assert not np.array_equal(stack.layers[0].layer.B, stack.layers[1].layer.B)
    assert not np.array_equal(stack.layers[0].gate.weight, stack.layers[1].gate.weight)


def test_a_registered_layer_is_known_by_name(monkeypatch):
    monkeypatch.setattr("alternax.layers.registry._LAYERS", dict(layers.registry._LAYERS))
    layers.register("slow", lambda dim, *, key: layers.LRU(dim, r_min=0.99, r_max=0.999, key=key))
    stack = layers.stack("slow", depth=1, dim=3, key=KEY)
    assert np.exp(-np.exp(stack.layers[0].layer.nu_log)).min() > 0.98
    with pytest.raises(InputError, match="register: the layer name 'slow' is taken"):
        layers.register("slow", layers.LRU)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: layers.stack("lstn", depth=1, dim=2, key=KEY), "no layer named 'lstn'; choose from .*gru"),
        (lambda: layers.stack("lru", depth=0, dim=2, key=KEY), "stack: depth must be at least 1, found 0"),
        (lambda: layers.stack("lru", depth=1, dim=0, key=KEY), "stack: dim must be at least 1, found 0"),
        (lambda: layers.stack("lru", depth=1, dim=2, block="gatd", key=KEY), "unknown block 'gatd'; choose from gated"),
        (lambda: layers.stack("lru", depth=1, dim=2, segment=0, key=KEY), "Stack: segment must be at least 1, found 0"),
        (lambda: layers.Residual(Mean()), "Residual: Mean is a Mixer, which reads future rows"),
        (lambda: layers.Residual(layers.GRU(2, key=KEY), expand=0, key=KEY), "Residual: expand must be at least 1"),
        (lambda: layers.GRU(3, key=KEY)(jnp.zeros((2, 3)), dt=jnp.array([1.0, jnp.nan])), "dt .* found nan at row 1"),
        (lambda: layers.Stack(()), r"layers of one width, found widths \[\]"),
        (lambda: layers.Stack((layers.GRU(2, key=KEY), layers.GRU(3, key=KEY))), r"one width, found widths \[2, 3\]"),
        (lambda: layers.Stack((layers.GRU(3, key=KEY), Mean())), "Stack: Mean is a Mixer, which reads future rows"),
        (lambda: layers.Block(Mean(), key=KEY), "Block: Mean is a Mixer, which reads future rows"),
        (lambda: layers.Block(len, key=KEY), "Block: expected a Layer, found <built-in function len>"),
    ],
)
def test_refuses_by_name(build, message):
    with untyped(), pytest.raises(InputError, match=message):
        build()


def test_a_streamed_step_copies_no_weights():
    stack = layers.stack("gru", depth=2, dim=32, key=jax.random.key(0))
    run = lambda stack, x, state: jax.lax.fori_loop(0, 100, lambda _, c: stack.step(*c), (x, state))  # noqa: E731
    compiled = eqx.filter_jit(run).lower(stack, jnp.ones(32), stack.init_state()).compile().compiled
    assert compiled.memory_analysis().temp_size_in_bytes < stack.layers[0].gate.weight.nbytes
