"""Gated linear attention against its equations written out row by row in NumPy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alternax.core.errors import InputError
from alternax.layers import GLA


@pytest.fixture(scope="module")
def layer() -> GLA:
    return GLA(4, head_dim=2, key_dim=3, gate_rank=2, chunk=4, block=2, key=jax.random.key(0))


def test_outputs_equal_the_paper_equations(layer):
    x = np.random.default_rng(0).normal(size=(9, 4))
    S, want = np.zeros((2, 3, 2)), []
    for x_t in x:
        q, k, v, r = np.split(layer.in_weight @ x_t, [6, 12, 16])
        gates = (1 / (1 + np.exp(-(layer.up @ (layer.down @ x_t) + layer.gate_bias)))) ** (1 / 16)
        q, k, v, gates = q.reshape(2, 3), k.reshape(2, 3), v.reshape(2, 2), gates.reshape(2, 3)
        S = gates[:, :, None] * S + k[:, :, None] * v[:, None, :]
        o = np.einsum("hk,hkv->hv", q, S)
        o = o / np.sqrt(np.mean(o**2, axis=1, keepdims=True) + 1e-5)
        r = r + layer.r_bias
        want.append(layer.out_weight @ (r / (1 + np.exp(-r)) * layer.norm_weight * o.reshape(4)))
    y, state = jax.jit(layer.__call__)(jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(state, S, rtol=1e-4, atol=1e-5)


def test_gates_forget_slowly_at_the_start(layer):
    """The root of order tau: at x = 0 every gate is 0.5^(1/16) = 0.957, and it lies in (0, 1) for any x."""
    np.testing.assert_allclose(jnp.exp(layer._log_gate(jnp.zeros(4))), 0.5 ** (1 / 16), rtol=1e-6)
    log_gate = layer._log_gate(jnp.array([1e6, -1e6, 3.0, -2.0]))
    assert (log_gate <= 0).all() and jnp.isfinite(log_gate).all()


def test_the_output_does_not_depend_on_the_size_of_the_values(layer):
    """The norm of every head takes the scale of its output away, but for eps; the gate stays."""
    x = jnp.asarray(np.random.default_rng(1).normal(size=(9, 4)), jnp.float32)
    small, large = (
        eqx.tree_at(lambda v: v.in_weight, layer, layer.in_weight.at[12:16].multiply(size)) for size in (1e3, 1e6)
    )
    call = jax.jit(lambda layer: layer(x)[0])
    np.testing.assert_allclose(call(large), call(small), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "GLA: dim must be at least 1, found 0"),
        ({"head_dim": 3}, "GLA: head_dim=3 does not divide the width 4"),
        ({"key_dim": 0}, "GLA: key_dim must be at least 1, found 0"),
        ({"gate_rank": 0}, "GLA: gate_rank must be at least 1, found 0"),
        ({"tau": 0.0}, "GLA: tau must be above 0, found 0.0"),
        ({"chunk": 6, "block": 4}, "GLA: chunk=6 is not a multiple of block=4"),
    ],
)
def test_refuses_sizes_that_do_not_fit(options, message):
    with pytest.raises(InputError, match=message):
        GLA(options.pop("dim", 4), **options, key=jax.random.key(0))
