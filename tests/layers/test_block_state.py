"""The block-state layer against its equations written out block by block, and its two limits: one block, no context."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled import call
from untyped import untyped

from alternax.core.errors import InputError
from alternax.core.layer import Mixer
from alternax.layers import GRU, LRU, Attention, BlockState, block_state

KEY = jax.random.key(0)


def rows(length: int, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=(length, 4)), jnp.float32)


@pytest.fixture(scope="module")
def layer() -> BlockState:
    return BlockState(4, window=3, head_dim=2, context=GRU(4, key=KEY), key=KEY)


def turned(v: np.ndarray, position: int) -> np.ndarray:
    """Heads of two features turn once a row."""
    cos, sin = np.cos(position), np.sin(position)
    return np.array([v[0] * cos - v[1] * sin, v[1] * cos + v[0] * sin])


def average(query, keys, values) -> np.ndarray:
    weights = np.exp(np.array([query @ key for key in keys]) / np.sqrt(len(query)))
    return weights @ np.array(values) / weights.sum()


def by_hand(layer: BlockState, x: np.ndarray, context: np.ndarray) -> np.ndarray:
    """Every row alone; positions count from the first row of all, which shifts queries and keys alike."""
    y, weights = np.zeros(x.shape), (layer.query_weight, layer.key_weight, layer.value_weight)
    for head in range(layer.heads):
        (q, k, v), (q2, k2, v2) = (
            [np.asarray(weight[part, head], float) @ rows.T for weight, rows in zip(weights, sources, strict=True)]
            for part, sources in enumerate(((x, x, x), (x, context, context)))
        )
        for t in range(len(x)):
            start = t - t % layer.window
            block, past = range(start, t + 1), range(start - layer.window, start)
            look = lambda q, k, v, at, t=t: average(  # noqa: E731
                turned(q[:, t], t), [turned(k[:, s], s) for s in at], [v[:, s] for s in at]
            )
            y[t] += layer.output_weight[:, 0, head] @ look(q, k, v, block)
            if start:
                y[t] += layer.output_weight[:, 1, head] @ look(q2, k2, v2, past)
    return y


@pytest.mark.parametrize("stretch", [1, 128])
def test_outputs_equal_the_equations_block_by_block(layer, stretch, monkeypatch):
    monkeypatch.setattr(block_state, "_SHORTEST_STRETCH", stretch)
    x = rows(11)
    want = by_hand(layer, np.asarray(x, float), np.asarray(call(layer.context, x)[0], float))
    # Compiled anew: the stretch is read while tracing.
    found, _ = eqx.filter_jit(lambda layer, x: layer(x))(layer, x)
    np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-5)


def test_short_stretches_equal_steps_with_padding_resets_and_a_carried_state(layer, monkeypatch):
    monkeypatch.setattr(block_state, "_SHORTEST_STRETCH", 4)
    rng = np.random.default_rng(3)
    x, valid, resets = rows(18), jnp.asarray(rng.random(18) < 0.6), jnp.asarray(rng.random(18) < 0.15)
    assert int(resets.sum()) > 1
    _, start = call(layer, rows(5, seed=1))

    def body(state, row):
        x_t, taken, restarted = row
        state = jax.tree.map(lambda a, b: jnp.where(restarted, a, b), layer.init_state(), state)
        y, after = layer.step(x_t, state)
        return jax.tree.map(lambda a, b: jnp.where(taken, a, b), after, state), y

    last, want = jax.jit(lambda *rows: jax.lax.scan(body, start, rows))(x, valid, resets)
    found, state = eqx.filter_jit(lambda x, start: layer(x, start, valid=valid, resets=resets))(x, start)
    np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-5)
    for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(last), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_within_the_first_block_it_is_attention():
    layer = BlockState(4, window=9, head_dim=2, key=KEY)
    attention = eqx.tree_at(
        lambda m: (m.query_weight, m.key_weight, m.value_weight, m.output_weight),
        Attention(4, head_dim=2, max_length=9, key=KEY),
        (layer.query_weight[0], layer.key_weight[0], layer.value_weight[0], layer.output_weight[:, 0]),
    )
    x = rows(9)
    np.testing.assert_allclose(call(layer, x)[0], call(attention, x)[0], rtol=1e-5, atol=1e-5)


def test_what_is_older_than_a_block_comes_through_the_context_alone(layer):
    """A change in the first block reaches the third; not if the context cannot carry it."""
    x = rows(9)
    changed = x.at[0].add(1.0)
    mute = eqx.tree_at(lambda m: (m.context.state_weight, m.context.input_weight), layer, replace_fn=jnp.zeros_like)
    for which, reaches in ((layer, True), (mute, False)):
        difference = jnp.abs(call(which, changed)[0] - call(which, x)[0])
        assert bool((difference[6:] > 1e-6).any()) is reaches
        assert (difference[:3] > 1e-6).any()


@pytest.mark.slow
def test_the_state_and_the_memory_a_row_do_not_grow():
    layer = BlockState(4, window=8, key=KEY)

    def temporary_bytes(length):
        gradient = jax.grad(lambda x: jnp.sum(layer(x)[0] ** 2))
        compiled = jax.jit(gradient).lower(jax.ShapeDtypeStruct((length, 4), jnp.float32)).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    assert temporary_bytes(2048) < 2.2 * temporary_bytes(1024)
    shapes = jax.tree.map(jnp.shape, layer.init_state())
    for length in (5, 40):
        assert jax.tree.map(jnp.shape, eqx.filter_eval_shape(layer, jnp.zeros((length, 4)))[1]) == shapes


@pytest.mark.slow
def test_the_context_may_be_named_or_given_and_reads_the_times():
    named, given = (BlockState(4, window=2, context=c, key=KEY) for c in ("gru", GRU(4, key=KEY)))
    assert type(named.context) is type(given.context) is GRU
    layer = BlockState(4, window=2, context=LRU(4, state_dim=6, key=KEY), key=KEY)
    x = rows(6)
    assert not np.allclose(call(layer, x)[0], call(layer, x, dt=jnp.full(6, 2.0))[0])


class Mean(Mixer):
    dim: int = 4

    def __call__(self, x, *, valid=None, key=None):
        return x


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "BlockState: dim must be at least 1, found 0"),
        ({"window": 0}, "BlockState: window must be at least 1, found 0"),
        ({"head_dim": 3}, "BlockState: head_dim=3 does not divide the width 4"),
        ({"context": "lrv"}, "no layer named 'lrv'"),
        ({"context": LRU(3, key=KEY)}, "expected a context layer of width 4, found one of width 3"),
        ({"context": Mean()}, "BlockState: Mean is a Mixer, which reads future rows"),
    ],
)
def test_refuses_what_does_not_fit(options, message):
    with untyped(), pytest.raises(InputError, match=message):
        BlockState(options.pop("dim", 4), **options, key=KEY)
