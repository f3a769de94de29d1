"""Values against NumPy's eigenvalues, gradients against finite differences, also where eigenvalues repeat."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alternax.metrics import vendi_score
from alternax.ops.effective_rank import effective_rank

pytestmark = pytest.mark.float64
ORDERS = [0.5, 1.0, 2.0, 3.0, np.inf]


def similarities(rows):
    return jnp.exp(-((rows[:, None] - rows[None]) ** 2).sum(-1) / 4)


@pytest.mark.parametrize("order", ORDERS)
def test_values_and_gradients_by_the_rows_behind_the_similarities(order):
    rng = np.random.default_rng(0)
    rows, direction = jnp.asarray(rng.normal(size=(2, 6, 3)))
    value = jax.jit(lambda rows: effective_rank(similarities(rows) / 6, order))
    assert float(value(rows)) == pytest.approx(float(vendi_score(np.asarray(similarities(rows)), order)), rel=1e-12)
    slope = float(jnp.sum(jax.jit(jax.grad(value))(rows) * direction))
    above, below = (float(value(rows + sign * 1e-5 * direction)) for sign in (1, -1))
    assert slope == pytest.approx((above - below) / 2e-5, rel=1e-7)


@pytest.mark.parametrize("order", ORDERS)
def test_repeated_rows_and_eigenvalues_have_finite_gradients(order):
    rows = jnp.asarray(np.random.default_rng(1).normal(size=(6, 3))).at[3].set(0.0).at[4].set(0.0)
    gradient = jax.jit(jax.grad(lambda rows: effective_rank(similarities(rows) / 6, order)))
    assert np.isfinite(gradient(rows)).all() and np.isfinite(gradient(jnp.zeros((6, 3)))).all()
    if order != np.inf:
        # Equal eigenvalues: any first-order change that keeps the trace leaves the largest value where it is.
        step = jnp.asarray(np.random.default_rng(2).normal(size=(4, 4)))
        step = step + step.T - jnp.eye(4) * 2 * jnp.trace(step) / 4
        slope = jnp.sum(jax.grad(lambda A: effective_rank(A, order))(jnp.eye(4) / 4) * step)
        assert float(slope) == pytest.approx(0.0, abs=1e-12)


def test_many_windows_at_once_are_each_of_them():
    A = jnp.stack([similarities(jnp.asarray(np.random.default_rng(i).normal(size=(5, 2)))) / 5 for i in range(3)])
    together = jax.jit(effective_rank)(A)
    np.testing.assert_allclose(together, [effective_rank(a) for a in A], rtol=1e-12)
