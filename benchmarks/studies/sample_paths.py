"""Sample paths from many origins, and the density of what came: of each lead given the path up to it, averaged.

log p(x_{o+h} | x_{1:o}) is the logarithm of the mean over paths of the law of row o + h, each path its own draws up to
row o + h - 1: exact for the next row of a model without a latent, an upper bound of the surprise in the mean otherwise.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

import alternax as ax

AT_ONCE = 16


class Ahead(eqx.Module):
    """What is known of the rows ahead of every origin.

    Attributes:
        paths: Drawn values.
        log_density: Of what came.
    """

    paths: Float[Array, "sample series origin lead"]
    log_density: Float[Array, "series origin lead"]

    @property
    def samples(self) -> np.ndarray:
        """The paths as a NumPy array."""
        return np.asarray(self.paths, float)


@eqx.filter_jit
def ahead(
    model: ax.Model, series: ax.Sequence, origins: Array, *, horizon: int, samples: int, key: PRNGKeyArray
) -> Ahead:
    """Forecasts of series of one column, in the model's units, from the rows `origins` on."""

    def one(sample_key):
        keys = jax.random.split(sample_key, series.x.shape[0])
        return jax.vmap(lambda seq, k: _from_origins(model, seq, origins, horizon, k))(series, keys)

    paths, logs = jax.lax.map(one, jax.random.split(key, samples), batch_size=min(AT_ONCE, samples))
    return Ahead(paths, jax.nn.logsumexp(logs, axis=0) - jnp.log(samples))


def _from_origins(model: ax.Model, seq: ax.Sequence, origins: Array, horizon: int, key: PRNGKeyArray):
    """One path from every origin, and the log densities of what came along it."""
    states = model.unroll(seq, key=key, keep=origins - 1)[2]
    rows = jax.vmap(lambda origin: seq.window(origin, horizon))(origins)
    keys = jax.vmap(lambda origin: jax.random.fold_in(key, origin))(origins)
    return jax.vmap(lambda state, row, k: _path(model, state, row, k))(states, rows, keys)


def _path(model: ax.Model, state, rows: ax.Sequence, key: PRNGKeyArray):
    """A draw of every row, taken in before the next."""

    def step(state, row):
        x, control, dt, draw_key = row
        moved = model.advance(state, dt, control=control, key=key)
        law = model.emission(model.predict(moved, control=control))
        drawn = jnp.asarray(law.sample(draw_key))
        after, _ = model.update(moved, drawn, jnp.ones(1, bool), control=control, key=key)
        return after, (drawn[0], law.log_prob(x))

    draw_keys = jax.random.split(jax.random.fold_in(key, 1), rows.length)
    return jax.lax.scan(step, state, (rows.x, rows.controls, rows.dt, draw_keys))[1]


@eqx.filter_jit
def next_density(
    model: ax.Model, series: ax.Sequence, places: Array, values: Array, *, samples: int, key: PRNGKeyArray
) -> Float[Array, "place value"]:
    """Density over `values` of the row after each of the `places` (series, number of rows before), controls aside."""

    def at(place, sample_key):
        seq = jax.tree.map(lambda a: a[place[0]], series)
        state = jax.tree.map(lambda a: a[0], model.unroll(seq, key=sample_key, keep=place[1:] - 1)[2])
        moved = model.advance(state, jnp.ones(()), control=jnp.zeros(model.control_dim), key=sample_key)
        law = model.emission(model.predict(moved, control=jnp.zeros(model.control_dim)))
        return jax.vmap(lambda value: law.log_prob(value[None]))(values)

    keys = jax.random.split(key, samples)
    logs = jax.lax.map(lambda place: jax.lax.map(lambda k: at(place, k), keys), places)
    return jnp.exp(jax.nn.logsumexp(logs, axis=1)) / samples
