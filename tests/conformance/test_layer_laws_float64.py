"""The laws of every layer that need double precision: gradients are those of the values, single is near double."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conformance.layer_runs import LENGTH, Compiled, assert_close, loss, run
from conformance.layers import DIM, LAYERS, OWN_GRADIENT, STRAIGHT_THROUGH, mostly_slow, single

pytestmark = pytest.mark.float64

STEP = 1e-5


def rows(seed):
    rng = np.random.default_rng(seed)
    valid, resets = np.arange(LENGTH) % 5 != 3, np.arange(LENGTH) == 7
    return rng.normal(size=(LENGTH, DIM)), valid, resets, rng.uniform(0.5, 2.0, LENGTH)


@pytest.mark.parametrize("name", mostly_slow(LAYERS.keys() - STRAIGHT_THROUGH, always=OWN_GRADIENT))
def test_gradients_equal_finite_differences(name):
    """Along random directions in every array of weights, in the inputs and in the elapsed times."""
    layer = LAYERS[name](jax.random.key(0))
    weights, rest = eqx.partition(layer, eqx.is_inexact_array)
    x, valid, resets, dt = (jnp.asarray(v) for v in rows(1))
    value = jax.jit(lambda point: loss(run, point[0], rest, point[1], valid, resets, point[2]))
    leaves, structure = jax.tree.flatten((weights, x, dt))
    gradient = jax.tree.leaves(Compiled(layer).gradients(x, valid, resets, dt))
    rng = np.random.default_rng(2)
    for place, leaf in enumerate(leaves):
        direction = rng.normal(size=leaf.shape)
        shifted = [[*leaves[:place], leaf + sign * STEP * direction, *leaves[place + 1 :]] for sign in (1, -1)]
        above, below = (value(jax.tree.unflatten(structure, point)) for point in shifted)
        slope = float(jnp.sum(gradient[place] * direction))
        assert slope == pytest.approx(float(above - below) / (2 * STEP), rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("name", mostly_slow(LAYERS))
def test_single_precision_is_near_double(name):
    layer = LAYERS[name](jax.random.key(0))
    x, valid, resets, dt = rows(3)
    y, states = Compiled(single(layer)).run(x.astype(np.float32), valid, resets, dt.astype(np.float32))
    want = Compiled(layer).run(x, valid, resets, dt)
    assert y.dtype == jnp.float32
    assert_close((y, states), want, 1e-4)
