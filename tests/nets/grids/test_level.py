"""Convolutions on a grid with land: equal to loops over its valid cells, deaf to what stands on land."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alternax.nets.grids.grid import Grid
from alternax.nets.grids.level import Block, Convolution, Level, doubled, halved

LAT, LON, IN, OUT, ROWS = 3, 5, 2, 4, 2
SEA = np.array([[1, 1, 0, 1, 0], [1, 0, 0, 1, 1], [0, 1, 1, 1, 1]], bool)
KEY = jax.random.key(0)
X = np.random.default_rng(0).normal(size=(ROWS, LAT, LON, IN)).astype(np.float32)
convolved = jax.jit(lambda layer, x, level: layer(x, level))


def by_loops(layer, x, periodic):
    """At each valid cell, over the valid cells around it."""
    kernel, bias = np.asarray(layer.kernel, float), np.asarray(layer.bias, float)
    y = np.zeros((ROWS, LAT, LON, OUT))
    for i, j in np.argwhere(SEA):
        total, valid = np.zeros((ROWS, OUT)), 0
        for di in range(3):
            for dj in range(3):
                a, b = i + di - 1, j + dj - 1
                b = b % LON if periodic else b
                if 0 <= a < LAT and 0 <= b < LON and SEA[a, b]:
                    total, valid = total + x[:, a, b] @ kernel[di, dj], valid + 1
        y[:, i, j] = total * 9 / valid + bias
    return y


@pytest.mark.parametrize("periodic", [False, True])
def test_equals_loops_over_valid_cells(periodic):
    level, layer = Level(Grid.of_mask(SEA, periodic=periodic)), Convolution(IN, OUT, key=KEY)
    want = by_loops(layer, X, periodic)
    np.testing.assert_allclose(convolved(layer, X, level), want, rtol=1e-4, atol=1e-5)
    dirty = np.where(SEA[..., None], X, 1e6).astype(np.float32)
    np.testing.assert_array_equal(convolved(layer, dirty, level), convolved(layer, X, level))


def test_a_mean_of_a_constant_field_is_the_same_at_the_coast_and_in_the_open_sea():
    level, layer = Level(Grid.of_mask(SEA)), Convolution(IN, OUT, key=KEY)
    layer = eqx.tree_at(lambda m: m.kernel, layer, jnp.full_like(layer.kernel, 1 / (9 * IN)))
    y = np.asarray(convolved(layer, jnp.full((ROWS, LAT, LON, IN), 7.0), level))
    np.testing.assert_allclose(y[:, SEA], np.broadcast_to(7.0 + layer.bias, y[:, SEA].shape), rtol=1e-5)
    assert not y[:, ~SEA].any()


def test_halves_by_means_over_valid_cells_and_doubles_by_repeating():
    level = Level(Grid.of_mask(SEA))
    low = np.asarray(jax.jit(halved)(np.where(SEA[..., None], X, 1e6).astype(np.float32), level))
    back = np.asarray(jax.jit(doubled)(low, level))
    assert low.shape == (ROWS, 2, 3, IN) and back.shape == X.shape
    for i in range(low.shape[1]):
        for j in range(low.shape[2]):
            part = np.s_[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            want = X[:, part[0], part[1]][:, SEA[part]].mean(1) if SEA[part].any() else np.zeros((ROWS, IN))
            np.testing.assert_allclose(low[:, i, j], want, rtol=1e-5, atol=1e-6)
            repeated = np.where(SEA[part][..., None], low[:, i, j][:, None, None], 0.0)
            np.testing.assert_array_equal(back[:, part[0], part[1]], repeated)


def test_a_block_adds_its_convolutions_one_after_the_other():
    level, block = Level(Grid.of_mask(SEA)), Block(OUT, 2, key=KEY)
    x = jnp.asarray(np.repeat(X, 2, -1))
    first, second = block.convolutions
    middle = x + convolved(first, jax.nn.gelu(x), level)
    want = middle + convolved(second, jax.nn.gelu(middle), level)
    np.testing.assert_allclose(convolved(block, x, level), want, rtol=1e-5, atol=1e-6)
    assert not np.allclose(first.kernel, second.kernel)
