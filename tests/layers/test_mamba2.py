"""Mamba-2 against transformers' on the same weights, and against the equations of its paper row by row."""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

from alternax.core.errors import InputError
from alternax.layers import Mamba2

GOLDEN = Path(__file__).parents[1] / "golden" / "layers" / "mamba2.safetensors"


@pytest.fixture(scope="module")
def layer() -> Mamba2:
    return Mamba2(3, head_dim=2, state_dim=4, groups=3, chunk=4, key=jax.random.key(0))


def test_equals_transformers_on_the_same_weights():
    golden = load_file(GOLDEN)
    layer = Mamba2(8, head_dim=4, state_dim=5, groups=2, chunk=8, key=jax.random.key(0))
    names = {
        "in_weight": golden["in_proj.weight"],
        "conv": golden["conv1d.weight"][:, 0].T,
        "conv_bias": golden["conv1d.bias"],
        "delta_bias": golden["dt_bias"],
        "A_log": golden["A_log"],
        "D": golden["D"],
        "norm_weight": golden["norm.weight"],
        "out_weight": golden["out_proj.weight"],
    }
    assert all(getattr(layer, name).shape == value.shape for name, value in names.items())
    layer = eqx.tree_at(lambda v: [getattr(v, name) for name in names], layer, [jnp.asarray(v) for v in names.values()])
    y, _ = jax.jit(layer.__call__)(jnp.asarray(golden["x"]))
    np.testing.assert_allclose(y, golden["y"], rtol=1e-5, atol=1e-5)


def silu(v):
    return v / (1 + np.exp(-v))


def test_outputs_equal_the_paper_equations(layer):
    rng = np.random.default_rng(0)
    x, dt = rng.normal(size=(9, 3)), rng.uniform(0.5, 2.0, 9)
    rows, S, want = np.zeros((4, 30)), np.zeros((3, 2, 4)), []
    for x_t, dt_t in zip(x, dt, strict=True):
        z, u, r = np.split(layer.in_weight @ x_t, [6, 36])
        rows = np.concatenate([rows[1:], u[None]])
        v, B, C = np.split(silu(np.sum(layer.conv * rows, axis=0) + layer.conv_bias), [6, 18])
        v, B, C = v.reshape(3, 2), B.reshape(3, 4), C.reshape(3, 4)
        delta = dt_t * np.log1p(np.exp(r + layer.delta_bias))
        S = np.exp(-np.exp(layer.A_log) * delta)[:, None, None] * S + np.einsum("h,hp,hn->hpn", delta, v, B)
        o = (np.einsum("hpn,hn->hp", S, C) + layer.D[:, None] * v) * silu(z).reshape(3, 2)
        o = o / np.sqrt(np.mean(o**2, axis=1, keepdims=True) + 1e-5)
        want.append(layer.out_weight @ (layer.norm_weight * o.reshape(6)))
    y, state = jax.jit(layer.__call__)(jnp.asarray(x, jnp.float32), dt=jnp.asarray(dt, jnp.float32))
    np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(state.S, S, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(state.conv, rows[1:], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_starts_with_the_published_step_sizes_and_rates():
    layer = Mamba2(500, head_dim=1, state_dim=1, key=jax.random.key(1))
    delta, rate = jax.nn.softplus(layer.delta_bias), jnp.exp(layer.A_log)
    share = (np.log(delta) - np.log(1e-3)) / np.log(100.0), (rate - 1) / 15
    for uniform in share:
        assert uniform.min() > -1e-3 and uniform.max() < 1 + 1e-3
        assert np.mean(uniform) == pytest.approx(0.5, abs=4 / np.sqrt(12 * 1000))


def test_reads_the_past_by_its_content(layer):
    """Selectivity: a row that comes first can close the memory for one that comes after, so the map is not linear."""
    x = jnp.asarray(np.random.default_rng(2).normal(size=(5, 3)), jnp.float32)
    call = jax.jit(layer.__call__)
    whole, first, second = (call(v)[1].S for v in (x, x.at[3:].set(0.0), x.at[:3].set(0.0)))
    assert np.abs(whole - first - second).max() > 1e-3


@pytest.mark.parametrize("dt", [1e-6, 1e3])
def test_extreme_times_stay_finite(layer, dt):
    x, times = jnp.ones((9, 3)), jnp.full(9, dt)
    value_and_gradient = eqx.filter_jit(eqx.filter_value_and_grad(lambda layer: jnp.mean(layer(x, dt=times)[0] ** 2)))
    for leaf in jax.tree.leaves(eqx.filter_jit(value_and_gradient)(layer)):
        assert np.isfinite(leaf).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "Mamba2: dim must be at least 1, found 0"),
        ({"state_dim": 0}, "Mamba2: state_dim must be at least 1, found 0"),
        ({"conv_width": 0}, "Mamba2: conv_width must be at least 1, found 0"),
        ({"head_dim": 4}, "Mamba2: head_dim=4 does not divide the width 6"),
        ({"groups": 2, "head_dim": 2}, "Mamba2: groups=2 does not divide the number of heads, 3"),
        ({"chunk": 0}, "Mamba2: chunk must be at least 1, found 0"),
    ],
)
def test_refuses_sizes_that_do_not_fit(options, message):
    with pytest.raises(InputError, match=message):
        Mamba2(options.pop("dim", 3), **options, key=jax.random.key(0))
