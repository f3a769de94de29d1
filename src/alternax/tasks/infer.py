"""Filtering, decoding, classification, imputation, sampling and likelihood of any model."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from alternax.core.model import Classifier, LatentModel, Model
from alternax.core.sequence import Sequence
from alternax.inference.particles import impute_paths, log_evidence
from alternax.tasks.keys import sample_chunk, series_keys

PARTICLES_PER_SAMPLE = 4
REPLICATES = 8


@eqx.filter_jit
def filter_latents(
    model: LatentModel, series: Sequence, *, key: PRNGKeyArray
) -> tuple[Float[Array, "series time latent_dim"], Float[Array, "series time latent_dim"]]:
    """Mean and variance of the latent after every row given the rows up to it."""
    return jax.vmap(lambda seq, k: model.filter(seq, key=k))(series, series_keys(key, series.x.shape[0]))


@eqx.filter_jit
def decode(
    model: LatentModel, series: Sequence, *, key: PRNGKeyArray
) -> tuple[Float[Array, "series time target_dim"], Float[Array, "series time target_dim"]]:
    """Mean and standard deviation of the targets at every row given the rows up to it."""
    one = lambda seq, k: model.decode(*model.filter(seq, key=k))  # noqa: E731
    return jax.vmap(one)(series, series_keys(key, series.x.shape[0]))


@eqx.filter_jit
def classify(model: Classifier, series: Sequence, *, key: PRNGKeyArray) -> Float[Array, "series class_count"]:
    """Probability of every class for every series."""
    one = lambda seq, k: jax.nn.softmax(model.classify(seq, key=k))  # noqa: E731
    return jax.vmap(one)(series, series_keys(key, series.x.shape[0]))


@eqx.filter_jit
def impute(
    model: Model, series: Sequence, *, samples: int, lag: int, key: PRNGKeyArray
) -> Float[Array, "sample series time obs_dim"]:
    """Joint draws of the missing entries given the observed ones before them and up to `lag` rows after them."""
    particles = samples * PARTICLES_PER_SAMPLE

    def one(row):
        seq, k = row
        paths = impute_paths(model, seq, particles=particles, lag=lag, key=k)
        return paths[::PARTICLES_PER_SAMPLE]

    return jnp.moveaxis(jax.lax.map(one, (series, series_keys(key, series.x.shape[0]))), 0, 1)


def sample(
    model: Model,
    *,
    length: int,
    controls: Float[Array, "length control_dim"],
    dts: Float[Array, "length"],
    samples: int,
    key: PRNGKeyArray,
) -> Float[Array, "sample length obs_dim"]:
    """Paths generated from the model's initial law."""
    return _sample(model, length, controls, dts, samples, sample_chunk(samples, length, model.obs_dim), key)


@eqx.filter_jit
def _sample(
    model: Model, length: int, controls: Array, dts: Array, samples: int, chunk: int, key: PRNGKeyArray
) -> Array:
    def path(k):
        return model.rollout(model.init(key=k), length, controls=controls, dts=dts, key=k)

    return jax.lax.map(path, series_keys(key, samples), batch_size=chunk)


@eqx.filter_jit
def log_prob(
    model: Model, series: Sequence, *, particles: int, key: PRNGKeyArray
) -> tuple[Float[Array, "series"], Float[Array, "series"]]:
    """Particle estimate of log p(x) per series, and its standard error from independent replicates.

    The replicates' likelihoods are averaged (which keeps the estimate unbiased on the natural scale); the error is the
    delta method's.
    """

    def one(row):
        seq, k = row
        run = partial(log_evidence, model, seq, particles=particles)
        logs = jax.vmap(lambda kk: run(key=kk)[0])(jax.random.split(k, REPLICATES))
        mean = jax.nn.logsumexp(logs) - jnp.log(REPLICATES)
        return mean, jnp.std(jnp.exp(logs - mean), ddof=1) / jnp.sqrt(REPLICATES)

    return jax.lax.map(one, (series, series_keys(key, series.x.shape[0])))
