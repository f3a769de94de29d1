"""LTC against ncps on the same weights with time gaps, and its solver against a fine Euler solution of the equation."""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

from alternax.core.errors import InputError
from alternax.layers import LTC

GOLDEN = {
    k: jnp.asarray(v) for k, v in load_file(Path(__file__).parents[1] / "golden" / "layers" / "ltc.safetensors").items()
}


def test_equals_ncps_on_the_same_weights():
    def places(layer):
        groups = [v for s in (layer.inputs, layer.neurons) for v in (s.weight, s.slope, s.threshold, s.reversal)]
        return [layer.capacity, layer.leak, layer.rest, *groups, layer.input_map, layer.output_map]

    parts = ("w", "sigma", "mu", "erev")
    values = [
        *(GOLDEN[name] for name in ("cm", "gleak", "vleak")),
        *(GOLDEN[prefix + name] for prefix in ("sensory_", "") for name in parts),
        *(jnp.stack([GOLDEN[f"{side}_w"], GOLDEN[f"{side}_b"]]) for side in ("input", "output")),
    ]
    layer = eqx.tree_at(places, LTC(4, key=jax.random.key(0)), values)
    y, _ = layer(GOLDEN["x"], dt=GOLDEN["dt"])
    np.testing.assert_allclose(y, GOLDEN["y"], rtol=1e-5, atol=1e-5)


def slope(layer, x_t, v):
    """dv/dt of the module's first equation, in NumPy."""
    soft = lambda a: np.log1p(np.exp(np.asarray(a, float)))  # noqa: E731
    total = soft(layer.leak) * (layer.rest - v)
    for synapses, source in ((layer.inputs, x_t), (layer.neurons, v)):
        open_ = 1 / (1 + np.exp(-synapses.slope * (source[:, None] - synapses.threshold)))
        total = total + np.sum(soft(synapses.weight) * open_ * (synapses.reversal - v), axis=0)
    return total / soft(layer.capacity)


@pytest.mark.slow
def test_solver_is_of_first_order():
    """Against 20,000 Euler steps: the error halves when the substeps double."""
    x_t, errors = np.array([0.3, -1.0, 0.8]), []
    base = LTC(3, key=jax.random.key(1))
    v = np.zeros(3)
    for _ in range(20_000):
        v = v + slope(base, x_t, v) / 20_000
    for substeps in (16, 32):
        y, _ = LTC(3, substeps=substeps, key=jax.random.key(1)).step(jnp.asarray(x_t, jnp.float32), jnp.zeros(3))
        errors.append(np.abs(y - v).max())
    assert errors[0] < 0.05
    assert errors[0] / errors[1] == pytest.approx(2.0, abs=0.3)


def test_potentials_stay_between_the_reversal_potentials():
    """However long the gap: the solver is implicit."""
    layer = LTC(3, key=jax.random.key(2))
    x = jnp.asarray(np.random.default_rng(0).normal(size=(50, 3)) * 100, jnp.float32)
    for dt in (0.0, 1e-6, 1.0, 1e3):
        y, _ = layer(x, dt=jnp.full(50, dt))
        assert np.isfinite(y).all() and np.abs(y).max() <= 1 + 1e-5


def test_no_time_no_change():
    v = jnp.array([0.1, -0.4, 0.9])
    _, after = LTC(3, key=jax.random.key(0))(jnp.ones((1, 3)), v, dt=jnp.zeros(1))
    np.testing.assert_allclose(after, v, rtol=1e-6)


@pytest.mark.parametrize("options", [{"dim": 0}, {"substeps": 0}])
def test_refuses_no_size(options):
    with pytest.raises(InputError, match=f"LTC: {next(iter(options))} must be at least 1, found 0"):
        LTC(options.pop("dim", 3), **options, key=jax.random.key(0))


def test_the_gradient_keeps_a_few_numbers_a_row():
    """The solver's steps are taken again in the backward pass; kept, they would be some 1,200 numbers a neuron."""
    length, layer = 512, LTC(8, key=jax.random.key(0))
    gradient = eqx.filter_jit(eqx.filter_grad(lambda layer, x: jnp.sum(layer(x)[0] ** 2)))
    compiled = gradient.lower(layer, jnp.ones((length, 8))).compile().compiled
    assert compiled.memory_analysis().temp_size_in_bytes < 16 * 4 * length * 8
