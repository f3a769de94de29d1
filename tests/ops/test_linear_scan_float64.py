"""The linear scan against its definition to 1e-12: values and gradients, all methods, real, complex, with resets."""

from functools import partial

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis.extra.numpy import arrays

from alternax.ops import linear_scan, linear_scan_naive

pytestmark = pytest.mark.float64

METHODS = ("sequential", "associative", "chunked")
LENGTH, WIDTH, CHUNK = 7, 2, 3  # a length that is not a multiple of the chunk
SEEDS, RESETS = st.integers(0, 2**32 - 1), arrays(bool, LENGTH)

every_method = pytest.mark.parametrize("method", METHODS)
both_ways = pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
real_and_complex = pytest.mark.parametrize("dtype", [np.float64, np.complex128])
varying_and_constant = pytest.mark.parametrize("factor_shape", [(LENGTH, WIDTH), (WIDTH,)], ids=["varying", "constant"])

scan = jax.jit(partial(linear_scan, chunk=CHUNK), static_argnames=("reverse", "method"))


@partial(jax.jit, static_argnames=("reverse", "method"))
def pullback(a, b, h0, resets, cotangent, *, reverse, method):
    run = partial(linear_scan, resets=resets, reverse=reverse, method=method, chunk=CHUNK)
    return jax.vjp(run, a, b, h0)[1](cotangent)


def draw(seed, dtype, *shapes):
    """Arrays with some entries 0 and some of modulus 1, the ends of the range of a stable factor."""
    rng = np.random.default_rng(seed)
    for shape in shapes:
        v = np.asarray(rng.normal(size=shape) + (1j * rng.normal(size=shape) if dtype == np.complex128 else 0.0))
        v = np.where(rng.random(shape) < 0.2, v / np.abs(v), v)
        yield np.where(rng.random(shape) < 0.2, 0.0, v)


def naive_tangent(a, b, h0, da, db, dh0, *, resets, reverse):
    """The derivative along (da, db, dh0), from the product rule: dh_t = a_t dh_{t-1} + (da_t h_{t-1} + db_t)."""
    h = linear_scan_naive(a, b, h0, resets=resets, reverse=reverse)
    before = np.concatenate([h[1:], h0[None]]) if reverse else np.concatenate([h0[None], h[:-1]])
    starts = np.zeros(LENGTH, bool) if resets is None else resets
    cut = np.append(starts[1:], False) if reverse else starts
    inputs = da * np.where(cut[:, None], 0, before) + db
    return linear_scan_naive(a, inputs, dh0, resets=resets, reverse=reverse)


def cut_or_not(resets, factor_shape):
    """No resets for a factor constant in time: with them it varies, and the kernel for constant ones is not reached."""
    return resets if len(factor_shape) == 2 else None


def check_values(seed, resets, factor_shape, method, reverse, dtype):
    a, b, h0 = draw(seed, dtype, factor_shape, (LENGTH, WIDTH), (WIDTH,))
    want = linear_scan_naive(a, b, h0, resets=resets, reverse=reverse)
    found = scan(a, b, h0, resets=resets, reverse=reverse, method=method)
    np.testing.assert_allclose(found, want, rtol=1e-12, atol=1e-12 * max(1.0, np.abs(want).max()))


@varying_and_constant
@every_method
@both_ways
@real_and_complex
@hypothesis.given(SEEDS, RESETS)
def test_values_equal_the_naive_loop(factor_shape, method, reverse, dtype, seed, resets):
    check_values(seed, cut_or_not(resets, factor_shape), factor_shape, method, reverse, dtype)


@pytest.mark.parametrize("factor_shape", [(LENGTH, 1), (1, WIDTH), (WIDTH,), (1, 1), ()])
@pytest.mark.parametrize("method", ["sequential", "associative"])
def test_factors_broadcast_against_the_inputs(factor_shape, method):
    for resets in (None, np.arange(LENGTH) == 3):
        check_values(0, resets, factor_shape, method, False, np.complex128)


@varying_and_constant
@every_method
@both_ways
@hypothesis.settings(max_examples=6)
@hypothesis.given(SEEDS, RESETS)
def test_gradients_equal_the_product_rule(factor_shape, method, reverse, seed, resets):
    check_gradients(seed, cut_or_not(resets, factor_shape), factor_shape, method, reverse, np.complex128)


