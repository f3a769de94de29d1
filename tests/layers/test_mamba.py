"""Mamba against the equations of its paper, written out row by row in NumPy, and against transformers' own numbers."""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled import call
from safetensors.numpy import load_file

from alternax.core.errors import InputError
from alternax.layers import Mamba

GOLDEN = Path(__file__).parents[1] / "golden" / "layers" / "mamba.safetensors"


@pytest.fixture(scope="module")
def layer() -> Mamba:
    return Mamba(3, expand=2, state_dim=4, conv_width=3, delta_rank=2, key=jax.random.key(0))


def silu(v):
    return v / (1 + np.exp(-v))


def by_hand(layer, x, dt):
    """Algorithm 2 inside the block of figure 3, one channel and one state entry at a time."""
    weights = layer.block
    inner, rank = weights.D.size, weights.delta_weight.shape[1]
    past, h, y = np.zeros((weights.conv.shape[0], inner)), np.zeros((inner, weights.state_dim)), []
    for x_t, dt_t in zip(x, dt, strict=True):
        u, z = np.split(weights.in_weight @ x_t, 2)
        past = np.concatenate([past[1:], u[None]])
        u = silu(np.sum(past * weights.conv, axis=0) + weights.conv_bias)
        selected = weights.select_weight @ u
        r = weights.delta_weight @ selected[:rank] + weights.delta_bias
        B, C = selected[rank : rank + weights.state_dim], selected[rank + weights.state_dim :]
        delta, o = dt_t * np.log1p(np.exp(r)), np.zeros(inner)
        for d in range(inner):
            for n in range(weights.state_dim):
                h[d, n] = np.exp(-np.exp(layer.A_log[d, n]) * delta[d]) * h[d, n] + delta[d] * B[n] * u[d]
                o[d] += C[n] * h[d, n]
        y.append(weights.out_weight @ ((o + weights.D * u) * silu(z)))
    return np.stack(y), h


def test_outputs_equal_the_paper_equations(layer):
    rng = np.random.default_rng(0)
    x, dt = rng.normal(size=(9, 3)), rng.uniform(0.5, 2.0, 9)
    want, h = by_hand(layer, x, dt)
    y, state = call(layer, jnp.asarray(x, jnp.float32), dt=jnp.asarray(dt, jnp.float32))
    np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(state.h, h.T, rtol=1e-4, atol=1e-6)


def from_mixer(tensors, prefix):
    """The weights of transformers' `MambaMixer`, or their gradients, as a layer."""
    named = {name.removeprefix(prefix): jnp.asarray(v) for name, v in tensors.items() if name.startswith(prefix)}
    block = {
        "in_weight": named["in_proj.weight"],
        "conv": named["conv1d.weight"][:, 0].T,
        "conv_bias": named["conv1d.bias"],
        "select_weight": named["x_proj.weight"],
        "delta_weight": named["dt_proj.weight"],
        "delta_bias": named["dt_proj.bias"],
        "D": named["D"],
        "out_weight": named["out_proj.weight"],
    }
    layer = Mamba(5, expand=2, state_dim=4, conv_width=3, delta_rank=2, chunk=4, key=jax.random.key(0))
    return eqx.tree_at(
        lambda layer: [layer.A_log, *(getattr(layer.block, name) for name in block)],
        layer, [named["A_log"], *block.values()],
    )  # fmt: skip


def test_equals_transformers_in_values_and_gradients():
    tensors = load_file(GOLDEN)
    layer, x, weight = from_mixer(tensors, "mixer."), jnp.asarray(tensors["x"]), jnp.asarray(tensors["weight"])
    np.testing.assert_allclose(call(layer, x)[0], tensors["y"], rtol=1e-5, atol=1e-5)
    parts, rest = eqx.partition(layer, eqx.is_inexact_array)
    loss = lambda parts, x: jnp.sum(eqx.combine(parts, rest)(x)[0] * weight)  # noqa: E731
    d_layer, d_x = jax.jit(jax.grad(loss, argnums=(0, 1)))(parts, x)
    want, _ = eqx.partition(from_mixer(tensors, "gradient."), eqx.is_inexact_array)
    for f, w in zip(jax.tree.leaves(d_layer), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(f, w, rtol=1e-4, atol=1e-5 * np.abs(w).max())
    np.testing.assert_allclose(d_x, tensors["gradient.x"], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_row_can_select_to_be_passed_over(layer):
    """The idea of the paper: a step size of zero lets a row go by; of the state only the decay that time asks for."""
    shut = eqx.tree_at(lambda layer: layer.block.delta_bias, layer, jnp.full_like(layer.block.delta_bias, -40.0))
    start = eqx.tree_at(lambda state: state.h, layer.init_state(), jnp.ones_like(layer.init_state().h))
    _, state = shut(jax.random.normal(jax.random.key(1), (5, 3)), start)
    np.testing.assert_array_equal(state.h, start.h)


def test_starts_as_the_paper_says():
    layer = Mamba(64, state_dim=4, delta_min=0.01, delta_max=0.1, key=jax.random.key(2))
    np.testing.assert_allclose(np.exp(layer.A_log), np.tile([1.0, 2.0, 3.0, 4.0], (128, 1)), rtol=1e-6)
    delta = np.asarray(jax.nn.softplus(layer.block.delta_bias))
    assert delta.min() > 0.0099 and delta.max() < 0.101
    assert np.mean(np.log(delta)) == pytest.approx(np.log(10**-1.5), abs=4 * np.log(10) / np.sqrt(12 * 128))
    assert layer.block.delta_weight.shape == (128, 4)


@pytest.mark.parametrize("dt", [1e-6, 1e3])
def test_extreme_times_stay_finite(layer, dt):
    x, times = jnp.ones((20, 3)), jnp.full(20, dt)
    value_and_gradient = eqx.filter_jit(eqx.filter_value_and_grad(lambda layer: jnp.mean(layer(x, dt=times)[0] ** 2)))
    for leaf in jax.tree.leaves(eqx.filter_jit(value_and_gradient)(layer)):
        assert np.isfinite(leaf).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "Mamba: dim must be at least 1, found 0"),
        ({"expand": 0}, "Mamba: expand must be at least 1, found 0"),
        ({"state_dim": 0}, "Mamba: state_dim must be at least 1, found 0"),
        ({"conv_width": 0}, "Mamba: conv_width must be at least 1, found 0"),
        ({"delta_rank": 0}, "Mamba: delta_rank must be at least 1, found 0"),
        ({"chunk": 0}, "Mamba: chunk must be at least 1, found 0"),
        ({"delta_min": 0.2}, "0 < delta_min <= delta_max, found 0.2 and 0.1"),
        ({"delta_min": 0.0}, "0 < delta_min <= delta_max, found 0.0 and 0.1"),
    ],
)
def test_refuses_sizes_and_steps_that_make_no_layer(options, message):
    with pytest.raises(InputError, match=message):
        Mamba(options.pop("dim", 3), **options, key=jax.random.key(0))
