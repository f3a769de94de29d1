"""Vandermonde and Cauchy sums in single precision: memory, accuracy over long kernels, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from untyped import untyped

from alternax.core.errors import InputError
from alternax.ops.cauchy import cauchy
from alternax.ops.vandermonde import vandermonde, vandermonde_naive

C = jnp.ones((2, 3), jnp.complex64)


def test_memory_is_far_below_all_powers():
    """Length 4,096, 16 channels, 32 states: the gradient takes a small share of length x channels x states."""
    shape = jax.ShapeDtypeStruct((16, 32), jnp.complex64)
    gradient = jax.grad(lambda c, lam: jnp.sum(vandermonde(c, lam, 4096) ** 2), argnums=(0, 1))
    memory = jax.jit(gradient).lower(shape, shape).compile().memory_analysis().temp_size_in_bytes
    assert memory < 0.3 * 4096 * 16 * 32 * 8


def test_long_kernels_keep_single_precision():
    rng = np.random.default_rng(0)
    lam = np.exp(-rng.uniform(1e-4, 1e-2, (2, 3)) + 1j * rng.uniform(0, 3, (2, 3))).astype(np.complex64)
    c = (rng.normal(size=(2, 3)) + 1j * rng.normal(size=(2, 3))).astype(np.complex64)
    want = vandermonde_naive(c.astype(complex), lam.astype(complex), 4096)
    found = vandermonde(jnp.asarray(c), jnp.asarray(lam), 4096)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, want, atol=2e-5 * np.abs(want).max())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: vandermonde(C, C[:1], 4), r"one shape \(channels, state\), found \(2, 3\), \(1, 3\)"),
        (lambda: vandermonde(C, C, 0), "length must be at least 1, found 0"),
        (lambda: cauchy(C, C[:1], C), r"one shape \(channels, state\).*\(1, 3\)"),
        (lambda: cauchy(C, C, C[:1]), r"found \(2, 3\), \(2, 3\) and \(1, 3\)"),
        (lambda: cauchy(C, C, C, chunk=0), "chunk must be at least 1, found 0"),
    ],
)
def test_refuses_what_does_not_fit(call, message):
    with untyped(), pytest.raises(InputError, match=message):
        call()
