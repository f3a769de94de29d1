"""The long convolution against its definition to 1e-12: values and gradients, both methods, short and long kernels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alternax.ops import fft_conv, fft_conv_naive

pytestmark = pytest.mark.float64

SHAPES = [(1, 1), (1, 4), (13, 1), (13, 3), (13, 13), (13, 20), (30, 4)]
every_shape = pytest.mark.parametrize(("time", "kernel_time"), SHAPES)
both = pytest.mark.parametrize("method", ["whole", "overlap"])


def draw(time, kernel_time, dim=3):
    rng = np.random.default_rng(time + 100 * kernel_time)
    return rng.normal(size=(time, dim)), rng.normal(size=(kernel_time, dim)), rng.normal(size=(time, dim))


@every_shape
@both
def test_values_equal_the_naive_loop(time, kernel_time, method):
    x, kernel, _ = draw(time, kernel_time)
    found = fft_conv(jnp.asarray(x), jnp.asarray(kernel), method=method)
    np.testing.assert_allclose(found, fft_conv_naive(x, kernel), rtol=1e-12, atol=1e-12)


@every_shape
@both
def test_gradients_are_correlations(time, kernel_time, method):
    x, kernel, cotangent = draw(time, kernel_time)
    pull = jax.vjp(lambda x, kernel: fft_conv(x, kernel, method=method), jnp.asarray(x), jnp.asarray(kernel))[1]
    dx, dkernel = np.zeros_like(x), np.zeros_like(kernel)
    for t in range(time):
        for s in range(min(t + 1, kernel_time)):
            dx[t - s] += kernel[s] * cotangent[t]
            dkernel[s] += x[t - s] * cotangent[t]
    for found, want in zip(pull(jnp.asarray(cotangent)), (dx, dkernel), strict=True):
        np.testing.assert_allclose(found, want, rtol=1e-12, atol=1e-12)


@both
def test_channels_in_several_groups_equal_the_naive_loop(method):
    """A width that is no multiple of the channels taken at once."""
    x, kernel, _ = draw(31, 5, dim=7)
    for channels in (1, 3, 10):
        found = fft_conv(jnp.asarray(x), jnp.asarray(kernel), method=method, channels=channels)
        np.testing.assert_allclose(found, fft_conv_naive(x, kernel), rtol=1e-12, atol=1e-12)


def test_auto_takes_blocks_for_short_kernels_only():
    def primitives(kernel_time, method):
        return str(
            jax.make_jaxpr(lambda x, k: fft_conv(x, k, method=method))(jnp.ones((40, 2)), jnp.ones((kernel_time, 2)))
        )

    assert primitives(10, "auto") == primitives(10, "overlap") != primitives(10, "whole")
    assert primitives(11, "auto") == primitives(11, "whole") != primitives(11, "overlap")


def test_the_gradient_can_be_differentiated_again():
    """The last entry of y, y = sum_s k_s x_{T-1-s}, is bilinear: d/dk of its slope in x is the reversal."""
    x, kernel, _ = (jnp.asarray(v) for v in draw(6, 6, dim=1))
    slope = jax.jacfwd(jax.grad(lambda x, kernel: fft_conv(x, kernel)[-1, 0]), argnums=1)(x, kernel)
    np.testing.assert_allclose(slope.reshape(6, 6), np.eye(6)[::-1], atol=1e-12)
