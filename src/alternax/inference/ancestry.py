"""Who comes from whom: the ancestors of resampled particles several rows back, and the paths they trace."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from alternax.inference.filtering import Filtering
from alternax.inference.resampling import ancestors


def compose(orders: Int[Array, "rows particles"], lag: int) -> Int[Array, "rows particles"]:
    """For every row t the particle there that each particle of row t + lag comes from, by doubling the stride.

    `orders[t]` maps the particles after the resampling that follows row t to those of row t; past the end nothing
    moves.
    """
    rows, particles = orders.shape
    identity = jnp.arange(particles)
    ahead = jnp.broadcast_to(identity, orders.shape)
    stride, block, done = 1, orders, 0

    def shifted(maps, by):
        return jnp.concatenate([maps[by:], jnp.broadcast_to(identity, (min(by, rows), particles))])[:rows]

    chain = jax.vmap(lambda outer, inner: outer[inner])
    while done < min(lag, rows):
        if (min(lag, rows) & stride) != 0:
            ahead, done = chain(ahead, shifted(block, done)), done + stride
        block, stride = chain(block, shifted(block, stride)), stride * 2
    return ahead


def look_ahead(
    orders: Int[Array, "rows particles"], seen: Bool[Array, "rows"], final: Int[Array, "particles"], lag: int
) -> Int[Array, "rows particles"]:
    """For every row t the particle after it that each particle comes from once `lag` further seen rows have spoken.

    `orders[t]` maps the particles after row t to those it found; rows not seen, whose weights are equal, leave the
    particles in their places and are not counted. `final` follows the last row.
    """
    rows, particles = orders.shape
    place = jnp.where(seen, jnp.cumsum(seen) - 1, rows + 1)
    end = seen.sum()
    spoken = jnp.broadcast_to(jnp.arange(particles, dtype=orders.dtype), (rows + 1, particles))
    spoken = spoken.at[place].set(orders, mode="drop").at[end].set(final)
    return compose(spoken, lag)[jnp.cumsum(seen)]


def ancestral_paths(
    run: Filtering, seen: Bool[Array, "time"], *, lag: int, key: PRNGKeyArray
) -> Float[Array, "particles time latent_dim"]:
    """The paths of z that the particles have come along, those of a row judged by `lag` further rows seen.

    For a filter that resampled at every row (`threshold=1`, best with "killing"). With lag >= time they are joint
    draws given all rows as the number of particles grows, but early rows are left with few distinct values; a shorter
    lag keeps these apart and forgets later rows.

    Args:
        run: What the filter left behind.
        seen: Rows with anything observed.
        lag: How many of them, after a row, speak on it.
        key: JAX random key.

    Reference: Kitagawa and Sato, "Monte Carlo smoothing and self-organising state-space model" (2001).
    """
    final = ancestors("killing", run.last, key=key)
    index = look_ahead(run.ancestors, seen, final, lag)
    return jnp.moveaxis(jax.vmap(lambda row, index: row[index])(run.after, index), 0, 1)
