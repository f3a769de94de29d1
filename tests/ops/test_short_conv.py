"""Laws of the short convolution that need no double precision: an outside witness, the step, masks, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import lfilter
from untyped import untyped

from alternax.core.errors import InputError
from alternax.ops import short_conv, short_conv_step

LENGTH, DIM, WIDTH = 9, 2, 4


@pytest.fixture(scope="module")
def parts() -> list[jax.Array]:
    rng = np.random.default_rng(0)
    shapes = ((LENGTH, DIM), (WIDTH, DIM), (WIDTH - 1, DIM))
    return [jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in shapes]


def test_equals_a_finite_impulse_response_filter(parts):
    x, kernel, _ = parts
    want = np.stack([lfilter(np.asarray(kernel[::-1, c]), [1.0], np.asarray(x[:, c])) for c in range(DIM)], axis=1)
    np.testing.assert_allclose(short_conv(x, kernel)[0], want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("width", [1, 2, WIDTH])
def test_call_equals_step_by_step(parts, width):
    x, kernel, carry = parts[0], parts[1][:width], parts[2][: width - 1]
    valid, resets = (jnp.asarray([c == "1" for c in flags]) for flags in ("101100101", "000010000"))
    y, carries = short_conv(x, kernel, carry, valid=valid, resets=resets, keep=jnp.arange(LENGTH))
    for t in range(LENGTH):
        before = jnp.zeros_like(carry) if resets[t] else carry
        y_t, after = short_conv_step(x[t], kernel, before)
        carry = after if valid[t] else before
        np.testing.assert_allclose(y[t], y_t, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(carries[t], carry)


def test_rows_that_are_not_taken_in_reach_no_other_row(parts):
    x, kernel, carry = parts
    valid = jnp.asarray([True, False, True, False, False, True, True, False, True])
    junk = jnp.where(valid[:, None], x, jnp.inf)
    y, after = short_conv(x, kernel, carry, valid=valid)
    y_junk, after_junk = short_conv(junk, kernel, carry, valid=valid)
    np.testing.assert_array_equal(y_junk[valid], y[valid])
    np.testing.assert_array_equal(after_junk, after)


def test_keep_takes_any_rows_in_any_order_and_the_last_by_default(parts):
    x, kernel, carry = parts
    _, last = short_conv(x, kernel, carry)
    _, some = short_conv(x, kernel, carry, keep=jnp.array([8, 0, -1]))
    np.testing.assert_array_equal(some, [last, [*carry[1:], x[0]], last])
    np.testing.assert_array_equal(last, x[-3:])


X, KERNEL = np.zeros((5, 3), np.float32), np.zeros((4, 3), np.float32)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((X[:0], KERNEL), {}, r"x must be \(time, dim\) with at least one row, found shape \(0, 3\)"),
        ((X[0], KERNEL), {}, r"found shape \(3,\)"),
        ((X, KERNEL[:, :2]), {}, r"kernel of shape \(width, 3\), found \(4, 2\)"),
        ((X, KERNEL[:0]), {}, r"kernel of shape \(width, 3\), found \(0, 3\)"),
        ((X, KERNEL, KERNEL), {}, r"carry of shape \(width - 1, dim\) = \(3, 3\), found \(4, 3\)"),
        ((X, KERNEL), {"valid": np.ones(4, bool)}, r"valid has shape \(4,\), expected one flag a row, \(5,\)"),
        ((X, KERNEL), {"resets": np.ones((5, 1), bool)}, r"resets has shape \(5, 1\)"),
    ],
)
def test_refuses_what_does_not_fit(arguments, options, message):
    options = {name: jnp.asarray(v) for name, v in options.items()}
    with untyped(), pytest.raises(InputError, match=message):
        short_conv(*(jnp.asarray(v) for v in arguments), **options)
