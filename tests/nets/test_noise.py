"""Kinds of noise against scipy, and their refusals where a model's own tests do not meet them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from alternax.core.emission import observed_log_prob
from alternax.nets.noise import LEAST_FREEDOM, SCALE_FLOOR, Noise

KEY, DRAWS = jax.random.key(0), 20000


def noise(kind: str) -> Noise:
    return Noise(kind, 2, 0.5, 1, None, KEY)


@pytest.mark.float64
def test_student_noise_is_scipys_t_with_scales_from_the_network():
    law = eqx.tree_at(lambda n: n.log_freedom, noise("student"), jnp.array([0.0, 1.5]))
    raw, loc, gain = jnp.array([0.3, -0.4]), jnp.array([1.0, -2.0]), jnp.array([3.0, 0.5])
    x, freedom = jnp.array([2.0, -1.0]), LEAST_FREEDOM + np.exp([0.0, 1.5])
    # softplus(raw + softplus^-1(0.5 - floor)) + floor: 0.5 where the network is silent.
    scale = np.log1p(np.exp(raw + np.log(np.expm1(0.5 - SCALE_FLOOR)))) + SCALE_FLOOR
    emission = law.emission(loc, law.scale(raw), gain)
    for seen in ([True, True], [False, True]):
        want = stats.t.logpdf(x, freedom, loc, gain * scale)[seen].sum()
        assert float(observed_log_prob(emission, x, jnp.array(seen))) == pytest.approx(want, rel=1e-12)
    np.testing.assert_allclose(law.scale(jnp.zeros(2)), 0.5, rtol=1e-12)


def test_student_draws_have_its_variance_and_heavier_tails_than_a_normal():
    law = noise("student")
    draws = np.asarray(law.emission(jnp.zeros(2), jnp.ones(2), jnp.ones(2)).sample(KEY, (DRAWS,)))
    assert np.all(np.abs(draws.var(0) - 10 / 8) < 4 * 10 / 8 * np.sqrt((4 - 1) / DRAWS))
    assert np.all(stats.kurtosis(draws) > 0.5)


def test_only_kinds_whose_scale_depends_on_the_state_ask_the_network_for_it():
    kinds = ("paper", "learned", "state", "student", "lowrank")
    assert {kind: noise(kind).out_dim for kind in kinds} == dict(zip(kinds, (0, 0, 2, 2, 0), strict=True))