@pytest.mark.parametrize("factor_shape", [(LENGTH, WIDTH), (LENGTH, 1), (WIDTH,), ()])
def test_real_and_broadcast_gradients_equal_the_product_rule(factor_shape):
    for resets in (None, np.arange(LENGTH) == 3):
        check_gradients(0, resets, factor_shape, "sequential", False, np.float64)


def check_gradients(seed, resets, factor_shape, method, reverse, dtype):
    *inputs, cotangent = draw(seed, dtype, factor_shape, (LENGTH, WIDTH), (WIDTH,), (LENGTH, WIDTH))
    found = pullback(*inputs, resets, cotangent, reverse=reverse, method=method)
    for which, gradient in enumerate(found):
        want = np.zeros(inputs[which].shape, dtype)
        for place in np.ndindex(want.shape):
            directions = [np.zeros(v.shape) for v in inputs]
            directions[which][place] = 1.0
            want[place] = np.sum(cotangent * naive_tangent(*inputs, *directions, resets=resets, reverse=reverse))
        np.testing.assert_allclose(gradient, want, rtol=1e-12, atol=1e-12 * max(1.0, np.abs(want).max()))


@every_method
def test_packed_sequences_equal_separate_ones(method):
    rng = np.random.default_rng(1)
    a, b = rng.uniform(-1, 1, (2, LENGTH, WIDTH))
    resets = np.arange(LENGTH) == 4
    for reverse in (False, True):
        packed = scan(a, b, np.zeros(WIDTH), resets=resets, reverse=reverse, method=method)
        parts = [linear_scan_naive(a[rows], b[rows], reverse=reverse) for rows in (slice(0, 4), slice(4, None))]
        np.testing.assert_allclose(packed, np.concatenate(parts), rtol=1e-12, atol=1e-12)


@every_method
def test_a_single_row(method):
    a, b, h0 = np.array([[0.5, -2.0]]), np.array([[1.0, 3.0]]), np.array([4.0, 1.0])
    for reverse in (False, True):
        np.testing.assert_array_equal(scan(a, b, h0, reverse=reverse, method=method), [[3.0, 1.0]])
        found = pullback(a, b, h0, None, np.ones((1, 2)), reverse=reverse, method=method)
        for gradient, want in zip(found, ([[4.0, 1.0]], [[1.0, 1.0]], [0.5, -2.0]), strict=True):
            np.testing.assert_array_equal(gradient, want)


@every_method
def test_factor_zero_forgets_everything(method):
    b = np.random.default_rng(2).normal(size=(LENGTH, WIDTH))
    np.testing.assert_array_equal(scan(np.zeros(WIDTH), b, np.ones(WIDTH), method=method), b)
    _, db, dh0 = pullback(np.zeros(WIDTH), b, np.ones(WIDTH), None, np.ones_like(b), reverse=False, method=method)
    np.testing.assert_array_equal(db, np.ones_like(b))
    np.testing.assert_array_equal(dh0, np.zeros(WIDTH))


@pytest.mark.parametrize("method", ["sequential", "chunked", pytest.param("associative", marks=pytest.mark.slow)])
def test_a_long_rotation_equals_its_closed_form(method):
    """h_t = a^t h_0 + (1 - a^t) / (1 - a) on the unit circle, and d(sum of the last row)/dh_0 = a^T."""
    length, angle = 100_000, np.array([0.001, 1.0, 3.1])
    a, h0 = np.exp(1j * angle), np.array([2.0, 1j, -1.0 + 1j])
    b = np.ones((length, 3), np.complex128)
    run = partial(linear_scan, method=method)
    h, pull = jax.vjp(run, a, b, h0)
    power = np.exp(1j * angle * np.arange(1, length + 1)[:, None])
    np.testing.assert_allclose(h, power * h0 + (1 - power) / (1 - a), rtol=1e-9, atol=1e-8)
    _, db, dh0 = pull(jnp.zeros_like(b).at[-1].set(1.0))
    np.testing.assert_allclose(dh0, power[-1], rtol=1e-9)
    np.testing.assert_allclose(db[0], power[-2], rtol=1e-9)
