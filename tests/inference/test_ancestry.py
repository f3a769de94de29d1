"""Ancestors several rows back against the loop that steps back one row at a time."""

import jax.numpy as jnp
import numpy as np
import pytest

from alternax.inference.ancestry import compose, look_ahead

pytestmark = pytest.mark.float64


def naive_compose(orders: np.ndarray, lag: int) -> np.ndarray:
    """Step back from row t + lag one resampling at a time."""
    rows, particles = orders.shape
    found = np.empty_like(orders)
    for t in range(rows):
        index = np.arange(particles)
        for s in reversed(range(t, min(t + lag, rows))):
            index = orders[s][index]
        found[t] = index
    return found


@pytest.mark.parametrize(("rows", "lag"), [(1, 1), (5, 0), (5, 1), (6, 3), (7, 5), (8, 8), (7, 7), (6, 50)])
def test_ancestors_are_those_of_the_naive_loop(rows, lag):
    orders = np.random.default_rng(rows * 100 + lag).integers(0, 9, size=(rows, 9))
    np.testing.assert_array_equal(compose(jnp.asarray(orders), lag), naive_compose(orders, lag))


def test_rows_that_were_not_seen_are_not_counted():
    """Row 1 is judged by the next two rows seen, 3 and 4; the last rows by what is left of them and the final draw."""
    rng = np.random.default_rng(0)
    orders, final = rng.integers(0, 9, size=(6, 9)), rng.integers(0, 9, size=9)
    seen = np.array([True, True, False, True, True, False])
    orders[~seen] = np.arange(9)
    found = np.asarray(look_ahead(jnp.asarray(orders), jnp.asarray(seen), jnp.asarray(final), 2))
    np.testing.assert_array_equal(found[0], orders[1][orders[3]])
    np.testing.assert_array_equal(found[1], orders[3][orders[4]])
    np.testing.assert_array_equal(found[2], found[1])
    np.testing.assert_array_equal(found[3], orders[4][final])
    np.testing.assert_array_equal(found[4], final)
    np.testing.assert_array_equal(found[5], final)
