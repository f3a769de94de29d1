"""The latent given the rows up to each, or given all of them: by particles or exactly, series by series."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from alternax.core.chain import LatentChain
from alternax.core.model import ChainModel
from alternax.core.sequence import Sequence
from alternax.inference.ancestry import ancestral_paths
from alternax.inference.backward import backward_paths, latents_after
from alternax.inference.filtering import Filtering, particle_filter
from alternax.inference.gibbs import gibbs_paths
from alternax.inference.kalman import kalman_filter, kalman_smoother
from alternax.tasks.keys import series_keys

GIBBS_CHAINS, GIBBS_PARTICLES = 8, 32

Moments = Float[Array, "series time latent_dim"]
Draws = Float[Array, "sample series time latent_dim"]
Effective = Float[Array, "series time"]


@eqx.filter_jit
def filter_exact(model: ChainModel, series: Sequence, *, key: PRNGKeyArray) -> tuple[Moments, Moments]:
    """Mean and variance of z after every row given the rows up to it, of a linear chain."""

    def one(chain, key, seq):
        law = kalman_filter(chain).after
        return law.mean, law.variance

    return _by_series(model, series, key, one)


@eqx.filter_jit
def filter_particles(
    model: ChainModel, series: Sequence, *, particles: int, scheme: str, threshold: float, key: PRNGKeyArray
) -> tuple[Moments, Moments, Effective]:
    """The same of any chain, and the effective number of particles at every row."""

    def one(chain, key, seq):
        run = particle_filter(chain, particles=particles, key=key, scheme=scheme, threshold=threshold)
        return run.mean, run.variance, run.effective

    return _by_series(model, series, key, one)


@eqx.filter_jit
def smooth_exact(
    model: ChainModel, series: Sequence, *, samples: int, key: PRNGKeyArray
) -> tuple[Moments, Moments, Draws]:
    """Mean and variance of z after every row given all of them, and exact joint draws, of a linear chain."""

    def one(chain, key, seq):
        law, draws = kalman_smoother(kalman_filter(chain), samples=samples, key=key)
        return law.mean, law.variance, draws

    mean, variance, draws = _by_series(model, series, key, one)
    return mean, variance, jnp.moveaxis(draws, 0, 1)


@eqx.filter_jit
def smooth_backward(
    model: ChainModel,
    series: Sequence,
    *,
    samples: int,
    particles: int,
    scheme: str,
    threshold: float,
    key: PRNGKeyArray,
) -> tuple[Draws, Effective]:
    """Joint draws of z after every row given all of them, by backward simulation."""

    def paths(chain, run, seq, keys):
        nodes = backward_paths(chain, run, samples=samples, key=keys[0])
        return _after(chain, nodes, keys[1])

    return _drawn(model, series, key, paths, particles, scheme, threshold)


@eqx.filter_jit
def smooth_gibbs(
    model: ChainModel,
    series: Sequence,
    *,
    samples: int,
    burn_in: int,
    particles: int,
    scheme: str,
    threshold: float,
    key: PRNGKeyArray,
) -> tuple[Draws, Effective]:
    """The same by particle Gibbs: a few chains that begin at backward-simulated paths.

    The effective numbers are those of the filter before the sweeps.
    """
    chains = min(GIBBS_CHAINS, samples)
    sweeps = -(-samples // chains)

    def paths(chain, run, seq, keys):
        starts = backward_paths(chain, run, samples=chains, key=keys[0])
        settings = {"sweeps": sweeps, "burn_in": burn_in, "particles": min(particles, GIBBS_PARTICLES)}
        nodes = gibbs_paths(chain, starts, **settings, key=keys[1])
        return _after(chain, nodes.reshape(-1, *nodes.shape[2:])[:samples], keys[2])

    return _drawn(model, series, key, paths, particles, scheme, threshold)


@eqx.filter_jit
def smooth_ancestry(
    model: ChainModel, series: Sequence, *, samples: int, particles: int, lag: int, key: PRNGKeyArray
) -> tuple[Draws, Effective]:
    """The same by the paths that particles have come along, judged by `lag` further rows seen."""

    def paths(chain, run, seq, keys):
        every = jnp.arange(samples) * particles // samples
        seen = seq.observed.any(1) & seq.valid
        return ancestral_paths(run, seen, lag=lag, key=keys[0])[every]

    return _drawn(model, series, key, paths, particles, "killing", 1.0)


def _drawn(
    model: ChainModel,
    series: Sequence,
    key: PRNGKeyArray,
    paths: Callable[[LatentChain, Filtering, Sequence, list[PRNGKeyArray]], Array],
    particles: int,
    scheme: str,
    threshold: float,
) -> tuple[Array, Array]:
    """Draws that are made from the particles of a filter."""

    def one(chain, key, seq):
        run_key, *keys = jax.random.split(key, 4)
        run = particle_filter(chain, particles=particles, key=run_key, scheme=scheme, threshold=threshold)
        return paths(chain, run, seq, keys), run.effective

    draws, effective = _by_series(model, series, key, one)
    return jnp.moveaxis(draws, 0, 1), effective


def _after(chain: LatentChain, nodes: Array, key: PRNGKeyArray) -> Array:
    return jax.vmap(lambda path, k: latents_after(chain, path, key=k))(nodes, jax.random.split(key, len(nodes)))


def _by_series(model: ChainModel, series: Sequence, key: PRNGKeyArray, one: Callable):
    """`one` of the chain of every series, its key and the series, one series at a time."""

    def run(row):
        seq, k = row
        own, chain_key = jax.random.split(k)
        return one(model.chain(seq, key=chain_key), own, seq)

    return jax.lax.map(run, (series, series_keys(key, series.x.shape[0])))
