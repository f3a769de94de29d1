"""Filters and smoothers by particles against the exact law of a linear chain, each within its standard error."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from inference.dense import MILD, dense, mild
from models.alternator.linear_gaussian import LATENT, OBS, SIGMA_Z, affine

from alternax.core.errors import InputError
from alternax.core.sequence import Sequence
from alternax.inference import (
    ancestral_paths,
    backward_paths,
    gibbs_paths,
    latents_after,
    log_evidence,
    particle_filter,
    smoothed_sum,
)
from alternax.models import Alternator

LENGTH, REPLICATES = 6, 32
RATES = np.array([0.3, 0.8])
SEEN = jnp.arange(LENGTH) != 2  # the one wholly missing row
KEY = jax.random.key(0)
pytestmark = pytest.mark.float64


def rows() -> dict:
    """A missing row, a partly missing one, uneven times."""
    x = 0.7 * np.random.default_rng(4).normal(size=(LENGTH, OBS))
    x[2] = x[4, 0] = np.nan
    return {"x": x, "dt": np.array([1.0, 0.5, 1.0, 1.5, 1.0, 1.0])}


def chain_of(flow: str, **more):
    model = eqx.tree_at(lambda m: m.decay, mild(affine(flow=flow)), jnp.log(jnp.expm1(jnp.asarray(RATES))))
    seq = Sequence.build(**{name: jnp.asarray(value) for name, value in (rows() | more).items()})
    return eqx.filter_jit(lambda m, s: m.chain(s, key=KEY))(model, seq)


def law_of(flow: str, **more):
    """Mean and variance of every z given everything, and what they come from."""
    law = dense(**(rows() | more), rates=RATES, ou=flow == "ou", unseen=MILD)
    mean, covariance = law.given()
    return mean, np.diag(covariance).reshape(mean.shape), law


def after(chain, nodes, key):
    return jax.vmap(lambda path, k: latents_after(chain, path, key=k))(nodes, jax.random.split(key, len(nodes)))


def moments(paths, centre):
    """Mean and mean square around the centre, whose expectations are the mean and the variance."""
    return jnp.stack([paths.mean(0), ((paths - centre) ** 2).mean(0)])


def replicated(run, count=REPLICATES) -> np.ndarray:
    return np.asarray(jax.jit(lambda keys: jax.lax.map(run, keys))(jax.random.split(jax.random.key(1), count)))


def deviations(found, want, what) -> np.ndarray:
    """In standard errors of the replicates."""
    error = found.std(0, ddof=1) / np.sqrt(len(found))
    off = (found.mean(0) - want) / error
    print(f"{what}: largest error {error.max():.4f}, largest deviation {np.abs(off).max():.2f} standard errors")
    return np.abs(off)


@pytest.mark.parametrize("flow", ["ou", pytest.param("decay", marks=pytest.mark.slow)])
def test_filter_and_backward_simulation_have_the_exact_moments(flow):
    chain, (mean, variance, law) = chain_of(flow), law_of(flow)

    def run(key):
        keys = jax.random.split(key, 3)
        found = particle_filter(chain, particles=500, key=keys[0])
        paths = after(chain, backward_paths(chain, found, samples=50, key=keys[1]), keys[2])
        return (
            jnp.exp(found.gained.sum() - law.log_density()),
            jnp.stack([found.mean, found.variance]),
            moments(paths, mean),
            found.effective,
        )

    evidence, filtered, smoothed, effective = jax.tree.map(
        np.asarray, jax.jit(lambda keys: jax.lax.map(run, keys))(jax.random.split(jax.random.key(1), REPLICATES))
    )
    assert deviations(evidence, 1.0, "evidence") < 4
    assert deviations(filtered, np.stack(law.filtered()), "filter").max() < 4.5
    assert deviations(smoothed, np.stack([mean, variance]), "backward simulation").max() < 4.5
    assert np.abs(mean - law.filtered()[0]).max() > 0.05
    assert np.all((effective > 1) & (effective <= 500 + 1e-6))
    # Nothing is resampled and nothing speaks at the missing row: it is worth what the row before was.
    assert np.all(effective[:, 2] >= effective[:, 1] - 1e-6)


@pytest.mark.slow
def test_backward_simulation_over_a_new_sequence_is_that_of_each():
    more = {"resets": np.arange(LENGTH) == 3, "valid": np.arange(LENGTH) != 1}
    chain, (mean, variance, _) = chain_of("decay", **more), law_of("decay", **more)

    def run(key):
        keys = jax.random.split(key, 3)
        found = particle_filter(chain, particles=1000, key=keys[0], scheme="stratified")
        return moments(after(chain, backward_paths(chain, found, samples=100, key=keys[1]), keys[2]), mean)

    assert deviations(replicated(run), np.stack([mean, variance]), "two sequences").max() < 4.5


@pytest.mark.slow
def test_few_particles_bias_backward_simulation_and_not_particle_gibbs():
    """The bias check: 6 particles, paths of 2,000 sweeps against 2,000 backward-simulated ones."""
    chain, (mean, _, _) = chain_of("ou"), law_of("ou")
    few, sweeps = 6, 2000

    def backward(key):
        keys = jax.random.split(key, 3)
        found = particle_filter(chain, particles=few, key=keys[0])
        return after(chain, backward_paths(chain, found, samples=1, key=keys[1]), keys[2])[0]

    def gibbs(key):
        keys = jax.random.split(key, 3)
        start = backward_paths(chain, particle_filter(chain, particles=few, key=keys[0]), samples=1, key=keys[1])
        nodes = gibbs_paths(chain, start, sweeps=sweeps, burn_in=20, particles=few, key=keys[2])
        return moments(after(chain, nodes[:, 0], keys[0]), mean)

    _, variance, _ = law_of("ou")
    biased = replicated(lambda key: moments(jax.vmap(backward)(jax.random.split(key, sweeps)), mean))
    assert deviations(biased, np.stack([mean, variance]), "backward simulation").max() > 8
    assert deviations(replicated(gibbs), np.stack([mean, variance]), "particle Gibbs").max() < 4.5


@pytest.mark.slow
def test_smoothed_sums_are_exact_for_sums_and_products_of_neighbours():
    """E sum_t (u_t, u_t u_{t+1}): the second needs the joint law of neighbours."""
    chain, (mean, _, law) = chain_of("decay"), law_of("decay")
    covariance = law.given()[1].reshape(LENGTH, LATENT, LENGTH, LATENT)
    flow = np.exp(-RATES * rows()["dt"][:, None])

    def functional(step, before, latest):
        follows = (step.given.past.last != 0).any()
        return jnp.stack([latest, jnp.where(follows, before * latest, 0.0)])

    sums = replicated(lambda key: smoothed_sum(chain, functional, particles=500, key=key)[0])
    # u_{t+1} is z_t after the flow, which is 1 after the last row.
    flow = np.append(np.exp(-RATES * rows()["dt"][1:, None]), np.ones((1, LATENT)), axis=0)
    products = [covariance[t, :, t + 1].diagonal() + mean[t] * mean[t + 1] for t in range(LENGTH - 1)]
    want = np.stack([(flow * mean).sum(0), (flow[:-1] * flow[1:] * products).sum(0)])
    assert deviations(sums, want, "PaRIS").max() < 4.5


@pytest.mark.slow
def test_smoothed_sums_vary_less_than_those_of_ancestors_over_a_long_series():
    """What backward draws are for: after 90 rows all particles descend from few of the early ones."""
    x = 0.7 * np.random.default_rng(5).normal(size=(90, OBS))
    chain = chain_of("decay", x=x, dt=np.ones(90))

    def both(key):
        total = smoothed_sum(chain, lambda step, before, latest: latest, particles=60, key=key)[0]
        run = particle_filter(chain, particles=60, key=key, scheme="killing", threshold=1.0)
        paths = ancestral_paths(run, jnp.ones(90, bool), lag=90, key=key)
        return jnp.stack([total, (chain.steps.flow * paths.mean(0)).sum(0)])

    spread = replicated(both).std(0, ddof=1)
    print(f"standard deviations {spread[0]} by PaRIS, {spread[1]} by ancestors")
    assert np.all(spread[0] < 0.52 * spread[1])


@pytest.mark.slow
def test_paths_of_ancestors_are_smoothed_as_far_as_the_lag_and_carry_the_memory_of_a_recurrent_otn():
    chain, (mean, variance, law) = chain_of("ou"), law_of("ou")

    def run(key, lag):
        keys = jax.random.split(key)
        found = particle_filter(chain, particles=1000, key=keys[0], scheme="killing", threshold=1.0)
        return moments(ancestral_paths(found, SEEN, lag=lag, key=keys[1]), mean)

    found = replicated(lambda key: run(key, LENGTH))
    assert deviations(found, np.stack([mean, variance]), "ancestry").max() < 4.5
    ahead = np.stack([law.given(following)[0][t] for t, following in enumerate((2, 4, 4, 5, 6, 6))])
    assert deviations(replicated(lambda key: run(key, 1))[:, 0], ahead, "lag 1").max() < 4.5


@pytest.mark.slow
def test_the_evidence_of_a_recurrent_otn_is_that_of_the_filter_on_whole_states():
    sizes = {"latent_dim": 2, "ftn": "gru", "otn": "gru", "width": 4, "depth": 1, "flow": "ou", "sigma_z": 0.4}
    model = Alternator(OBS, **sizes, context=2, noise="student", key=jax.random.key(3))
    seq = Sequence.build(**{name: jnp.asarray(value) for name, value in rows().items()}, resets=jnp.arange(LENGTH) == 4)
    chain = eqx.filter_jit(lambda m, s: m.chain(s, key=KEY))(model, seq)
    logs = np.stack(
        [
            replicated(lambda key: particle_filter(chain, particles=500, key=key).gained.sum()),
            replicated(lambda key: log_evidence(model, seq, particles=500, key=key)[0]),
        ]
    )
    ratio = np.exp(logs - logs.mean())
    off = (ratio[0].mean() - ratio[1].mean()) / np.hypot(*(ratio.std(1, ddof=1) / np.sqrt(REPLICATES)))
    print(f"{logs.mean(1)}, {off:.2f} standard errors apart")
    assert ratio.std() < 0.5 and abs(off) < 4


def test_transition_density_is_that_of_the_moves():
    chain = chain_of("ou")
    step = jax.tree.map(lambda a: a[3], chain.steps)
    z, u = jnp.array([0.3, -1.0]), jnp.array([0.1, 0.4])
    flow = np.exp(-RATES * 1.0)
    mean = flow * np.asarray(chain.mean(step, z))
    want = scipy.stats.norm.logpdf(u, mean, np.sqrt(flow**2 * SIGMA_Z**2 + 1 - flow**2)).sum()
    assert float(chain.transition_log_prob(step, z, u)) == pytest.approx(want, rel=1e-10)


def test_what_smoothers_cannot_do_is_refused():
    recurrent = Alternator(OBS, latent_dim=2, otn="gru", width=4, depth=1, key=KEY)
    seq = Sequence.build(jnp.zeros((3, OBS)))

    def smooth(model, **settings):
        chain = model.chain(seq, key=KEY)
        return smoothed_sum(chain, lambda step, before, latest: before, particles=4, key=KEY, **settings)

    with pytest.raises(InputError, match=r"whole path of the latent \(its OTN is recurrent\).*method='ancestry'"):
        jax.eval_shape(lambda: smooth(recurrent))
    with pytest.raises(InputError, match="at least 2 backward draws a particle, found 1: one degenerates"):
        jax.eval_shape(lambda: smooth(affine(), draws=1))
    with pytest.raises(InputError, match=r"gap='draw' the latent depends on draws.*with_gap\('hold'\)"):
        jax.eval_shape(lambda: smooth(affine(gap="draw")))
    with pytest.raises(InputError, match="resampling='best' is not known: choose one of systematic, stratified"):
        jax.eval_shape(lambda: smooth(affine(), scheme="best"))
    with pytest.raises(InputError, match=r"threshold is the share .* 0 \(never\) to 1 \(always\); found 2"):
        jax.eval_shape(lambda: smooth(affine(), threshold=2))
