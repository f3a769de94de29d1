"""The short convolution against its definition to 1e-12: values, carries and gradients, with masks and resets."""

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis.extra.numpy import arrays

from alternax.ops import short_conv, short_conv_naive

pytestmark = pytest.mark.float64

LENGTH, DIM = 7, 2
SEEDS, MASK = st.integers(0, 2**32 - 1), arrays(bool, LENGTH)
widths = pytest.mark.parametrize("width", [1, 2, 4, 10])


@jax.jit
def conv(x, kernel, carry, valid, resets):
    return short_conv(x, kernel, carry, valid=valid, resets=resets, keep=jnp.arange(LENGTH))


@jax.jit
def pullback(x, kernel, carry, valid, resets, cotangents):
    run = lambda *a: short_conv(*a, valid=valid, resets=resets, keep=jnp.arange(LENGTH))  # noqa: E731
    return jax.vjp(run, x, kernel, carry)[1](cotangents)


def draw(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


@widths
@hypothesis.given(SEEDS, st.none() | MASK, st.none() | MASK)
def test_values_and_carries_equal_the_naive_loop(width, seed, valid, resets):
    x, kernel, carry = draw(seed, (LENGTH, DIM), (width, DIM), (width - 1, DIM))
    y, carries = conv(x, kernel, carry, valid, resets)
    want_y, want_carries = short_conv_naive(x, kernel, carry, valid=valid, resets=resets)
    np.testing.assert_allclose(y, want_y, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(carries, want_carries)


@pytest.mark.parametrize("width", [1, 4])
@hypothesis.settings(max_examples=6)
@hypothesis.given(SEEDS, st.none() | MASK, st.none() | MASK)
def test_gradients_equal_those_of_the_naive_loop(width, seed, valid, resets):
    """Output and carry are linear in (x, carry) and linear in the kernel: the derivatives are differences of values."""
    shapes = ((LENGTH, DIM), (width, DIM), (width - 1, DIM))
    inputs = draw(seed, *shapes)
    cotangents = tuple(draw(seed + 1, (LENGTH, DIM), (LENGTH, width - 1, DIM)))
    found = pullback(*inputs, valid, resets, cotangents)

    def pulled(x, kernel, carry):
        out = short_conv_naive(x, kernel, carry, valid=valid, resets=resets)
        return sum(np.sum(c * v) for c, v in zip(cotangents, out, strict=True))

    for which, gradient in enumerate(found):
        want = np.zeros(shapes[which])
        for place in np.ndindex(want.shape):
            bumped = [v.copy() for v in inputs]
            bumped[which][place] += 1.0
            want[place] = pulled(*bumped) - pulled(*inputs)
        np.testing.assert_allclose(gradient, want, rtol=1e-11, atol=1e-11)
