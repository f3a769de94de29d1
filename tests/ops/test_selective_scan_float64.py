"""The selective scan against its definition to 1e-12: values, kept states and gradients, with masks, both methods."""

from functools import partial

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis.extra.numpy import arrays

from alternax.ops import selective_scan, selective_scan_naive

pytestmark = pytest.mark.float64

LENGTH, DIM, STATE, CHUNK = 7, 2, 3, 3  # a length that is not a multiple of the chunk
SEEDS, MASK = st.integers(0, 2**32 - 1), arrays(bool, LENGTH)
every_method = pytest.mark.parametrize("method", ["sequential", "associative"])
KEEP = jnp.array([6, 0, 3, 3, 2])
NAMES = ("u", "delta", "A", "B", "C", "h0", "erase")


@partial(jax.jit, static_argnames=("method", "kept"))
def scan(parts, valid, resets, *, method, kept):
    real = dict(zip(NAMES, parts, strict=True))
    return selective_scan(
        **real, valid=valid, resets=resets, keep=KEEP if kept else None, method=method, chunk=CHUNK
    )  # fmt: skip


@partial(jax.jit, static_argnames=("method", "kept"))
def pullback(parts, valid, resets, cotangents, *, method, kept):
    return jax.vjp(lambda parts: scan(parts, valid, resets, method=method, kept=kept), parts)[1](cotangents)[0]


def plain(u, delta, A, B, C, h0, erase, valid, resets):
    """The definition once more, as a loop that JAX can differentiate."""
    states, y, h = [], [], h0
    for t in range(LENGTH):
        h = jnp.where(resets[t], 0.0, h)
        factor = 1.0 if A is None else jnp.exp(delta[t] * A.T)
        factor = factor if erase is None else factor - jnp.outer(erase[t], delta[t])
        after = factor * h + jnp.outer(B[t], delta[t] * u[t])
        y.append(C[t] @ after)
        h = jnp.where(valid[t], after, h)
        states.append(h)
    return jnp.stack(y), jnp.stack(states)


@partial(jax.jit, static_argnames="kept")
def plain_pullback(parts, valid, resets, cotangents, *, kept):
    def run(parts):
        y, states = plain(*parts, valid, resets)
        return y, states[KEEP] if kept else states[-1]

    return jax.vjp(run, parts)[1](cotangents)[0]


def draw(seed, *, decays=True, erases=False):
    rng = np.random.default_rng(seed)
    normal = lambda *shape: rng.normal(size=shape)  # noqa: E731
    delta = rng.choice([0.0, 0.1, 1.0, 30.0], size=(LENGTH, DIM)) * rng.uniform(0.5, 1.0, (LENGTH, DIM))
    A = -rng.uniform(0.0, 2.0, (DIM, STATE)) if decays else None
    erase = rng.uniform(0.0, 1.0, (LENGTH, STATE)) / 30 if erases else None
    return normal(LENGTH, DIM), delta, A, normal(LENGTH, STATE), normal(LENGTH, STATE), normal(STATE, DIM), erase


@every_method
@hypothesis.given(SEEDS, MASK, MASK)
def test_values_and_states_equal_the_naive_loop(method, seed, valid, resets):
    parts = draw(seed)
    y, states = scan(parts, valid, resets, method=method, kept=True)
    want_y, want_states = selective_scan_naive(*parts[:6], erase=parts[6], valid=valid, resets=resets)
    np.testing.assert_allclose(y, want_y, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(states, want_states[KEEP], rtol=1e-12, atol=1e-12)


@every_method
@pytest.mark.parametrize(("decays", "erases"), [(True, False), (False, True), (True, True), (False, False)])
def test_values_equal_the_naive_loop_for_every_kind_of_factor(method, decays, erases):
    parts = draw(1, decays=decays, erases=erases)
    y, last = scan(parts, None, None, method=method, kept=False)
    want_y, want_states = selective_scan_naive(*parts[:6], erase=parts[6])
    np.testing.assert_allclose(y, want_y, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(last, want_states[-1], rtol=1e-12, atol=1e-12)


def check_gradients(method, parts, valid, resets, kept):
    cotangents = tuple(np.random.default_rng(2).normal(size=shape) for shape in ((LENGTH, DIM), (STATE, DIM)))
    cotangents = (cotangents[0], np.arange(1, 6)[:, None, None] * cotangents[1]) if kept else cotangents
    found = pullback(parts, valid, resets, cotangents, method=method, kept=kept)
    all_, none = np.ones(LENGTH, bool), np.zeros(LENGTH, bool)
    want = plain_pullback(
        parts, all_ if valid is None else valid, none if resets is None else resets, cotangents, kept=kept
    )
    for name, f, w in zip(NAMES, found, want, strict=True):
        if w is not None:
            np.testing.assert_allclose(f, w, rtol=1e-11, atol=1e-11 * max(1.0, np.abs(w).max()), err_msg=name)


@every_method
@hypothesis.settings(max_examples=10)
@hypothesis.given(SEEDS, MASK, MASK)
def test_gradients_equal_those_of_a_plain_loop(method, seed, valid, resets):
    check_gradients(method, draw(seed), valid, resets, kept=False)


@pytest.mark.parametrize(("decays", "erases"), [(True, False), (False, True), (True, True), (False, False)])
def test_gradients_equal_those_of_a_plain_loop_for_every_kind_of_factor(decays, erases):
    check_gradients("sequential", draw(3, decays=decays, erases=erases), None, None, kept=False)


@hypothesis.settings(max_examples=4)
@hypothesis.given(SEEDS, MASK, MASK)
def test_gradients_of_kept_states_equal_those_of_a_plain_loop(seed, valid, resets):
    check_gradients("sequential", draw(seed), valid, resets, kept=True)


@every_method
@pytest.mark.parametrize("chunk", [1, 7, 50])
def test_the_chunk_changes_nothing(method, chunk):
    *parts, _ = draw(4)
    y, last = selective_scan(*(jnp.asarray(v) for v in parts), method=method, chunk=chunk)
    want_y, want_states = selective_scan_naive(*parts)
    np.testing.assert_allclose(y, want_y, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(last, want_states[-1], rtol=1e-12, atol=1e-12)
