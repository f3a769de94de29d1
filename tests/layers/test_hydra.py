"""Hydra: its matrix, what it sees, what padding does to it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from untyped import untyped

from alternax.core.errors import InputError
from alternax.layers import Hydra

LENGTH = 9
HEADS, GROUPS, STATE = 3, 3, 4


@pytest.fixture(scope="module")
def layer() -> Hydra:
    return Hydra(3, head_dim=2, state_dim=STATE, groups=GROUPS, conv_width=3, chunk=4, key=jax.random.key(0))


@pytest.fixture(scope="module")
def call(layer):
    return jax.jit(lambda x, valid: layer(x, valid=valid))


def rows(seed, length=LENGTH):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(length, 3)), jnp.float32)


@pytest.mark.slow
@pytest.mark.float64
def test_the_mixer_is_the_explicit_quasiseparable_matrix(layer):
    """Below the diagonal C_{t-1} a_{t-1} ... a_{s+1} B_s delta_s, above it the same backwards, on it a free number."""
    rng = np.random.default_rng(1)
    v, both = rng.normal(size=(LENGTH, 6)), rng.normal(size=(LENGTH, 4, GROUPS, STATE))
    delta = rng.uniform(0.05, 0.5, (LENGTH, 2, HEADS))
    found = layer.quasiseparable(*(jnp.asarray(a) for a in (v, both, delta)))
    want = np.zeros((LENGTH, HEADS, 2))
    rate, diagonal = np.exp(layer.A_log), layer.D + v @ layer.diagonal_weight.T
    for h in range(HEADS):
        matrix = np.diag(diagonal[:, h])
        for t in range(LENGTH):
            for s in range(t):
                decay = np.exp(-rate[h] * delta[s + 1 : t, 0, h].sum())
                matrix[t, s] = decay * delta[s, 0, h] * both[t - 1, 1, h] @ both[s, 0, h]
            for s in range(t + 1, LENGTH):
                decay = np.exp(-rate[h] * delta[t + 1 : s, 1, h].sum())
                matrix[t, s] = decay * delta[s, 1, h] * both[t + 1, 3, h] @ both[s, 2, h]
        want[:, h] = matrix @ v.reshape(LENGTH, HEADS, 2)[:, h]
    np.testing.assert_allclose(found, want.reshape(LENGTH, 6), rtol=1e-11, atol=1e-12)


@pytest.mark.slow
def test_padding_anywhere_changes_nothing(call):
    x = rows(2)
    valid = jnp.array([False, True, True, False, True, True, True, False, True])
    y = call(x, valid)
    dirty = call(jnp.where(valid[:, None], x, 1e6), valid)
    np.testing.assert_array_equal(dirty[valid], y[valid])
    together = jnp.arange(LENGTH) < valid.sum()
    packed = call(jnp.zeros_like(x).at[: valid.sum()].set(x[valid]), together)
    np.testing.assert_allclose(packed[together], y[valid], rtol=1e-5, atol=1e-6)


def test_rows_without_padding_equal_a_call_without_a_mask(layer, call):
    x = rows(3)
    np.testing.assert_allclose(call(x, jnp.ones(LENGTH, bool)), jax.jit(layer.__call__)(x), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_every_row_sees_every_other(layer):
    slopes = jax.jit(jax.jacrev(lambda x: jnp.sum(layer(x) * jnp.arange(1.0, 4.0), axis=1)))(rows(4))
    assert slopes.shape == (LENGTH, LENGTH, 3) and (jnp.abs(slopes).sum(-1) > 0).all()


def test_values_and_gradients_stay_finite_for_large_rows(layer):
    run = jax.jit(jax.value_and_grad(lambda layer, x: jnp.sum(layer(x) ** 2)))
    for leaf in jax.tree.leaves(run(layer, jnp.full((LENGTH, 3), 1e6).at[::2].set(-1e6))):
        assert np.isfinite(leaf).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "Hydra: dim must be at least 1, found 0"),
        ({"chunk": 0}, "Hydra: chunk must be at least 1, found 0"),
        ({"conv_width": 4}, "Hydra: conv_width must be odd.*found 4"),
        ({"head_dim": 4}, "Hydra: head_dim=4 does not divide the width 6"),
        ({"groups": 2, "head_dim": 2}, "Hydra: groups=2 does not divide the number of heads, 3"),
    ],
)
def test_refuses_sizes_that_do_not_fit(options, message):
    with pytest.raises(InputError, match=message):
        Hydra(options.pop("dim", 3), **options, key=jax.random.key(0))


@pytest.mark.parametrize(
    ("x", "valid", "message"),
    [
        (jnp.zeros((LENGTH, 4)), None, r"Hydra: expected x of shape \(time, 3\).*found \(9, 4\).*jax.vmap"),
        (jnp.zeros((0, 3)), None, r"at least one row, found \(0, 3\)"),
        (jnp.zeros((LENGTH, 3)), jnp.ones(8, bool), r"Hydra: expected valid of shape \(9,\).*found \(8,\)"),
    ],
)
def test_refuses_what_does_not_fit(layer, x, valid, message):
    with untyped(), pytest.raises(InputError, match=message):
        layer(x, valid=valid)
