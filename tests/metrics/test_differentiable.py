"""The JAX scores equal the NumPy ones, and their gradients equal finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from alternax import metrics
from alternax.core.errors import InputError
from alternax.metrics import differentiable

pytestmark = pytest.mark.float64

RNG = np.random.default_rng(1)
SAMPLES, TRUTH = RNG.normal(size=(6, 4, 3)), RNG.normal(size=(4, 3))
MASK = RNG.random(TRUTH.shape) < 0.7
MASK[1] = False


def jax_arrays():
    return jnp.array(SAMPLES), jnp.array(TRUTH)


def test_scores_equal_those_in_numpy():
    np.testing.assert_allclose(differentiable.crps(*jax_arrays()), metrics.crps(SAMPLES, TRUTH, axis=()), rtol=1e-6)
    np.testing.assert_allclose(
        differentiable.energy_score(*jax_arrays()), metrics.energy_score(SAMPLES, TRUTH, axis=()), rtol=1e-6
    )
    known = metrics.energy_score(SAMPLES, np.where(MASK, TRUTH, np.nan), axis=())
    np.testing.assert_allclose(
        differentiable.energy_score(*jax_arrays(), jnp.array(MASK)), np.nan_to_num(known), rtol=1e-6
    )


def test_float32_scores_stay_close():
    single = jnp.float32(SAMPLES), jnp.float32(TRUTH)
    for score in (differentiable.crps, differentiable.energy_score):
        assert score(*single).dtype == jnp.float32
        np.testing.assert_allclose(score(*single), score(*jax_arrays()), atol=1e-6)


@pytest.mark.parametrize("name", ["crps", "energy", "masked energy"])
def test_gradients_equal_finite_differences(name):
    score = {
        "crps": lambda x, y: differentiable.crps(x, y).sum(),
        "energy": lambda x, y: differentiable.energy_score(x, y).sum(),
        "masked energy": lambda x, y: differentiable.energy_score(x, y, jnp.array(MASK)).sum(),
    }[name]
    check_grads(jax.jit(score), (jnp.array(SAMPLES), jnp.array(TRUTH)), order=1, modes=("rev",), eps=1e-6, rtol=1e-6)


def test_gradient_is_finite_for_equal_samples_that_hit_the_truth():
    same = jnp.zeros((4, 2, 3))
    for score in (differentiable.crps, differentiable.energy_score):
        gradient = jax.grad(lambda x, score=score: score(x, jnp.zeros((2, 3))).sum())(same)
        assert np.all(np.isfinite(gradient))


def test_one_sample_is_refused():
    for score in (differentiable.crps, differentiable.energy_score):
        with pytest.raises(InputError, match="at least 2 samples, found 1"):
            score(jax_arrays()[0][:1], jax_arrays()[1])
