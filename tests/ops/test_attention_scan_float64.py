"""The attention scan against brute force and its naive twin to 1e-12: values, states and gradients of all methods."""

from functools import partial

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis.extra.numpy import arrays

from alternax.ops import attention_scan, attention_scan_naive
from alternax.ops.attention_scan import AttentionState, attention_step, nothing_seen

pytestmark = pytest.mark.float64

LENGTH, HEADS, WIDTH = 7, 2, 3
SEEDS, MASK = st.integers(0, 2**32 - 1), arrays(bool, LENGTH)
every_method = pytest.mark.parametrize("method", ["sequential", "associative", "chunked"])


def draw(seed):
    rng = np.random.default_rng(seed)
    start = AttentionState(rng.normal(size=HEADS), rng.uniform(1, 2, HEADS), rng.normal(size=(HEADS, WIDTH)))
    scores = rng.normal(size=(LENGTH, HEADS)) * rng.choice([1.0, 30.0])
    return scores, rng.normal(size=(LENGTH, HEADS, WIDTH)), start


def plain_loop(s, v, start, valid, resets):
    """Every state by `attention_step`, as JAX differentiates it by itself."""

    def body(state, row):
        s_t, v_t, taken, restarted = row
        choose = lambda condition, a, b: jax.tree.map(lambda a, b: jnp.where(condition, a, b), a, b)  # noqa: E731
        before = choose(restarted, nothing_seen((HEADS, WIDTH), s.dtype), state)
        y, after = attention_step(s_t, v_t, before)
        held = choose(taken, after, before)
        return held, (y, held)

    return jax.lax.scan(body, start, (s, v, valid, resets))[1]


def total(form, s, v, start, valid, resets):
    y, states = form(s, v, start, valid, resets)
    picked = jax.tree.map(lambda a: a[jnp.array([LENGTH - 1, 2, 4, 2])], states)
    # Half as large, so that a start that saw nothing gives a finite angle of its maximum.
    return jnp.sum(jnp.sin(y)) + sum(
        jnp.sum(jnp.cos(a / 2) * jnp.arange(1, 5).reshape(4, *[1] * (a.ndim - 1))) for a in picked
    )


@partial(jax.jit, static_argnames=("method", "chunk"))
def run(s, v, start, valid, resets, *, method, chunk=3):
    return attention_scan(s, v, start, valid=valid, resets=resets, keep=jnp.arange(LENGTH), method=method, chunk=chunk)


@partial(jax.jit, static_argnames="method")
def gradients(s, v, start, valid, resets, *, method):
    form = plain_loop if method is None else partial(run, method=method)
    return jax.grad(partial(total, form), argnums=(0, 1, 2))(s, v, start, valid, resets)


def assert_equal(found, want, tolerance=1e-12):
    for f, w in zip(jax.tree.leaves(found), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(f, w, rtol=tolerance, atol=tolerance * max(1.0, np.abs(w).max()))


@every_method
@hypothesis.given(SEEDS, MASK, MASK)
def test_values_and_states_equal_the_naive_loop(method, seed, valid, resets):
    s, v, start = draw(seed)
    want = attention_scan_naive(s, v, start, valid=valid, resets=resets)
    assert_equal(run(s, v, start, valid, resets, method=method), want)


@every_method
@pytest.mark.parametrize("chunk", [1, 2, 64])
def test_masks_may_be_left_out_for_any_chunk(method, chunk):
    s, v, start = draw(1)
    y, state = attention_scan(*jax.tree.map(jnp.asarray, (s, v, start)), method=method, chunk=chunk)
    want, states = attention_scan_naive(s, v, start)
    assert_equal((y, state), (want, jax.tree.map(lambda a: a[-1], states)))


@every_method
@hypothesis.settings(max_examples=10)
@hypothesis.given(SEEDS, MASK, MASK)
def test_gradients_equal_those_of_the_plain_loop(method, seed, valid, resets):
    rows = *draw(seed), valid, resets
    assert_equal(gradients(*rows, method=method), gradients(*rows, method=None), 1e-11)


@every_method
def test_gradients_without_masks_equal_those_of_the_plain_loop(method):
    s, v, start = draw(3)
    whole, none = np.ones(LENGTH, bool), np.zeros(LENGTH, bool)
    found = gradients(s, v, start, None, None, method=method)
    assert_equal(found, gradients(s, v, start, whole, none, method=None), 1e-11)


@every_method
def test_the_average_is_the_softmax_over_each_prefix(method):
    s, v, _ = draw(4)
    y, _ = attention_scan(jnp.asarray(s), jnp.asarray(v), method=method, chunk=3)
    for t in range(LENGTH):
        weights = np.exp(s[: t + 1] - s[: t + 1].max(axis=0))
        want = np.einsum("th,thd->hd", weights / weights.sum(axis=0), v[: t + 1])
        np.testing.assert_allclose(y[t], want, rtol=1e-12, atol=1e-13)


def test_a_single_row_is_its_value():
    for method in ("sequential", "associative", "chunked"):
        y, state = attention_scan(jnp.full((1, 1), 5.0), jnp.full((1, 1, 2), 3.0), method=method)
        np.testing.assert_array_equal(y, np.full((1, 1, 2), 3.0))
        assert [a.ravel().tolist() for a in state] == [[5.0], [1.0], [3.0, 3.0]]


@every_method
def test_gradient_can_be_differentiated_again(method):
    """Two equal scores but one, values 0 and 1: the average is a sigmoid of the score, with known derivatives."""

    def average(score):
        values = jnp.array([0.0, 1.0]).reshape(2, 1, 1)
        return attention_scan(jnp.stack([jnp.zeros(1), score[None]]), values, method=method)[0][-1, 0, 0]

    score = jnp.array(0.3)
    p = 1 / (1 + np.exp(-0.3))
    np.testing.assert_allclose(jax.grad(average)(score), p * (1 - p), rtol=1e-12)
    np.testing.assert_allclose(jax.grad(jax.grad(average))(score), p * (1 - p) * (1 - 2 * p), rtol=1e-12)
