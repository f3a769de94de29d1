"""S4, DSS and GSS in single precision: the forms agree over long sequences, extremes, GSS's equations, refusals."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from untyped import untyped

from alternax.core.errors import InputError
from alternax.layers import DSS, GSS, S4
from alternax.layers.low_rank import LowRankBank
from alternax.ops.hippo import hippo_basis, normal_plus_low_rank

X = jnp.asarray(np.random.default_rng(0).normal(size=(300, 3)), jnp.float32)


@pytest.mark.slow
@pytest.mark.parametrize("layer", [S4, DSS])
def test_convolution_and_loop_agree_over_many_chunks(layer):
    by_form = [
        layer(3, state_dim=8, step_min=0.01, method=method, key=jax.random.key(0))(X)
        for method in ("scan", "chunked", "fft")
    ]
    for y, state in by_form[1:]:
        np.testing.assert_allclose(y, by_form[0][0], rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(state, by_form[0][1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("dt", [1e-6, 1e3])
@pytest.mark.parametrize(
    "layer",
    [
        S4(2, state_dim=4, measure="legt", key=jax.random.key(1)),
        DSS(2, state_dim=3, kernel="softmax", key=jax.random.key(1)),
        GSS(2, state_dim=3, key=jax.random.key(1)),
    ],
    ids=["s4", "dss", "gss"],
)
def test_extreme_times_stay_finite(layer, dt):
    value_and_gradient = eqx.filter_value_and_grad(lambda layer, dt: jnp.mean(layer(jnp.ones((9, 2)), dt=dt)[0] ** 2))
    for leaf in jax.tree.leaves(eqx.filter_jit(value_and_gradient)(layer, jnp.full(9, dt))):
        assert np.isfinite(leaf).all()


def test_s4_remembers_what_legs_remembers():
    """HiPPO's own functions read a slow signal back from the state, with no training."""
    layer = S4(1, state_dim=16, step_min=1.0, step_max=1.0, key=jax.random.key(2))
    x = np.sin(np.linspace(0.0, 1.0, 400))
    _, state = layer(jnp.asarray(x, jnp.float32)[:, None], dt=jnp.full(400, 0.05))
    V = normal_plus_low_rank("legs", 16).vectors
    coefficients = 2 * (V @ np.asarray(state[0, 0] + 1j * state[1, 0])).real
    # With A and B and no 1/t the measure is exponential: position p is the time exp(age) ago (arXiv 2206.12037).
    ages = np.array([0.1, 0.5, 1.0])
    want = x[-1 - np.round(ages / 0.05).astype(int)]
    np.testing.assert_allclose(hippo_basis("legs", 16, np.exp(-ages)) @ coefficients, want, atol=0.01)


@pytest.mark.slow
def test_gss_equals_its_equations():
    layer = GSS(4, inner_dim=2, gate_dim=5, state_dim=3, key=jax.random.key(3))
    x = np.random.default_rng(1).normal(size=(6, 4))
    gelu = lambda v: np.asarray(jax.nn.gelu(jnp.asarray(v, jnp.float32)))  # noqa: E731
    v, u = gelu(x @ layer.gate.T), gelu(x @ layer.reduce.T)
    rates = -np.exp(layer.decay_log) + 1j * np.exp(layer.frequency_log)
    weight = (layer.C[0] + 1j * layer.C[1]) * (np.exp(rates) - 1) / rates
    kernel = np.array([(weight @ np.exp(rates * k)).real for k in range(6)])
    y = np.array([sum(kernel[k] * u[t - k] for k in range(t + 1)) for t in range(6)]) + layer.D * u
    want = ((y @ layer.expand.T) * v) @ layer.out.T
    np.testing.assert_allclose(layer(jnp.asarray(x, jnp.float32))[0], want, rtol=1e-4, atol=1e-5)


def test_gss_runs_in_a_quarter_of_the_width():
    layer = GSS(8, state_dim=3, key=jax.random.key(4))
    assert layer.init_state().shape == (2, 2, 3) and layer.gate.shape == (32, 8)


@pytest.mark.parametrize(
    ("layer", "options", "message"),
    [
        (S4, {"dim": 0}, "S4: dim must be at least 1, found 0"),
        (S4, {"state_dim": 3}, "S4: state_dim=3 must be even"),
        (S4, {"measure": "lagt"}, "unknown measure 'lagt'; choose from .*'legs'"),
        (S4, {"method": "slow"}, "S4: unknown method 'slow'"),
        (DSS, {"state_dim": 0}, "DSS: state_dim must be at least 1, found 0"),
        (DSS, {"length": 0}, "DSS: length must be at least 1, found 0"),
        (DSS, {"kernel": "tanh"}, "DSS: unknown kernel 'tanh'; choose from .*'softmax'"),
        (DSS, {"method": "slow"}, "DSS: unknown method 'slow'"),
        (GSS, {"inner_dim": 0}, "GSS: inner_dim must be at least 1, found 0"),
        (GSS, {"dim": 0}, "GSS: dim must be at least 1, found 0"),
        (GSS, {"method": "slow"}, "GSS: unknown method 'slow'"),
    ],
)
def test_refuses_what_cannot_be(layer, options, message):
    with untyped(), pytest.raises(InputError, match=message):
        layer(options.pop("dim", 3), **options, key=jax.random.key(0))


def test_low_rank_is_one_or_two():
    bank = S4(1, state_dim=4, key=jax.random.key(0)).bank()
    wide = LowRankBank(bank.rates, jnp.repeat(bank.P, 3, axis=0), bank.inputs, bank.outputs, bank.step)
    with pytest.raises(InputError, match="P of rank 1 or 2, found rank 3"):
        wide.discretised(None)
