"""Particle Gibbs with ancestor sampling: smoothed paths without the bias of a finite number of particles.

A sweep runs a particle filter in which one particle follows the path at hand, whose ancestor is drawn anew at every
row from all particles; a path of the particles left at the end is the next one. The law of the path given the series
is left as it is for any number of particles, which only decides how fast the sweeps forget where they began.

Reference: Lindsten, Jordan and Schön, "Particle Gibbs with Ancestor Sampling" (2014), algorithm 2.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from alternax.core.chain import LatentChain, Particle, Step, ahead, normal_log_prob
from alternax.inference.backward import check_memoryless
from alternax.inference.filtering import first_particles, move, weigh_all
from alternax.inference.resampling import pick, pick_many


def gibbs_paths(
    chain: LatentChain,
    starts: Float[Array, "chains nodes latent_dim"],
    *,
    sweeps: int,
    burn_in: int,
    particles: int,
    key: PRNGKeyArray,
) -> Float[Array, "sweeps chains nodes latent_dim"]:
    """Paths of `sweeps` sweeps of independent chains, each after `burn_in` sweeps that are left out.

    Args:
        chain: The latent of one observed series.
        starts: The paths to begin with (the latent as every row finds it and after the last), such as those of
            `backward_paths`.
        sweeps: Sweeps kept.
        burn_in: Sweeps before them.
        particles: Particles of a sweep, the path at hand among them.
        key: JAX random key.

    Raises:
        InputError: If predictions remember earlier latents.
    """
    check_memoryless(chain)

    def sweep(paths, number):
        keys = jax.random.split(jax.random.fold_in(key, number), paths.shape[0])
        paths = jax.vmap(lambda path, k: _sweep(chain, path, particles, k))(paths, keys)
        return paths, paths

    paths, _ = jax.lax.scan(lambda paths, number: (sweep(paths, number)[0], None), starts, jnp.arange(burn_in))
    return jax.lax.scan(sweep, paths, burn_in + jnp.arange(sweeps))[1]


def _sweep(chain: LatentChain, path: Array, particles: int, key: PRNGKeyArray) -> Array:
    """The next path; particle 0 follows the one at hand."""
    begin, turn, own, last_key = jax.random.split(key, 4)
    first = first_particles(chain, particles, begin).u.at[0].set(path[0])
    keep, memory = jnp.arange(particles, dtype=jnp.int32), chain.empty()

    def body(carry, row):
        u, logits, t = carry
        step, goal = row
        gain, _ = weigh_all(chain, step, Particle(u, memory))
        logits = _finite(logits + gain)
        means = jax.vmap(chain.mean, (None, 0))(step, u)
        order = _order(step, logits, means, goal, jax.random.fold_in(turn, t))
        order = jnp.where(step.noisy, order, keep)
        _, moved = move(step, means[order], jax.random.fold_in(own, t))
        return (moved.at[0].set(goal), jnp.where(step.noisy, 0.0, logits), t + 1), (u, order)

    (u, logits, _), (before, orders) = jax.lax.scan(
        body, (first, jnp.zeros(particles, first.dtype), jnp.asarray(0)), (chain.steps, path[1:])
    )
    index = pick(logits, key=last_key)

    def back(index, row):
        before, order = row
        return order[index], before[order[index]]

    _, nodes = jax.lax.scan(back, index, (before, orders), reverse=True)
    return jnp.concatenate([nodes, u[index][None]])


def _order(step: Step, logits: Array, means: Array, goal: Array, key: PRNGKeyArray) -> Array:
    """Ancestors of all particles; that of particle 0 by its weight and how well it leads to where the path goes on."""
    others, own = jax.random.split(key)
    leads = normal_log_prob(goal, ahead(step, means), step.spread)
    return pick_many(logits, logits.shape[0], key=others).at[0].set(pick(logits + leads, key=own))


def _finite(logits: Array) -> Array:
    """The weights, all equal where every one is lost."""
    return jnp.where(jnp.isfinite(logits).any(), logits, 0.0)
