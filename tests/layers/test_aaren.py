"""Aaren against the softmax over every prefix, by brute force, and against attention with the same query."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alternax.core.errors import InputError
from alternax.layers import Aaren, Attention, stack

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def layer() -> Aaren:
    return Aaren(4, head_dim=2, key=KEY)


def rows(length: int, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=(length, 4)), jnp.float32)


def test_outputs_are_softmax_averages_over_every_prefix(layer):
    x = np.asarray(rows(9), float)
    want = np.zeros((9, 4))
    for head in range(2):
        keys, values = (x @ np.asarray(weight[head], float).T for weight in (layer.key_weight, layer.value_weight))
        scores = keys @ np.asarray(layer.query[head], float) / np.sqrt(2)
        for t in range(9):
            weights = np.exp(scores[: t + 1])
            want[t] += layer.output_weight[:, head] @ (weights @ values[: t + 1] / weights.sum())
    np.testing.assert_allclose(layer(rows(9))[0], want, rtol=1e-5, atol=1e-6)


def test_it_is_attention_whose_query_does_not_depend_on_the_row(layer):
    """A constant feature carries the query through attention's own query weights; nothing else reads that feature."""
    attention = Attention(5, head_dim=2, heads=2, max_length=9, rotary=False, key=KEY)
    extra = lambda weight, last: jnp.concatenate([weight, last], axis=-1)  # noqa: E731
    nothing = jnp.zeros((2, 2, 1))
    attention = eqx.tree_at(
        lambda m: (m.query_weight, m.key_weight, m.value_weight, m.output_weight),
        attention,
        (
            extra(jnp.zeros((2, 2, 4)), layer.query[..., None]),
            extra(layer.key_weight, nothing),
            extra(layer.value_weight, nothing),
            jnp.concatenate([layer.output_weight, jnp.zeros((1, 2, 2))]),
        ),
    )
    x = rows(9)
    found, _ = attention(jnp.concatenate([x, jnp.ones((9, 1))], axis=1))
    np.testing.assert_allclose(found[:, :4], layer(x)[0], rtol=1e-5, atol=1e-6)


def test_the_state_is_of_constant_size_and_summarises_all_rows(layer):
    """After any number of rows in any order the state is the same, up to rounding: sums and a maximum."""
    x = rows(64)
    _, state = layer(x)
    _, shuffled = layer(x[::-1])
    assert [v.shape for v in state] == [(2,), (2,), (2, 2)]
    for found, want in zip(shuffled, state, strict=True):
        np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_steps_of_a_stack_use_constant_memory_and_equal_the_call():
    body = stack("aaren", depth=2, dim=4, head_dim=2, key=KEY)
    x = rows(9)
    _, y = jax.lax.scan(lambda state, x_t: body.step(x_t, state)[::-1], body.init_state(), x)
    np.testing.assert_allclose(y, body(x)[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", ["associative", "chunked"])
def test_the_method_changes_nothing(layer, method):
    other = Aaren(4, head_dim=2, method=method, key=KEY)
    valid = jnp.arange(9) % 3 != 1
    found, want = (m(rows(9), valid=valid)[0] for m in (other, layer))
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "Aaren: dim must be at least 1, found 0"),
        ({"head_dim": 0}, "Aaren: head_dim must be at least 1, found 0"),
        ({"head_dim": 3}, "Aaren: head_dim=3 does not divide the width 4"),
    ],
)
def test_refuses_sizes_that_do_not_fit(options, message):
    with pytest.raises(InputError, match=message):
        Aaren(options.pop("dim", 4), **options, key=KEY)
