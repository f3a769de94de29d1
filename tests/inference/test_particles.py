"""Particle estimates against the exact law of an affine Alternator, which is a linear-Gaussian model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from models.alternator.linear_gaussian import OBS, affine, joint

from alternax.core.sequence import Sequence
from alternax.inference import impute_paths, log_evidence

LENGTH, REPLICATES = 6, 64
pytestmark = pytest.mark.float64


def series() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(LENGTH, OBS))


def keys(seed: int):
    return jax.random.split(jax.random.key(seed), REPLICATES)


@pytest.mark.parametrize("noise", ["paper", "learned"])
def test_evidence_is_an_unbiased_estimate_of_the_exact_likelihood(noise):
    x, model = series(), affine(noise)
    estimate = jax.jit(
        jax.vmap(lambda key: log_evidence(model, Sequence.build(jnp.asarray(x)), particles=256, key=key))
    )
    found, effective = estimate(keys(1))
    ratio = np.exp(np.asarray(found) - joint(LENGTH, noise).log_density(x))
    error = ratio.std(ddof=1) / np.sqrt(REPLICATES)
    print(f"{noise}: mean ratio {ratio.mean():.4f} +- {error:.4f}")
    assert error < 0.05
    assert abs(ratio.mean() - 1) < 4 * error
    assert np.all((effective > 1) & (effective <= 256 + 1e-6))


def test_evidence_skips_padding_and_counts_a_partly_observed_row_by_its_marginal():
    x, model, first = series(), affine(), joint(1)
    one_row = jnp.arange(LENGTH) < 1
    estimate = jax.jit(lambda seq: log_evidence(model, seq, particles=20000, key=jax.random.key(3))[0])
    whole = Sequence.build(jnp.asarray(x), valid=one_row)
    assert float(estimate(whole)) == pytest.approx(first.log_density(x[:1]), abs=0.02)
    partly = Sequence.build(jnp.asarray(x).at[0, 1].set(jnp.nan), valid=one_row)
    variance = first.covariance[0, 0]
    marginal = -0.5 * ((x[0, 0] - first.mean[0]) ** 2 / variance + np.log(2 * np.pi * variance))
    assert float(estimate(partly)) == pytest.approx(marginal, abs=0.02)


def test_evidence_of_packed_sequences_is_that_of_each():
    x, model, start = series(), affine(), 3
    seq = Sequence.build(jnp.asarray(x), resets=jnp.arange(LENGTH) == start)
    estimate = jax.jit(jax.vmap(lambda key: log_evidence(model, seq, particles=512, key=key)[0]))
    want = joint(start).log_density(x[:start]) + joint(LENGTH - start).log_density(x[start:])
    ratio = np.exp(np.asarray(estimate(keys(5))) - want)
    assert abs(ratio.mean() - 1) < 4 * ratio.std(ddof=1) / np.sqrt(REPLICATES) < 0.3


def test_imputation_is_the_exact_conditional_given_all_observed_entries():
    """Earlier and later rows both count: partly and wholly missing rows lie in the middle."""
    x, seen = series(), np.ones((LENGTH, OBS), bool)
    seen[2, 0] = seen[3] = seen[1, 1] = False
    mean, variance = joint(LENGTH).given(x, seen)
    model, seq = affine(), Sequence.build(jnp.asarray(np.where(seen, x, np.nan)))
    draw = jax.jit(jax.vmap(lambda key: impute_paths(model, seq, particles=1000, lag=LENGTH, key=key)[0]))
    paths = np.asarray(draw(keys(4)))
    assert np.all(paths[:, :, seen] == x[seen])
    for what, found, want in (
        ("mean", paths.mean(1), mean),
        ("variance", ((paths - mean) ** 2).mean(1), variance),
    ):
        error = found.std(0, ddof=1)[~seen] / np.sqrt(REPLICATES)
        difference = (found.mean(0) - want)[~seen]
        print(what, want[~seen].round(3), (difference / error).round(2), error.round(4))
        assert np.all(error < 0.03)
        assert np.all(np.abs(difference) < 4 * error)
    unsmoothed = joint(LENGTH).given(x, seen & (np.arange(LENGTH) < 3)[:, None])[0]
    assert np.abs(unsmoothed - mean)[2, 0] > 0.1
