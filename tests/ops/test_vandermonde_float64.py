"""Vandermonde and Cauchy sums against their definitions: values and gradients in double precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alternax.ops.cauchy import cauchy, cauchy_naive
from alternax.ops.vandermonde import vandermonde, vandermonde_naive

pytestmark = pytest.mark.float64

SHAPE = (3, 4)


def draw(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) + 1j * rng.normal(size=shape) for shape in shapes]


def draw_stable(seed):
    """Weights and bases, one of them zero and one on the unit circle."""
    c, lam = draw(seed, SHAPE, SHAPE)
    lam = lam / np.abs(lam) * np.random.default_rng(seed).uniform(0.3, 1.0, SHAPE)
    lam[0, 0], lam[1, 1] = 0.0, np.exp(1j)
    return jnp.asarray(c), jnp.asarray(lam)


@pytest.mark.parametrize("length", [1, 2, 15, 16, 50])
def test_vandermonde_equals_the_naive_loop(length):
    c, lam = draw_stable(length)
    want = vandermonde_naive(np.asarray(c), np.asarray(lam), length)
    np.testing.assert_allclose(vandermonde(c, lam, length), want, rtol=1e-12, atol=1e-13)


def test_vandermonde_gradients_equal_those_of_the_sum():
    """The derivatives of Re(c lambda^l) written out: g lambda^l and g c l lambda^{l-1}, not conjugated in JAX."""
    length = 21
    c, lam = draw_stable(0)
    g = np.random.default_rng(1).normal(size=(length, SHAPE[0]))
    found = jax.vjp(lambda c, lam: vandermonde(c, lam, length), c, lam)[1](jnp.asarray(g))
    rows = np.arange(length)[:, None, None]
    c, lam = np.asarray(c), np.asarray(lam)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(rows == 0, 0.0, rows * lam ** np.maximum(rows - 1, 0))
    np.testing.assert_allclose(found[0], np.sum(g[..., None] * lam**rows, axis=0), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(found[1], np.sum(g[..., None] * c * slope, axis=0), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("chunk", [1, 3, 7, 256])
def test_cauchy_equals_the_naive_loop_and_its_gradients(chunk):
    c, lam, z, g = draw(2, SHAPE, SHAPE, (3, 7), (3, 7))
    z = z + 5.0
    arrays = [jnp.asarray(v) for v in (c, lam, z)]
    found, pull = jax.vjp(lambda *a: cauchy(*a, chunk=chunk), *arrays)
    np.testing.assert_allclose(found, cauchy_naive(c, lam, z), rtol=1e-12)
    over = 1 / (z[:, :, None] - lam[:, None])
    dc, dlam, dz = pull(jnp.asarray(g))
    np.testing.assert_allclose(dc, np.sum(g[..., None] * over, axis=1), rtol=1e-11)
    np.testing.assert_allclose(dlam, np.sum(g[..., None] * c[:, None] * over**2, axis=1), rtol=1e-11)
    np.testing.assert_allclose(dz, -np.sum(g[..., None] * c[:, None] * over**2, axis=2), rtol=1e-11)
