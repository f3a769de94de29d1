"""Joint sample paths of the future, from the end of every series or from many origins inside them."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from alternax.core.model import Model
from alternax.core.sequence import Sequence
from alternax.tasks.keys import sample_chunk, series_keys


def forecast(
    model: Model,
    series: Sequence,
    *,
    controls: Float[Array, "series horizon control_dim"],
    dts: Float[Array, "series horizon"],
    samples: int,
    key: PRNGKeyArray,
) -> Float[Array, "sample series horizon obs_dim"]:
    """Sample paths of the rows after the last valid one of every series.

    Every path has latent noise of its own over the whole history, drawn as the model's own encoder draws it (for an
    Alternator N(m_t, v_t)): paths are not weighed by how well they predicted the history.
    """
    chunk = sample_chunk(samples, series.length * series.x.shape[0], model.obs_dim)
    return _forecast(model, series, controls, dts, samples, chunk, key)


@eqx.filter_jit
def _forecast(
    model: Model, series: Sequence, controls: Array, dts: Array, samples: int, chunk: int, key: PRNGKeyArray
) -> Array:
    keys = series_keys(key, series.x.shape[0])

    def paths(sample):
        return jax.vmap(partial(_path, model, sample))(series, controls, dts, keys)

    return jax.lax.map(paths, jnp.arange(samples), batch_size=chunk)


def _path(model: Model, sample: Array, seq: Sequence, controls: Array, dts: Array, key: PRNGKeyArray) -> Array:
    own = jax.random.fold_in(key, sample)
    state = model.unroll(seq, key=own)[2]
    return model.rollout(state, dts.shape[0], controls=controls, dts=dts, key=own)


def forecast_origins(
    model: Model, series: Sequence, origins: Int[Array, "origin"], *, horizon: int, samples: int, key: PRNGKeyArray
) -> Float[Array, "sample series origin horizon obs_dim"]:
    """Sample paths of the `horizon` rows from row `origin` on, given the rows before it, for many origins.

    Controls and time steps of the rows ahead are those of `series`. A model with a context sees its last `context` rows
    before the origin; any other sees everything before it, in one pass over the series.
    """
    rows = series.length if model.context is None else model.context * origins.shape[0]
    chunk = sample_chunk(samples, rows * series.x.shape[0], model.obs_dim)
    return _forecast_origins(model, series, origins, horizon, samples, chunk, key)


@eqx.filter_jit
def _forecast_origins(
    model: Model, series: Sequence, origins: Array, horizon: int, samples: int, chunk: int, key: PRNGKeyArray
) -> Array:
    keys = series_keys(key, series.x.shape[0])

    def one_series(sample, seq, series_key):
        own = jax.random.fold_in(series_key, sample)
        by_origin = jax.vmap(lambda origin: jax.random.fold_in(own, origin))(origins)
        states = _states_before(model, seq, origins, own, by_origin)
        ahead = jax.vmap(lambda origin: seq.window(origin, horizon))(origins)
        roll = lambda state, c, d, k: model.rollout(state, horizon, controls=c, dts=d, key=k)  # noqa: E731
        return jax.vmap(roll)(states, ahead.controls, ahead.dt, by_origin)

    def paths(sample):
        return jax.vmap(partial(one_series, sample))(series, keys)

    return jax.lax.map(paths, jnp.arange(samples), batch_size=chunk)


def _states_before(model: Model, seq: Sequence, origins: Array, key: PRNGKeyArray, by_origin: Array):
    if model.context is None:
        return model.unroll(seq, key=key, keep=origins - 1)[2]
    context = model.context
    before = jax.vmap(lambda origin: seq.window(origin - context, context))(origins)
    return jax.vmap(lambda window, k: model.unroll(window, key=k)[2])(before, by_origin)
