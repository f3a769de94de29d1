"""Joint draws of the latent path given the whole series, by backward simulation over the filter's particles.

The last particle is picked by its weight; going back, that of row t is picked with probability proportional to
w_t p(u_{t+1} | u_t, x_t). Where nothing is drawn between two rows it is the one that the next came from.

Reference: Godsill, Doucet and West, "Monte Carlo smoothing for nonlinear time series" (2004), algorithm 1.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from alternax.core.chain import LatentChain, Step, ahead, normal_log_prob
from alternax.core.errors import InputError
from alternax.inference.filtering import Filtering
from alternax.inference.resampling import pick, pick_many


def backward_paths(
    chain: LatentChain, run: Filtering, *, samples: int, key: PRNGKeyArray
) -> Float[Array, "samples nodes latent_dim"]:
    """Joint draws of the latent as every row finds it and, last, after the last row: `time + 1` values.

    Raises:
        InputError: If predictions remember earlier latents: a particle of row t is then tied to its own past.
    """
    check_memoryless(chain)
    last_key, own = jax.random.split(key)
    index = pick_many(run.last, samples, key=last_key)
    last = run.after[-1][index]

    def body(carry, row):
        index, u = carry
        step, before, logits, ancestors, t = row
        found = backward_draw(chain, step, before, logits, u, key=jax.random.fold_in(own, t))
        index = jnp.where(step.noisy, found, ancestors[index])
        return (index, before[index]), before[index]

    rows = (chain.steps, run.before, run.logits, run.ancestors, jnp.arange(run.gained.shape[0]))
    _, path = jax.lax.scan(body, (index, last), rows, reverse=True)
    return jnp.moveaxis(jnp.concatenate([path, last[None]]), 0, 1)


def backward_draw(
    chain: LatentChain,
    step: Step,
    before: Float[Array, "particles latent_dim"],
    logits: Float[Array, "particles"],
    after: Float[Array, "draws latent_dim"],
    *,
    key: PRNGKeyArray,
) -> Int[Array, "draws"]:
    """For every particle of the next row one of this row, drawn from the backward kernel: draws x particles work."""
    means = ahead(step, jax.vmap(chain.mean, (None, 0))(step, before))
    return pick(logits + normal_log_prob(after[:, None], means[None], step.spread), key=key)


def latents_after(
    chain: LatentChain, nodes: Float[Array, "nodes latent_dim"], *, key: PRNGKeyArray
) -> Float[Array, "time latent_dim"]:
    """z after every row drawn given the latent as this row and the next find it.

    z ~ N(m, j^2) and u ~ N(f z, d) give z | u with mean m + k (u - f m), k = j^2 f / (f^2 j^2 + d), and variance
    j^2 (1 - k f). Before a new sequence u says nothing.
    """
    steps = chain.steps
    means = jax.vmap(chain.mean)(steps, nodes[:-1])
    jump, total = steps.jump[:, None], (steps.flow * steps.jump[:, None]) ** 2 + steps.diffusion
    tells = (total > 0) & ~steps.fresh[:, None]
    gain = jnp.where(tells, jump**2 * steps.flow / jnp.where(tells, total, 1.0), 0.0)
    width = jump * jnp.sqrt(jnp.maximum(1.0 - gain * steps.flow, 0.0))
    noise = jax.random.normal(key, means.shape, means.dtype)
    return means + gain * (nodes[1:] - steps.flow * means) + width * noise


def check_memoryless(chain: LatentChain) -> None:
    """Raise `InputError` if a prediction depends on more than the present latent."""
    if jax.tree.leaves(chain.empty()):
        raise InputError(
            "the predictions of this model depend on the whole path of the latent (its OTN is recurrent), so paths "
            "cannot be put together backwards row by row: use method='ancestry', or an OTN without memory ('mlp')."
        )
