"""An affine Alternator is a linear-Gaussian model: its likelihood bounds and its paths against the exact joint law."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from models.alternator.linear_gaussian import OBS, affine, elbo, joint

from alternax.core.sequence import Sequence
from alternax.fit.objectives import Elbo

LENGTH, REPLICATES, PATHS = 6, 400, 4000
pytestmark = pytest.mark.float64


@pytest.fixture(scope="module")
def series() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(LENGTH, OBS))


@pytest.fixture(scope="module")
def bound(series):
    """Log-likelihood bounds of the whole series with K particles, one per replicate, and their gradients in f."""
    model, seq = affine(), Sequence.build(jnp.asarray(series))

    @functools.cache
    def bound(particles, replicates=REPLICATES):
        def value(shift, key):
            moved = eqx.tree_at(lambda m: m.otn.net.bias, model, model.otn.net.bias + shift)
            return -Elbo(particles)(moved, seq, key=key) * series.size

        run = jax.jit(jax.vmap(jax.value_and_grad(value), in_axes=(None, 0)))
        return tuple(
            np.asarray(v) for v in run(jnp.zeros(OBS), jax.random.split(jax.random.key(particles), replicates))
        )

    return bound


def test_one_sample_bound_has_the_closed_form_mean_below_the_likelihood(series, bound):
    found, exact = bound(1)[0], elbo(series)
    assert abs(found.mean() - exact) < 4 * found.std() / np.sqrt(REPLICATES)
    assert exact < joint(LENGTH).log_density(series)


def test_more_particles_bring_the_bound_closer_to_the_likelihood_from_below(series, bound):
    likelihood = joint(LENGTH).log_density(series)
    many = bound(64)[0]
    error = many.std() / np.sqrt(REPLICATES)
    print(f"log p {likelihood:.3f}, K=1 {bound(1)[0].mean():.3f}, K=64 {many.mean():.3f} +- {error:.3f}")
    assert bound(1)[0].mean() < many.mean() < likelihood + 4 * error
    assert likelihood - many.mean() < 0.2 * (likelihood - elbo(series))
    assert np.exp(many - likelihood).mean() == pytest.approx(1.0, abs=4 * np.exp(many - likelihood).std() / 20)


def test_gradient_of_the_bound_points_where_the_likelihood_grows(series, bound):
    """In the bias of f; with K = 1024 particles the bound is all but the likelihood."""
    step = 1e-5
    moved = lambda shift: joint(LENGTH, shift=shift).log_density(series)  # noqa: E731
    exact = np.array([moved(step * e) - moved(-step * e) for e in np.eye(OBS)]) / (2 * step)
    found = bound(1024, 100)[1].mean(0)
    print("gradient", found.round(3), "exact", exact.round(3))
    assert found @ exact / np.linalg.norm(found) / np.linalg.norm(exact) > 0.98
    assert np.linalg.norm(found) == pytest.approx(np.linalg.norm(exact), rel=0.1)


def test_paths_have_the_exact_mean_and_autocovariance():
    model, law = affine(), joint(LENGTH)
    controls, dts = jnp.zeros((LENGTH, 0)), jnp.ones(LENGTH)

    def path(key):
        return model.rollout(model.init(key=key), LENGTH, controls=controls, dts=dts, key=key).ravel()

    found = np.asarray(jax.jit(jax.vmap(path))(jax.random.split(jax.random.key(5), PATHS)))
    deviation = np.sqrt(np.diag(law.covariance))
    assert np.all(np.abs(found.mean(0) - law.mean) < 4 * deviation / np.sqrt(PATHS))
    # Var of a sample covariance of Gaussians: (S_ii S_jj + S_ij^2) / n.
    error = np.sqrt((np.outer(deviation**2, deviation**2) + law.covariance**2) / PATHS)
    assert np.all(np.abs(np.cov(found.T) - law.covariance) < 4 * error)
    assert np.abs(law.covariance[:OBS, 2 * OBS : 3 * OBS]).max() > 10 * error.min()
