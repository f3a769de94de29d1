"""Longhorn against the objective it is the solution of, and against its equations row by row in NumPy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled import call

from alternax.core.errors import InputError
from alternax.layers import Longhorn


@pytest.fixture(scope="module")
def layer() -> Longhorn:
    return Longhorn(3, expand=2, state_dim=4, conv_width=3, delta_rank=2, key=jax.random.key(0))


def silu(v):
    return v / (1 + np.exp(-v))


def parts(weights, past):
    """The input, beta, key and query of a row from the last rows before the convolution."""
    u = silu(np.sum(past * weights.conv, axis=0) + weights.conv_bias)
    rank, n = weights.delta_weight.shape[1], weights.state_dim
    r, k, q = np.split(weights.select_weight @ u, [rank, rank + n])
    return u, 1 / (1 + np.exp(-(weights.delta_weight @ r + weights.delta_bias))), k, q


def test_outputs_equal_the_paper_equations(layer):
    x, weights = np.random.default_rng(0).normal(size=(9, 3)), layer.block
    past, s, want = np.zeros((3, 6)), np.zeros((6, 4)), []
    for x_t in x:
        u, z = np.split(weights.in_weight @ x_t, 2)
        past = np.concatenate([past[1:], u[None]])
        u, beta, k, q = parts(weights, past)
        rate = beta / (1 + beta * (k @ k))
        s = (1 - np.outer(rate, k**2)) * s + np.outer(rate * u, k)
        want.append(weights.out_weight @ ((s @ q + weights.D * u) * silu(z)))
    y, state = call(layer, jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(state.h, s.T, rtol=1e-4, atol=1e-6)


def test_a_row_moves_an_empty_state_to_the_minimum_of_its_objective(layer):
    """With nothing remembered the diagonal cut is exact: the state minimises |s|^2 + beta (s . k - u)^2."""
    x_t = jnp.asarray(np.random.default_rng(1).normal(size=3), jnp.float32)
    u, _ = np.split(layer.block.in_weight @ x_t, 2)
    u, beta, k, _ = parts(layer.block, np.concatenate([np.zeros((2, 6)), u[None]]))
    _, state = layer.step(x_t, layer.init_state())
    for d in range(6):
        minimum = np.linalg.solve(np.eye(4) + beta[d] * np.outer(k, k), beta[d] * u[d] * k)
        np.testing.assert_allclose(state.h[:, d], minimum, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_no_row_can_make_the_state_grow_by_itself(layer):
    """The factor 1 - Delta k^2 lies in [0, 1], however large the key."""
    loud = eqx.tree_at(lambda layer: layer.block.select_weight, layer, 1e4 * layer.block.select_weight)
    silent = eqx.tree_at(lambda layer: layer.block.conv_bias, loud, jnp.full(6, 1.0))
    start = eqx.tree_at(lambda state: state.h, layer.init_state(), jnp.full((4, 6), 1e6))
    _, state = silent(jnp.zeros((30, 3)), start)
    assert np.all(np.abs(state.h) <= 1e6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "Longhorn: dim must be at least 1, found 0"),
        ({"expand": 0}, "Longhorn: expand must be at least 1, found 0"),
        ({"state_dim": 0}, "Longhorn: state_dim must be at least 1, found 0"),
        ({"chunk": 0}, "Longhorn: chunk must be at least 1, found 0"),
    ],
)
def test_refuses_sizes_below_one(options, message):
    with pytest.raises(InputError, match=message):
        Longhorn(options.pop("dim", 3), **options, key=jax.random.key(0))
