"""Exact inference against the conditioning of one dense Gaussian, and against particles where that is not written."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from inference.dense import dense
from models.alternator.linear_gaussian import LATENT, OBS, affine, joint

from alternax.core.errors import InputError
from alternax.core.sequence import Sequence
from alternax.inference import kalman_filter, kalman_smoother, particle_filter
from alternax.models import Alternator
from alternax.nets.operator import Operator

LENGTH, DRAWS = 9, 4000
KEY = jax.random.key(0)
pytestmark = pytest.mark.float64


def gappy() -> dict:
    """Rows missing wholly, in part and at the end, uneven times, padding and a new sequence."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(LENGTH, OBS))
    x[2] = x[8] = x[4, 1] = np.nan
    rows = {"valid": np.arange(LENGTH) != 3, "resets": np.arange(LENGTH) == 6, "dt": rng.uniform(0.5, 2, LENGTH)}
    return {"x": x, **rows}


@eqx.filter_jit
def exact(model, seq):
    found = kalman_filter(model.chain(seq, key=KEY))
    return found, *kalman_smoother(found, samples=DRAWS, key=jax.random.key(1))


@pytest.mark.parametrize("flow", ["ou", pytest.param("decay", marks=pytest.mark.slow)])
def test_filter_smoother_and_likelihood_are_those_of_the_dense_gaussian(flow):
    rows, rates = gappy(), np.array([0.4, 1.5])
    model = eqx.tree_at(lambda m: m.decay, affine(flow=flow), jnp.log(jnp.expm1(jnp.asarray(rates))))
    want = dense(**rows, rates=rates, ou=flow == "ou")
    seq = Sequence.build(**{name: jnp.asarray(value) for name, value in rows.items()})
    found, law, draws = exact(model, seq)
    assert float(found.gained.sum()) == pytest.approx(want.log_density(), abs=1e-8)
    assert not np.any(found.gained[~rows["valid"]])
    mean, variance = want.filtered()
    np.testing.assert_allclose(found.after.mean, mean, atol=1e-8)
    np.testing.assert_allclose(found.after.variance, variance, atol=1e-8)
    mean, covariance = want.given()
    np.testing.assert_allclose(law.mean, mean, atol=1e-8)
    np.testing.assert_allclose(law.variance.ravel(), np.diag(covariance), atol=1e-8)
    joint_draws = np.asarray(draws).reshape(DRAWS, -1)
    error = np.sqrt((np.outer(np.diag(covariance), np.diag(covariance)) + covariance**2) / DRAWS)
    assert np.all(np.abs(np.cov(joint_draws.T) - covariance) < 4.5 * error + 1e-8)
    assert np.all(np.abs(joint_draws.mean(0) - mean.ravel()) < 4 * np.sqrt(np.diag(covariance) / DRAWS) + 1e-8)


@pytest.mark.slow
def test_likelihood_of_complete_series_is_that_of_the_joint_law_of_the_observations():
    x = np.random.default_rng(3).normal(size=(LENGTH, OBS))
    found, *_ = exact(affine(), Sequence.build(jnp.asarray(x)))
    assert float(found.gained.sum()) == pytest.approx(joint(LENGTH).log_density(x), abs=1e-9)


PATTERNS = Operator(np.array([[0.6, -0.5, 0.4], [0.3, 0.8, 0.2]]))
VARIANTS = {
    "more latents than columns": {"latent_dim": 5},
    "lowrank with context and lru": {"noise": "lowrank", "rank": 2, "context": 2, "ftn": "lru"},
    "patterns": {"operator": PATTERNS, "noise": "lowrank", "residual": "carry"},
    "alpha by the rows": {"alpha": "vendi"},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_any_ftn_and_any_gaussian_noise_agree_with_particles(name):
    settings = {"latent_dim": 3, "ftn": "mlp", "otn": "affine", "noise": "learned", "width": 4, "depth": 1}
    model = Alternator(3, **(settings | VARIANTS[name]), sigma_z=0.4, sigma_x=0.8, key=jax.random.key(2))
    x = 0.5 * np.random.default_rng(1).normal(size=(LENGTH, 3)).cumsum(0)
    x[3], x[5, 1] = np.nan, np.nan
    chain = model.chain(Sequence.build(jnp.asarray(x)), key=KEY)
    assert chain.linear
    found = eqx.filter_jit(kalman_filter)(chain)
    run = eqx.filter_jit(jax.vmap(lambda key: particle_filter(chain, particles=2000, key=key)))(
        jax.random.split(jax.random.key(3), 16)
    )
    ratio = np.exp(np.asarray(run.gained.sum(1) - found.gained.sum()))
    error = ratio.std(ddof=1) / 4
    off = np.abs(run.mean.mean(0) - found.after.mean) / (run.mean.std(0, ddof=1) / 4)
    print(f"{name}: ratio {ratio.mean():.4f} +- {error:.4f}; largest {off.max():.2f} standard errors of the mean")
    assert error < 0.1 and abs(ratio.mean() - 1) < 4 * error
    assert off.max() < 5


@pytest.mark.slow
def test_without_latent_noise_and_with_a_flow_that_forgets_everything_it_stays_finite():
    """z then shrinks below the smallest number, where gains of the smoother are 0 / 0."""
    model = affine(sigma_z=0.0, flow="decay")
    model = eqx.tree_at(lambda m: m.decay, model, jnp.full(LATENT, 1000.0))
    _, law, draws = exact(model, Sequence.build(jnp.ones((LENGTH, OBS))))
    assert np.isfinite(law.mean).all() and np.isfinite(draws).all()
    np.testing.assert_allclose(law.variance, 0.0, atol=1e-12)


def test_a_latent_that_is_not_linear_is_refused():
    model, seq = affine(noise="state"), Sequence.build(jnp.zeros((3, OBS)))
    with pytest.raises(InputError, match="not linear and Gaussian given the rows: no exact inference"):
        jax.eval_shape(lambda: kalman_filter(model.chain(seq, key=KEY)).gained)
