"""S4D against the equations of its paper in NumPy, its memory in continuous time, extremes, refusals."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from untyped import untyped

from alternax.core.errors import InputError
from alternax.layers import S4D


def paper(layer, x, dt):
    """Row by row, with the discretisations written out."""
    rates = -np.exp(np.float64(layer.decay_log)) + 1j * np.float64(layer.frequency)
    c, h, out = layer.C[0] + 1j * layer.C[1], np.zeros((layer.dim, layer.pairs), complex), []
    for x_t, dt_t in zip(x, dt, strict=True):
        delta = dt_t * np.exp(np.float64(layer.step_log))[:, None]
        if layer.discretisation == "zoh":
            factor, gain = np.exp(delta * rates), (np.exp(delta * rates) - 1) / rates
        else:
            factor, gain = (1 + delta * rates / 2) / (1 - delta * rates / 2), delta / (1 - delta * rates / 2)
        h = factor * h + gain * x_t[:, None]
        out.append(2 * np.sum(c * h, axis=-1).real + np.asarray(layer.D) * x_t)
    return np.array(out), np.stack([h.real, h.imag])


@pytest.mark.parametrize(("start", "discretisation"), [("lin", "zoh"), ("inv", "bilinear"), ("legs", "zoh")])
def test_outputs_equal_the_paper_equations(start, discretisation):
    layer = S4D(3, state_dim=8, start=start, discretisation=discretisation, key=jax.random.key(0))
    rng = np.random.default_rng(0)
    x, dt = rng.normal(size=(9, 3)), rng.uniform(0.5, 2.0, 9)
    want, state = paper(layer, x, dt)
    y, last = layer(jnp.asarray(x, jnp.float32), dt=jnp.asarray(dt, jnp.float32))
    np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(last, state, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_zero_order_hold_does_not_see_how_a_constant_input_is_cut():
    """One row of two steps is two rows of one step each: time gaps are exact."""
    layer = S4D(3, state_dim=8, key=jax.random.key(1))
    x = jnp.asarray(np.random.default_rng(1).normal(size=(4, 3)), jnp.float32)
    _, once = layer(x, dt=jnp.array([1.0, 3.0, 1.0, 2.0]))
    _, cut = layer(jnp.repeat(x, jnp.array([1, 3, 1, 2]), axis=0))
    np.testing.assert_allclose(once, cut, rtol=1e-5, atol=1e-6)


SLOW = pytest.mark.slow
EXTREME = [("zoh", 0.0), ("bilinear", 1e-6), ("zoh", 1e3)]
OTHERS = [pytest.param(*case, marks=SLOW) for case in (("bilinear", 0.0), ("zoh", 1e-6), ("bilinear", 1e3))]


@pytest.mark.parametrize(("discretisation", "dt"), EXTREME + OTHERS)
def test_extreme_times_stay_finite_and_exact(dt, discretisation):
    layer = S4D(2, state_dim=4, discretisation=discretisation, key=jax.random.key(2))
    x = np.ones((3, 2))
    value_and_gradient = eqx.filter_value_and_grad(lambda layer, dt: jnp.mean(layer(jnp.ones((3, 2)), dt=dt)[0] ** 2))
    for leaf in jax.tree.leaves(eqx.filter_jit(value_and_gradient)(layer, jnp.full(3, dt))):
        assert np.isfinite(leaf).all()
    want, state = paper(layer, x, np.full(3, np.float32(dt)))
    y, last = layer(jnp.asarray(x, jnp.float32), dt=jnp.full(3, dt))
    np.testing.assert_allclose(y, want, rtol=2e-3, atol=2e-5)
    np.testing.assert_allclose(last, state, rtol=2e-3, atol=1e-12 if dt < 1 else 1e-4)


@pytest.mark.slow
def test_backward_memory_does_not_hold_all_states():
    layer = S4D(32, state_dim=32, key=jax.random.key(3))
    weights, rest = eqx.partition(layer, eqx.is_inexact_array)

    def loss(weights, x, resets):
        return jnp.sum(eqx.combine(weights, rest)(x, resets=resets)[0] ** 2)

    x = jax.ShapeDtypeStruct((2048, 32), jnp.float32)
    states = 2048 * 32 * 32 * 4
    for resets in (None, jax.ShapeDtypeStruct((2048,), jnp.bool_)):
        compiled = jax.jit(jax.grad(loss)).lower(weights, x, resets).compile()
        assert compiled.memory_analysis().temp_size_in_bytes < 0.5 * states


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "S4D: dim must be at least 1, found 0"),
        ({"state_dim": 0}, "S4D: state_dim must be at least 1, found 0"),
        ({"state_dim": 5}, "S4D: state_dim=5 must be even"),
        ({"start": "random"}, "S4D: unknown start 'random'; choose from .*'legs'"),
        ({"discretisation": "euler"}, "S4D: unknown discretisation 'euler'; choose from"),
        ({"method": "slow"}, "S4D: unknown method 'slow'; choose from .*'chunked'"),
        ({"step_min": 0.0}, "step sizes 0 < smallest <= largest, found 0.0 and 0.1"),
    ],
)
def test_refuses_what_cannot_be(options, message):
    with untyped(), pytest.raises(InputError, match=message):
        S4D(options.pop("dim", 3), **options, key=jax.random.key(0))
