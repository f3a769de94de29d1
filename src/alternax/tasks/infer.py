"""Filtering, decoding, classification, imputation, sampling and likelihood of any model."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from alternax.core.model import ChainModel, Classifier, LatentModel, Model, ModeModel, Tractable
from alternax.core.sequence import Sequence
from alternax.inference.filtering import particle_filter
from alternax.inference.kalman import kalman_filter
from alternax.inference.particles import impute_paths, log_evidence
from alternax.tasks.keys import sample_chunk, series_keys

PARTICLES_PER_SAMPLE, LEAST_PARTICLES = 4, 200
REPLICATES = 8


@eqx.filter_jit
def filter_latents(
    model: LatentModel, series: Sequence, *, key: PRNGKeyArray
) -> tuple[Float[Array, "series time latent_dim"], Float[Array, "series time latent_dim"]]:
    """Mean and variance of the latent after every row given the rows up to it."""
    return jax.vmap(lambda seq, k: model.filter(seq, key=k))(series, series_keys(key, series.x.shape[0]))


@eqx.filter_jit
def modes(
    model: ModeModel, series: Sequence, *, smoothed: bool, key: PRNGKeyArray
) -> Float[Array, "series time modes"]:
    """Probability of every mode at every row."""
    one = lambda seq, k: model.mode_probabilities(seq, key=k, smoothed=smoothed)  # noqa: E731
    return jax.vmap(one)(series, series_keys(key, series.x.shape[0]))


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
) -> tuple[Float[Array, "sample series time obs_dim"], Float[Array, "series time"]]:
    """Joint draws of the missing entries given the observed ones before them and up to `lag` rows after them.

    Also the effective number of particles at every row.
    """
    each = draws_apart(samples)

    def one(row):
        seq, k = row
        paths, effective = impute_paths(model, seq, particles=samples * each, lag=lag, key=k)
        return paths[::each], effective

    paths, effective = jax.lax.map(one, (series, series_keys(key, series.x.shape[0])))
    return jnp.moveaxis(paths, 0, 1), effective


def draws_apart(samples: int) -> int:
    """Particles for each draw of `impute`: neighbours often share their past, and few particles soon are one."""
    return max(PARTICLES_PER_SAMPLE, -(-LEAST_PARTICLES // samples))


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


def log_prob(
    model: Model, series: Sequence, *, particles: int, key: PRNGKeyArray
) -> tuple[Float[Array, "series"], Float[Array, "series"], Float[Array, "series time"] | None]:
    """log p(x) per series, its standard error, and the least effective number of particles at every row.

    Exact, with error 0 and None for the last, where the model draws nothing or its latent is a linear chain.
    Otherwise the likelihoods of independent particle filters are averaged (which keeps the estimate unbiased on the
    natural scale), and the error is the delta method's.
    """
    if isinstance(model, Tractable) or (isinstance(model, ChainModel) and model.chain_kind == "linear"):
        value = _exact_log_prob(model, series, key)
        return value, jnp.zeros_like(value), None
    return _estimated_log_prob(model, series, particles, key)


@eqx.filter_jit
def _exact_log_prob(model: Model, series: Sequence, key: PRNGKeyArray) -> Array:
    def one(row):
        seq, k = row
        if isinstance(model, ChainModel):
            return kalman_filter(model.chain(seq, key=k)).gained.sum()
        return model.unroll(seq, key=k)[1].sum()

    return jax.lax.map(one, (series, series_keys(key, series.x.shape[0])))


@eqx.filter_jit
def _estimated_log_prob(
    model: Model, series: Sequence, particles: int, key: PRNGKeyArray
) -> tuple[Array, Array, Array]:
    def one(row):
        seq, k = row
        logs, effective = jax.vmap(_evidence(model, seq, particles))(jax.random.split(k, REPLICATES))
        mean = jax.nn.logsumexp(logs) - jnp.log(REPLICATES)
        error = jnp.std(jnp.exp(logs - mean), ddof=1) / jnp.sqrt(REPLICATES)
        return mean, error, effective.min(0)

    return jax.lax.map(one, (series, series_keys(key, series.x.shape[0])))


def _evidence(model: Model, seq: Sequence, particles: int) -> Callable[[PRNGKeyArray], tuple[Array, Array]]:
    """One particle filter by its key: on the latent alone where it is a chain, else on whole states."""
    if not isinstance(model, ChainModel) or model.chain_kind is None:
        return lambda key: log_evidence(model, seq, particles=particles, key=key)
    # What a chain holds of the rows needs no draws.
    chain = model.chain(seq, key=jax.random.key(0))

    def run(key):
        found = particle_filter(chain, particles=particles, key=key)
        return found.gained.sum(), found.effective

    return run
