"""Attention against the definition written out row by row, and against PyTorch and transformers on their weights."""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled import call
from safetensors.numpy import load_file

from alternax.core.errors import InputError
from alternax.layers import Attention, attention
from alternax.layers.attention import rotate

KEY = jax.random.key(0)
GOLDEN = load_file(Path(__file__).parents[1] / "golden" / "layers" / "attention.safetensors")


def rows(length: int, dim: int = 4, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=(length, dim)), jnp.float32)


def turned(row: np.ndarray, position: int) -> np.ndarray:
    """RoFormer's rotation as complex numbers: feature i and i + half turn together by position / 10000^(i / half)."""
    half = len(row) // 2
    angle = position * 10_000.0 ** (-np.arange(half) / half)
    z = (row[:half] + 1j * row[half:]) * np.exp(1j * angle)
    return np.concatenate([z.real, z.imag])


def by_hand(layer: Attention, x: np.ndarray) -> np.ndarray:
    """The softmax of every row over all rows up to it, one head after the other."""
    x, y = np.asarray(x, float), np.zeros(x.shape)
    for head in range(layer.heads):
        shared = head // (layer.heads // layer.key_heads)
        q, k, v = (
            x @ np.asarray(weight[at], float).T
            for weight, at in ((layer.query_weight, head), (layer.key_weight, shared), (layer.value_weight, shared))
        )
        if layer.rotary:
            q, k = (np.stack([turned(row, t) for t, row in enumerate(v)]) for v in (q, k))
        for t in range(len(x)):
            weights = np.exp(q[t] @ k[: t + 1].T / np.sqrt(layer.head_dim))
            y[t] += layer.output_weight[:, head] @ (weights @ v[: t + 1] / weights.sum())
    return y


