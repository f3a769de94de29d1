"""A stack in segments answers what it answers at once, and its gradient takes the memory of one segment."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alternax import layers
from alternax.core.layer import CACHED_ROWS, STORED_ROWS, Layer

KEY = jax.random.key(0)


class Noisy(Layer):
    """Adds noise from its key, and says in its state how many rows it has seen."""

    dim: int = 2

    def init_state(self):
        return jnp.zeros((), jnp.int32)

    def __call__(self, x, state=None, *, valid=None, resets=None, dt=None, keep=None, key=None):
        seen = (0 if state is None else state) + jnp.arange(1, len(x) + 1)
        return x + jax.random.normal(key, x.shape), seen[-1] if keep is None else seen[keep]

    def step(self, x_t, state, *, dt=None, key=None):
        return x_t, state + 1


def rows(length: int, dim: int = 4) -> jax.Array:
    return jax.random.normal(jax.random.key(1), (length, dim))


def of(segment: int | None, name: str = "lru", dim: int = 4) -> layers.Stack:
    return layers.stack(name, depth=1, dim=dim, segment=segment, key=KEY)


@pytest.mark.parametrize("length", [11, 12])  # in fives with a row left, in fours
def test_answers_states_and_gradients_are_those_of_the_whole(length):
    keep = jnp.array([3, length - 1, 0, 5, 4, -2])
    masks = {
        "valid": jnp.arange(length) % 3 != 1,
        "resets": jnp.arange(length) == 6,
        "dt": jnp.linspace(0.5, 2, length),
    }

    def run(stack, x):
        y, states = stack(x, **masks, keep=keep)
        last = stack(x, **masks)[1]
        return jnp.sum(jnp.sin(y)) + sum(jnp.sum(jnp.cos(v)) for v in jax.tree.leaves(states)), (y, states, last)

    found, want = (eqx.filter_jit(eqx.filter_grad(run, has_aux=True))(of(s), rows(length)) for s in (5, None))
    for f, w in zip(jax.tree.leaves(found), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(f, w, rtol=1e-5, atol=1e-5)


def test_every_segment_has_a_key_of_its_own():
    stack = layers.Stack((Noisy(),), segment=4)
    y, seen = stack(jnp.zeros((8, 2)), key=KEY)
    assert seen == (8,)
    assert not np.allclose(y[:4], y[4:])


@pytest.mark.parametrize(("name", "length"), [("lru", 4 * CACHED_ROWS), ("gru", 2 * STORED_ROWS)])
def test_long_sequences_take_less_memory_by_themselves(name, length):
    def memory(segment):
        gradient = eqx.filter_grad(lambda stack, x: jnp.sum(stack(x)[0] ** 2))
        compiled = eqx.filter_jit(gradient).lower(of(segment, name), rows(length)).compile().compiled
        return compiled.memory_analysis().temp_size_in_bytes

    assert memory(None) < 0.6 * memory(length)


def test_a_stack_asks_its_layers():
    assert of(None, "mamba").segment_rows == CACHED_ROWS
    assert layers.stack("gru", depth=1, dim=2, block="mlp", key=KEY).segment_rows == STORED_ROWS
    assert of(None, "s4d").segment_rows is None
    mixed = layers.Stack((layers.LRU(4, key=KEY), layers.GRU(4, key=KEY)))
    assert mixed.segment_rows == CACHED_ROWS
    assert layers.Stack((mixed, layers.S4D(4, key=KEY))).segment_rows is None
