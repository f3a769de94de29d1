"""The long convolution in single precision: accuracy and its limits, memory, transformations, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from untyped import untyped

from alternax.core.errors import InputError
from alternax.ops import fft_conv, fft_conv_naive
from alternax.ops.fft_conv import fast_length


def test_lengths_are_the_next_even_product_of_small_primes():
    def small(n):
        for prime in (2, 3, 5):
            while n % prime == 0:
                n //= prime
        return n == 1

    even = [n for n in range(2, 2000, 2) if small(n)]
    for least in range(1, 1500):
        assert fast_length(least) == next(n for n in even if n >= least)


def test_error_is_a_few_roundings_of_the_norms_at_any_scale():
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(500, 2)), rng.normal(size=(500, 2))
    want = fft_conv_naive(x, kernel)
    scale = np.linalg.norm(x, axis=0) * np.linalg.norm(kernel, axis=0)
    for size in (1.0, 1e6):
        y = np.asarray(fft_conv(jnp.asarray(size * x, jnp.float32), jnp.asarray(kernel, jnp.float32)))
        assert np.max(np.abs(y / size - want) / scale) < 2e-7


def test_zeros_stay_zeros_until_something_comes_in():
    """What comes later reaches earlier rows by rounding alone, in proportion to its own size."""
    x = jnp.zeros((64, 1)).at[40:].set(1e6)
    y = fft_conv(x, jnp.ones((64, 1)))
    assert np.max(np.abs(y[:40])) < 2e-7 * np.linalg.norm(x) * 8
    np.testing.assert_allclose(y[40:, 0], 1e6 * np.arange(1, 25), rtol=1e-5)


def test_vmap_equals_one_by_one_and_shares_the_kernel():
    rng = np.random.default_rng(1)
    batch, kernel = (
        jnp.asarray(rng.normal(size=(3, 20, 5)), jnp.float32),
        jnp.asarray(rng.normal(size=(20, 5)), jnp.float32),
    )

    def total(kernel, x):
        return jnp.sum(jnp.sin(fft_conv(x, kernel)))

    d_kernel, d_x = jax.grad(lambda k, b: jnp.sum(jax.vmap(total, (None, 0))(k, b)), argnums=(0, 1))(kernel, batch)
    alone = [jax.grad(total, argnums=(0, 1))(kernel, x) for x in batch]
    np.testing.assert_allclose(d_kernel, sum(k for k, _ in alone), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(d_x, jnp.stack([x for _, x in alone]), rtol=1e-4, atol=1e-5)


def test_backward_stores_neither_spectra_nor_padded_copies():
    x = jax.ShapeDtypeStruct((16_384, 64), jnp.float32)
    gradient = jax.grad(lambda x, k: jnp.sum(fft_conv(x, k) ** 2), argnums=(0, 1))
    temporary = jax.jit(gradient).lower(x, x).compile().memory_analysis().temp_size_in_bytes
    assert temporary < 8 * 16_384 * 64 * 4


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_dtype_is_the_promoted_one(dtype):
    y = fft_conv(jnp.ones((3, 2), dtype), jnp.full((2, 2), 0.5, jnp.bfloat16))
    assert y.dtype == dtype
    np.testing.assert_array_equal(y[:, 0], [0.5, 1.0, 1.0])


X = np.zeros((5, 3), np.float32)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((X, X[:, :2]), {}, r"of one dim, found \(5, 3\) and \(5, 2\)"),
        ((X[0], X), {}, r"expected x \(time, dim\).*found \(3,\)"),
        ((X, X[0]), {}, r"expected .*kernel \(kernel_time, dim\).*found \(5, 3\) and \(3,\)"),
        ((X[:0], X), {}, r"at least one row and channel, found \(0, 3\)"),
        ((X, X[:0]), {}, r"at least one row and channel, found \(5, 3\) and \(0, 3\)"),
        ((X, X), {"channels": 0}, "channels must be at least 1, found 0"),
        ((X, X), {"method": "fast"}, "unknown method 'fast'; choose from 'auto', 'whole', 'overlap'"),
    ],
)
def test_refuses_what_does_not_fit(arguments, options, message):
    with untyped(), pytest.raises(InputError, match=message):
        fft_conv(*(jnp.asarray(v) for v in arguments), **options)
