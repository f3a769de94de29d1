"""PaRIS: smoothed sums over the latent path, row by row forwards.

Every particle carries an estimate of the sum so far given that it ends there; a new particle averages those of a few
particles drawn from its backward kernel. Two draws keep the variance linear in time; one would degenerate.

Reference: Olsson and Westerborn, "Efficient particle-based online smoothing in general hidden Markov models: the PaRIS
algorithm" (2017), arXiv 1412.7550, algorithm 2.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from alternax.core.chain import LatentChain, Step
from alternax.core.errors import InputError
from alternax.inference.backward import backward_draw, check_memoryless
from alternax.inference.filtering import particle_filter

Functional = Callable[[Step, Array, Array], Array]


def smoothed_sum(
    chain: LatentChain,
    functional: Functional,
    *,
    particles: int,
    draws: int = 2,
    key: PRNGKeyArray,
    scheme: str = "systematic",
    threshold: float = 0.5,
) -> tuple[Float[Array, "..."], Float[Array, "time"]]:
    """E[sum_t h_t(u_t, u_{t+1}) | x_{1:T}] and the effective number of particles at every row.

    Args:
        chain: The latent of one observed series.
        functional: h(step, before, after): the latent as a row finds it and as the next one does (after the last row:
            z after it), an array back. Padding rows leave the latent as it is.
        particles: Number of particles; the work is particles^2 a row.
        draws: Backward draws a particle, at least 2.
        key: JAX random key.
        scheme: Resampling scheme.
        threshold: Share of effective particles below which they are resampled.

    Raises:
        InputError: Fewer than two draws, or predictions that remember earlier latents.
    """
    check_memoryless(chain)
    if draws < 2:
        raise InputError(f"PaRIS needs at least 2 backward draws a particle, found {draws}: one degenerates.")
    own, run_key = jax.random.split(key)
    run = particle_filter(chain, particles=particles, key=run_key, scheme=scheme, threshold=threshold)
    nodes = jnp.concatenate([run.before[1:], run.after[-1:]])
    one = jax.vmap(functional, (None, 0, 0))

    def body(sums, row):
        step, before, after, logits, ancestors, t = row

        def extended(index):
            return sums[index] + one(step, before[index], after)

        def back(k):
            at = jax.random.fold_in(jax.random.fold_in(own, t), k)
            found = backward_draw(chain, step, before, logits, after, key=at)
            return extended(jnp.where(step.noisy, found, ancestors))

        return jax.vmap(back)(jnp.arange(draws)).mean(0), None

    rows = (chain.steps, run.before, nodes, run.logits, run.ancestors, jnp.arange(len(nodes)))
    first = jax.tree.map(lambda a: a[0], chain.steps)
    shape = jax.eval_shape(one, first, run.before[0], run.before[0])
    sums, _ = jax.lax.scan(body, jnp.zeros(shape.shape, shape.dtype), rows)
    return jnp.tensordot(jax.nn.softmax(run.last), sums, 1), run.effective