@pytest.mark.parametrize("rotary", [False, True])
def test_outputs_equal_the_softmax_over_all_rows_so_far(rotary):
    layer = Attention(4, head_dim=4, heads=4, key_heads=2, max_length=8, rotary=rotary, key=KEY)
    x = rows(7)
    np.testing.assert_allclose(call(layer, x)[0], by_hand(layer, np.asarray(x)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("case", "options"),
    [("plain", {"head_dim": 2, "rotary": False}), ("llama", {"head_dim": 4, "heads": 4, "key_heads": 2})],
)
def test_outputs_equal_those_of_another_library_on_its_weights(case, options):
    layer = Attention(8, **options, max_length=11, key=KEY)
    query, key, value, output = (jnp.asarray(GOLDEN[f"{case}.{n}"]) for n in ("query", "key", "value", "output"))
    layer = eqx.tree_at(
        lambda m: (m.query_weight, m.key_weight, m.value_weight, m.output_weight),
        layer,
        (
            query.reshape(layer.query_weight.shape),
            key.reshape(layer.key_weight.shape),
            value.reshape(layer.value_weight.shape),
            output.reshape(layer.output_weight.shape),
        ),
    )
    found, _ = call(layer, jnp.asarray(GOLDEN["x"]))
    np.testing.assert_allclose(found, GOLDEN[f"{case}.y"], rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_positions_are_relative_and_count_only_rows_taken_in():
    """Turning all by 1,000 more changes no product; padding and a cut in two change no output."""
    q, k = rows(3).reshape(3, 1, 4), rows(3, seed=1).reshape(3, 1, 4)
    products = [
        jnp.einsum("the,she->ts", rotate(q, jnp.arange(3) + shift), rotate(k, jnp.arange(3) + shift))
        for shift in (0, 1000)
    ]
    np.testing.assert_allclose(products[1], products[0], rtol=1e-3, atol=1e-3)
    layer = Attention(4, max_length=6, key=KEY)
    x = rows(6)
    y, cache = call(layer, x)
    gaps, present = jnp.zeros((12, 4)).at[1::2].set(x), jnp.arange(12) % 2 == 1
    spread, spread_cache = call(layer, gaps, valid=present)
    np.testing.assert_allclose(spread[1::2], y, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(spread_cache.keys, cache.keys, rtol=1e-5, atol=1e-6)
    assert int(spread_cache.count) == 6


def test_without_rotation_the_order_of_earlier_rows_is_not_seen():
    x = rows(5)
    swapped = x[jnp.array([2, 0, 3, 1, 4])]
    for rotary in (False, True):
        layer = Attention(4, max_length=5, rotary=rotary, key=KEY)
        same = np.allclose(call(layer, x)[0][-1], call(layer, swapped)[0][-1], rtol=1e-4, atol=1e-5)
        assert same is not rotary


@pytest.mark.slow
def test_blocks_of_queries_equal_all_at_once_for_values_and_gradients(monkeypatch):
    layer = Attention(4, head_dim=2, max_length=24, key=KEY)
    x, start = rows(19), layer(rows(5, seed=1))[1]
    valid, resets = jnp.arange(19) % 4 != 2, jnp.arange(19) == 11

    def total(layer, x):
        y, cache = layer(x, start, valid=valid, resets=resets)
        return jnp.sum(jnp.sin(y)) + jnp.sum(cache.keys**2), y

    whole = eqx.filter_jit(eqx.filter_value_and_grad(total, has_aux=True))(layer, x)
    monkeypatch.setattr(attention, "_QUERY_BLOCK", 8)
    blocks = eqx.filter_jit(eqx.filter_value_and_grad(lambda *a: total(*a), has_aux=True))(layer, x)
    for found, want in zip(jax.tree.leaves(blocks), jax.tree.leaves(whole), strict=True):
        np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-5)


def test_memory_of_a_long_sequence_is_not_that_of_all_products():
    layer = Attention(2, head_dim=2, max_length=4096, key=KEY)

    def temporary_bytes(length):
        gradient = jax.grad(lambda x: jnp.sum(layer(x)[0] ** 2))
        compiled = jax.jit(gradient).lower(jax.ShapeDtypeStruct((length, 2), jnp.float32)).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    assert temporary_bytes(4096) < min(2.5 * temporary_bytes(2048), 4 * 4096 * 4096)


def test_a_full_cache_still_answers_rows_that_are_not_taken_in():
    layer = Attention(4, max_length=3, key=KEY)
    x = rows(5)
    y, cache = call(layer, x, valid=jnp.arange(5) < 3)
    assert int(cache.count) == 3
    wide = Attention(4, max_length=5, key=KEY)
    np.testing.assert_allclose(y, call(wide, x, valid=jnp.arange(5) < 3)[0], rtol=1e-6)


def test_resets_make_room_for_more_rows_than_the_cache_holds():
    layer = Attention(4, max_length=3, key=KEY)
    x = rows(6)
    y, cache = call(layer, x, resets=jnp.arange(6) % 3 == 0)
    np.testing.assert_allclose(y[3:], call(layer, x[3:])[0], rtol=1e-5, atol=1e-6)
    assert int(cache.count) == 3


OVERRUN = r"more than max_length=3 rows taken in without a reset"


@pytest.mark.parametrize("compiled", [False, True])
def test_going_past_the_cache_is_refused_when_it_is_data(compiled):
    layer = Attention(4, max_length=3, key=KEY)
    x = rows(4)
    _, full = layer(x[:3])
    maybe_compiled = eqx.filter_jit if compiled else lambda function: function
    for late in (
        lambda: maybe_compiled(layer.step)(x[3], full),
        lambda: maybe_compiled(layer.__call__)(x[:1], full),
        lambda: maybe_compiled(layer.__call__)(x, None, resets=jnp.zeros(4, bool)),
    ):
        with pytest.raises(eqx.EquinoxRuntimeError, match=OVERRUN):
            jax.block_until_ready(late())


def test_a_longer_sequence_is_refused_before_it_runs():
    with pytest.raises(InputError, match="max_length=3 is too short for 4 rows; make the layer with a larger"):
        jax.eval_shape(Attention(4, max_length=3, key=KEY), rows(4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "Attention: dim must be at least 1, found 0"),
        ({"max_length": 0}, "Attention: max_length must be at least 1, found 0"),
        ({"heads": 0}, "Attention: heads must be at least 1, found 0"),
        ({"head_dim": 3}, "Attention: head_dim=3 does not divide the width 4"),
        ({"head_dim": 1, "key_heads": 3}, "Attention: key_heads=3 does not divide the 4 query heads"),
    ],
)
def test_refuses_sizes_that_do_not_fit(options, message):
    with pytest.raises(InputError, match=message):
        Attention(options.pop("dim", 4), **options, key=KEY)


@pytest.mark.parametrize("dim", [1, 2, 5, 97])
def test_defaults_fit_any_width(dim):
    layer = Attention(dim, key=KEY)
    y, _ = eqx.filter_eval_shape(layer, jnp.zeros((3, dim)))
    assert y.shape == (3, dim)
    assert layer.heads * layer.head_dim == dim
