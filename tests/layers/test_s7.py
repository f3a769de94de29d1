"""S7 against the equations of its paper, row by row in NumPy with every matrix formed, and its stability."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compiled import call

from alternax.core.errors import InputError
from alternax.layers import S7


@pytest.fixture(scope="module")
def layer() -> S7:
    layer = S7(3, state_dim=5, key=jax.random.key(0))
    return eqx.tree_at(lambda v: v.D_weight, layer, 0.3 * jax.random.normal(jax.random.key(1), (3, 3)))


def test_outputs_equal_the_paper_equations(layer):
    x, h, want = np.random.default_rng(0).normal(size=(9, 3)), np.zeros(5), []
    for x_t in x:
        Lambda = 1 - 1 / ((layer.w + layer.w_weight @ x_t) ** 2 + 0.5)
        B, C, D = layer.B + layer.B_weight @ x_t, layer.C + layer.C_weight @ x_t, layer.D + layer.D_weight @ x_t
        h = Lambda * h + B @ x_t
        o = C @ h + D * x_t
        gelu = [v * 0.5 * (1 + math.erf(v / math.sqrt(2))) for v in o]
        want.append(o / (1 + np.exp(-layer.gate_weight @ np.array(gelu))))
    y, state = call(layer, jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(state, h, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e6])
def test_the_state_never_grows_by_itself(layer, scale):
    """Whatever the weights and the rows are, the factor stays in [-1, 1]: without B the state can only shrink."""
    wild = eqx.tree_at(lambda v: (v.w, v.w_weight), layer, (scale * layer.w, scale * layer.w_weight))
    silent = eqx.tree_at(lambda v: (v.B, v.B_weight), wild, (0 * layer.B, 0 * layer.B_weight))
    x = 10 * jax.random.normal(jax.random.key(2), (40, 3))
    _, states = silent(x, jnp.ones(5), keep=jnp.arange(40))
    assert np.all(np.abs(states) <= 1 + 1e-6)


@pytest.mark.slow
def test_memories_start_between_two_rows_and_the_longest():
    layer = S7(1, state_dim=4000, longest=200.0, key=jax.random.key(3))
    rows = np.log(layer.w**2 + 0.5)
    assert rows.min() >= math.log(2) - 1e-4 and rows.max() <= math.log(200) + 1e-4
    assert np.mean(rows) == pytest.approx(math.log(20), abs=4 * math.log(100) / math.sqrt(12 * 4000))


@pytest.mark.slow
def test_what_a_row_writes_depends_on_the_row(layer):
    """Selective: twice the input is not twice the state."""
    x = jnp.asarray(np.random.default_rng(1).normal(size=(6, 3)), jnp.float32)
    once, twice = call(layer, x)[1], call(layer, 2 * x)[1]
    assert np.max(np.abs(twice - 2 * once)) > 1e-2 * np.max(np.abs(once))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "S7: dim must be at least 1, found 0"),
        ({"state_dim": 0}, "S7: state_dim must be at least 1, found 0"),
        ({"longest": 1.0}, "S7: longest must be at least 2 rows and finite, found 1.0"),
        ({"longest": math.inf}, "longest must be at least 2 rows and finite, found inf"),
    ],
)
def test_refuses_an_empty_or_forgetful_start(options, message):
    with pytest.raises(InputError, match=message):
        S7(options.pop("dim", 3), **options, key=jax.random.key(0))
