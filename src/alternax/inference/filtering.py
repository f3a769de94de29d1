"""The particle filter on a latent chain: the law of z given the rows up to it, and an unbiased likelihood.

Particles move by the chain's own transition (for an Alternator the FTN given the row just seen) and are weighed by how
well they predicted the next row (the OTN): each particle is the latent as a row finds it, weighed before it moves.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, Scalar

from alternax.core.chain import LatentChain, Particle, Step
from alternax.core.model import where_tree
from alternax.inference.resampling import ancestors, check_scheme, effective_size


class Filtering(eqx.Module):
    """What a particle filter leaves behind, by row.

    Args:
        mean: Of z after the row, given the rows up to it.
        variance: Of the same.
        gained: Estimate of log p(x_t | x_{1:t-1}); their sum is the log of an unbiased estimate of p(x).
        effective: Effective number of particles once the row has spoken; 0 where every weight was lost.
        before: The particles as the row found them.
        logits: Log-weights of these once the row has spoken.
        ancestors: For every particle after the row the one before it.
        after: z of every particle after the row.
        last: Log-weights of the particles after the last row.
    """

    mean: Float[Array, "time latent_dim"]
    variance: Float[Array, "time latent_dim"]
    gained: Float[Array, "time"]
    effective: Float[Array, "time"]
    before: Float[Array, "time particles latent_dim"]
    logits: Float[Array, "time particles"]
    ancestors: Int[Array, "time particles"]
    after: Float[Array, "time particles latent_dim"]
    last: Float[Array, "particles"]


def particle_filter(
    chain: LatentChain,
    *,
    particles: int,
    key: PRNGKeyArray,
    scheme: str = "systematic",
    threshold: float = 0.5,
) -> Filtering:
    """Run `particles` particles over the series of the chain.

    They are resampled where noise follows and their effective number is below `threshold` times their number. Where
    every weight is lost (all densities 0 or NaN) the row gains -inf, `effective` is 0 there, and the weights start
    again.

    Raises:
        InputError: An unknown scheme or a threshold outside 0 to 1.

    Reference: Gordon, Salmond and Smith (1993); Del Moral, "Feynman-Kac Formulae" (2004), section 7.4.
    """
    check_scheme(scheme, threshold)
    turn, own, begin = jax.random.split(key, 3)
    cloud = first_particles(chain, particles, begin)
    keep = jnp.arange(particles, dtype=jnp.int32)

    def body(carry, step: Step):
        cloud, logits, t = carry
        gain, memory = weigh_all(chain, step, cloud)
        base, logits = jax.nn.logsumexp(logits), logits + gain
        gained, effective = jax.nn.logsumexp(logits) - base, effective_size(logits)
        logits = jnp.where(effective > 0, logits, 0.0)
        means = jax.vmap(chain.mean, (None, 0))(step, cloud.u)
        turned = step.fresh | (step.noisy & (effective < threshold * particles))
        drawn = ancestors(scheme, logits, key=jax.random.fold_in(turn, t))
        order = jnp.where(turned, drawn, keep)
        after, u = move(step, means[order], jax.random.fold_in(own, t))
        memory = where_tree(step.fresh, cloud_of(chain.empty(), particles), jax.tree.map(lambda a: a[order], memory))
        row = (*_moments(logits, means, step.jump), gained, effective, cloud.u, logits, order, after)
        return (Particle(u, memory), jnp.where(turned, 0.0, logits), t + 1), row

    start = (cloud, jnp.zeros(particles, chain.first.dtype), jnp.asarray(0))
    (_, last, _), rows = jax.lax.scan(body, start, chain.steps)
    return Filtering(*rows, last)


def first_particles(chain: LatentChain, particles: int, key: PRNGKeyArray) -> Particle:
    """Draws of u_0, with nothing remembered."""
    noise = jax.random.normal(key, (particles, chain.first.shape[0]), chain.first.dtype)
    return Particle(chain.first * noise, cloud_of(chain.empty(), particles))


def cloud_of(memory: Any, particles: int) -> Any:
    """The same memory for all particles."""
    return jax.tree.map(lambda a: jnp.broadcast_to(a, (particles, *jnp.shape(a))), memory)


def weigh_all(chain: LatentChain, step: Step, cloud: Particle) -> tuple[Float[Array, "particles"], Any]:
    """Log-weights, -inf where the density is not a number, and the memories after the row."""
    gain, memory = jax.vmap(chain.weigh, (None, 0))(step, cloud)
    return jnp.where(jnp.isnan(gain), -jnp.inf, gain), memory


def move(step: Step, means: Float[Array, "particles latent_dim"], key: PRNGKeyArray) -> tuple[Array, Array]:
    """z after the row, and the latent as the next row finds it."""
    own, anew = jax.random.normal(key, (2, *means.shape), means.dtype)
    after = means + step.jump * own
    flowed = step.flow * after + jnp.sqrt(step.diffusion) * anew
    return after, jnp.where(step.fresh, step.spread * anew, flowed)


def _moments(logits: Array, means: Array, jump: Scalar) -> tuple[Array, Array]:
    """Mean and variance of z after the row: over the particles, each with its noise integrated out."""
    weights = jax.nn.softmax(logits)
    mean = weights @ means
    return mean, weights @ (means - mean) ** 2 + jump**2
