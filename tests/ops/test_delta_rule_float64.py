"""The delta rule against explicit matrix products to 1e-11: values and gradients, all methods, masks, chunks."""

from functools import partial

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis.extra.numpy import arrays

from alternax.ops import delta_rule, delta_rule_naive, delta_rule_step

pytestmark = pytest.mark.float64

LENGTH, STEPS, HEADS, KEY, VALUE, CHUNK = 7, 2, 2, 3, 2, 3  # a length that is not a multiple of the chunk
SEEDS, MASK = st.integers(0, 2**32 - 1), arrays(bool, LENGTH)
ALL, NONE = np.ones(LENGTH, bool), np.zeros(LENGTH, bool)
every_method = pytest.mark.parametrize("method", ["sequential", "chunked"])
with_and_without_decay = pytest.mark.parametrize("decays", [True, False], ids=["decay", "no_decay"])


def draw(seed, length=LENGTH, decays=True, steps=STEPS):
    """q, k, v, beta, log decay and state; some decays so strong that nothing is left, some betas at the ends."""
    rng = np.random.default_rng(seed)
    k = rng.normal(size=(length, steps, HEADS, KEY))
    beta = rng.choice([0.0, 1.0, 2.0, rng.uniform(0, 2)], size=(length, steps, HEADS))
    log_decay = -rng.choice([0.0, 0.1, 1.0, 50.0, 1e4], size=(length, HEADS))
    q, v = rng.normal(size=(length, HEADS, KEY)), rng.normal(size=(length, steps, HEADS, VALUE))
    k /= np.linalg.norm(k, axis=-1, keepdims=True)
    return q, k, v, beta, log_decay if decays else None, rng.normal(size=(HEADS, VALUE, KEY))


@partial(jax.jit, static_argnames=("method", "chunk"))
def run(arguments, valid, resets, method, chunk=CHUNK):
    keep = jnp.arange(len(arguments[0]))
    return delta_rule(*arguments, valid=valid, resets=resets, keep=keep, method=method, chunk=chunk)


def plain(arguments, valid, resets):
    """The definition as a loop that JAX can differentiate."""
    q, k, v, beta, log_decay, state = arguments
    reads, states = [], []
    for t in range(len(q)):
        state = jnp.where(resets[t], 0.0, state)
        after = state if log_decay is None else jnp.exp(log_decay[t])[:, None, None] * state
        for j in range(k.shape[1]):
            outer = beta[t, j][:, None, None] * k[t, j][:, :, None] * k[t, j][:, None, :]
            after = after @ (jnp.eye(KEY) - outer) + beta[t, j][:, None, None] * v[t, j][:, :, None] * k[t, j][:, None]
        reads.append(jnp.sum(after * q[t][:, None], axis=-1))
        state = jnp.where(valid[t], after, state)
        states.append(state)
    return jnp.stack(reads), jnp.stack(states)


@partial(jax.jit, static_argnames=("method",))
def gradient(arguments, valid, resets, method):
    def loss(arguments):
        found = plain(arguments, valid, resets) if method is None else run(arguments, valid, resets, method)
        return sum(jnp.sum(jnp.sin(v + jnp.arange(v.size).reshape(v.shape))) for v in found)

    return jax.grad(loss)(arguments)


