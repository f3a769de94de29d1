"""LightNet against its definition, the softmax averages over all rows so far written out in NumPy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled import call

from alternax.core.errors import InputError
from alternax.layers import LightNet

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def layer() -> LightNet:
    return LightNet(4, head_dim=2, gate_rank=2, chunk=8, key=KEY)


def rows(length: int, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=(length, 4)), jnp.float32)


def silu(v):
    return v / (1 + np.exp(-v))


def averages(layer: LightNet, x: np.ndarray) -> np.ndarray:
    """S after every row: in each key dimension the average of the values with weights exp(k)."""
    k, v = (np.einsum("hed,td->the", np.asarray(w, float), x) for w in (layer.key_weight, layer.value_weight))
    S = []
    for t in range(len(x)):
        weights = np.exp(k[: t + 1])
        S.append(np.einsum("thk,thv->hkv", weights / weights.sum(axis=0), v[: t + 1]))
    return np.stack(S)


def by_hand(layer: LightNet, x: np.ndarray) -> np.ndarray:
    q = silu(np.einsum("hed,td->the", np.asarray(layer.query_weight, float), x))
    o = np.einsum("thk,thkv->thv", q, averages(layer, x)).reshape(x.shape)
    normed = layer.norm_weight * o / np.sqrt(np.mean(o**2, axis=1, keepdims=True) + 1e-5)
    return (normed * silu(x @ layer.gate_in.T @ layer.gate_out.T)) @ layer.output_weight.T


def test_outputs_and_state_equal_the_definition(layer):
    x = rows(11)
    y, state = call(layer, x)
    np.testing.assert_allclose(y, by_hand(layer, np.asarray(x, float)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(state.S, averages(layer, np.asarray(x, float))[-1], rtol=1e-4, atol=1e-5)


def test_the_state_never_leaves_the_range_of_the_values(layer):
    """It is an average: a thousand rows of one value leave that value, whatever the keys are."""
    ones = eqx.tree_at(lambda m: m.value_weight, layer, jnp.zeros((2, 2, 4)).at[:, :, 3].set(1.0))
    x = (10 * rows(1000)).at[:, 3].set(1.0)
    _, state = call(ones, x)
    np.testing.assert_allclose(state.S, 1.0, rtol=1e-4)


@pytest.mark.parametrize("offset", [-1e5, 1e5])
def test_keys_far_from_zero_change_nothing(layer, offset):
    """A feature that is one throughout and moves all keys alike, by a number that single precision holds exactly."""
    grid = lambda weight: jnp.round(weight * 4) / 4  # noqa: E731
    aside = eqx.tree_at(
        lambda m: (m.query_weight, m.key_weight, m.value_weight, m.gate_in),
        layer,
        tuple(
            w.at[..., 3].set(0.0)
            for w in (layer.query_weight, grid(layer.key_weight), layer.value_weight, layer.gate_in)
        ),
    )
    moved = eqx.tree_at(lambda m: m.key_weight, aside, aside.key_weight.at[..., 3].set(offset))
    x = jnp.round(rows(40) * 4) / 4
    x = x.at[:, 3].set(1.0)
    (y, state), (want, plain) = call(moved, x), call(aside, x)
    np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(state.u, plain.u, rtol=1e-5)
    np.testing.assert_array_equal(state.m, plain.m + offset)


def test_one_row_more_moves_the_average_by_its_share(layer):
    """The additive decay: with equal keys, row t has the weight 1 / t, and none is ever forgotten."""
    even = eqx.tree_at(lambda m: m.key_weight, layer, jnp.zeros((2, 2, 4)))
    x = rows(33)
    _, state = call(even, x)
    want = np.einsum("hed,d->he", layer.value_weight, x.mean(axis=0))
    np.testing.assert_allclose(state.S, np.broadcast_to(want[:, None], (2, 2, 2)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(state.u, 33.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "LightNet: dim must be at least 1, found 0"),
        ({"head_dim": 3}, "LightNet: head_dim=3 does not divide the width 4"),
        ({"gate_rank": 0}, "LightNet: gate_rank must be at least 1, found 0"),
        ({"chunk": 0}, "LightNet: chunk must be at least 1, found 0"),
        ({"chunk": 12}, "LightNet: chunk must be a multiple of 8 up to 512, found 12"),
        ({"chunk": 1024}, "chunk must be a multiple of 8 up to 512, found 1024"),
    ],
)
def test_refuses_sizes_that_do_not_fit(options, message):
    with pytest.raises(InputError, match=message):
        LightNet(options.pop("dim", 4), **options, key=KEY)
