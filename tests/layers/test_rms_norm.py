"""The norm against its definition where that can be computed, and finite where it cannot."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alternax.layers.rms_norm import rms_norm


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
def test_equals_the_definition(gated, groups):
    rng = np.random.default_rng(0)
    v, gate = rng.normal(size=(5, 6)) * 10.0 ** rng.integers(-4, 8, (5, 1)), rng.normal(size=(5, 6))
    weight = np.arange(6.0)
    single = [jnp.asarray(a, jnp.float32) for a in (v, weight, gate)]
    found = rms_norm(*single[:2], gate=single[2] if gated else None, groups=groups)
    product = (v * gate if gated else v).reshape(5, groups, -1)
    want = (product / np.sqrt(np.mean(product**2, axis=-1, keepdims=True) + 1e-5)).reshape(5, 6) * weight
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("size", "gate"), [(1e30, 1e30), (1e30, 0.0), (0.0, 0.0), (1e-30, 1e-30), (1e30, 1e-30)])
def test_values_and_gradients_are_finite_at_any_size(size, gate):
    v, gates = jnp.array([[size, 0.0], [-size, size / 2]]), jnp.array([[0.0, gate], [gate, 0.0]])
    value_and_gradient = jax.value_and_grad(lambda v, gates: jnp.sum(rms_norm(v, jnp.ones(2), gate=gates)), (0, 1))
    for leaf in jax.tree.leaves(value_and_gradient(v, gates)):
        assert np.isfinite(leaf).all()