def assert_all_close(found, want, tolerance=1e-11):
    for f, w in zip(jax.tree.leaves(found), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(f, w, rtol=tolerance, atol=tolerance * max(1.0, np.abs(w).max()))


@every_method
@with_and_without_decay
@hypothesis.given(SEEDS, MASK, MASK)
def test_reads_and_memories_equal_explicit_matrix_products(method, decays, seed, valid, resets):
    arguments = draw(seed, decays=decays)
    want = delta_rule_naive(*arguments, valid=valid, resets=resets)
    assert_all_close(run(arguments, valid, resets, method), want)


@pytest.mark.parametrize(("length", "steps", "chunk"), [(1, 1, 4), (6, 3, 2), (5, 1, 1), (9, 1, None)])
@every_method
def test_any_length_and_chunk(method, length, steps, chunk):
    arguments = draw(3, length, steps=steps)
    assert_all_close(run(arguments, None, None, method, chunk), delta_rule_naive(*arguments))


@pytest.mark.parametrize(
    ("method", "decays"),
    [
        ("sequential", True),
        ("chunked", True),
        pytest.param("sequential", False, marks=pytest.mark.slow),
        ("chunked", False),
    ],
)
@hypothesis.settings(max_examples=8)
@hypothesis.given(SEEDS, MASK, MASK)
def test_gradients_equal_those_of_a_plain_loop(method, decays, seed, valid, resets):
    arguments = jax.tree.map(jnp.asarray, draw(seed, decays=decays))
    assert_all_close(gradient(arguments, valid, resets, method), gradient(arguments, valid, resets, None))


@every_method
def test_memories_of_some_rows_and_of_the_last(method):
    arguments = draw(5)
    valid = np.arange(LENGTH) % 3 != 1
    _, states = delta_rule_naive(*arguments, valid=valid)
    options = {"valid": jnp.asarray(valid), "method": method, "chunk": CHUNK}
    arguments = jax.tree.map(jnp.asarray, arguments)
    _, some = delta_rule(*arguments, keep=jnp.array([5, 0, 5, 2]), **options)
    _, last = delta_rule(*arguments, **options)
    assert_all_close((some, last), (states[[5, 0, 5, 2]], states[-1]))


def test_a_step_is_one_row():
    q, k, v, beta, log_decay, state = draw(6)
    reads, states = delta_rule_naive(q, k, v, beta, log_decay, state)
    first = [jnp.asarray(x[0]) for x in (q, k, v, beta, log_decay)]
    assert_all_close(delta_rule_step(*first, jnp.asarray(state)), (reads[0], states[0]))


@every_method
def test_equal_keys_with_full_reflections_stay_exact(method):
    """The worst case of a triangular inverse: entries of size 2 everywhere, whose powers would overflow the digits."""
    q, k, v, beta, _, state = draw(7, 70)
    k, beta = np.broadcast_to(k[:1, :1], k.shape), np.full_like(beta, 2.0)
    arguments = (q, k, v, beta, None, state)
    assert_all_close(run(arguments, None, None, method, 64), delta_rule_naive(*arguments), 1e-11)


def householders(*axes):
    """Unit keys (steps, heads, key) with beta 2 for reflections that swap two coordinates, or nothing for None."""
    keys = np.zeros((len(axes), 1, 3))
    for j, pair in enumerate(axes):
        if pair:
            keys[j, 0, pair[0]], keys[j, 0, pair[1]] = np.sqrt(0.5), -np.sqrt(0.5)
    return keys


GENERATORS = {  # two reflections a row make every permutation of three
    (0, 1, 2): householders(None, None),
    (1, 0, 2): householders((0, 1), None),
    (0, 2, 1): householders((1, 2), None),
    (2, 1, 0): householders((0, 2), None),
    (1, 2, 0): householders((0, 1), (1, 2)),
    (2, 0, 1): householders((1, 2), (0, 1)),
}


@every_method
def test_two_reflections_a_row_track_permutations_of_three(method):
    """The word problem of S3: the memory after a word is the matrix of its product, at any length."""
    rng = np.random.default_rng(8)
    words = [list(GENERATORS)[i] for i in rng.integers(6, size=200)]
    k = np.stack([GENERATORS[word] for word in words])
    zeros = np.zeros((200, 2, 1, 3))
    arguments = jax.tree.map(jnp.asarray, (np.zeros((200, 1, 3)), k, zeros, np.full((200, 2, 1), 2.0)))
    _, states = delta_rule(*arguments, None, jnp.eye(3)[None], keep=jnp.arange(200), method=method, chunk=16)
    product = np.eye(3)
    for word, state in zip(words, states, strict=True):
        product = product @ np.eye(3)[:, list(word)]
        np.testing.assert_allclose(state[0], product, atol=1e-12)


@every_method
def test_one_reflection_a_row_tracks_the_parity(method):
    bits = np.random.default_rng(9).integers(2, size=300)
    k, q = jnp.asarray(bits, float).reshape(300, 1, 1, 1), jnp.ones((300, 1, 1))
    reads, _ = delta_rule(q, k, 0 * k, jnp.full((300, 1, 1), 2.0), None, jnp.ones((1, 1, 1)), method=method)
    np.testing.assert_allclose(reads.ravel(), 1.0 - 2.0 * (np.cumsum(bits) % 2), atol=1e-12)
