"""A discrete mode that follows a Markov chain, given how well each mode predicts every row: exact laws by scans.

    s_0 ~ p,    s_t | s_{t-1} = i ~ P_i,    log w_t(k) = log p(x_t | s_t = k, the past)

Reference: Rabiner, "A Tutorial on Hidden Markov Models" (1989), section III (forward and backward recursions).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def step_ahead(belief: Float[Array, "modes"], transition: Float[Array, "modes modes"]) -> Float[Array, "modes"]:
    """Log-probabilities of the next mode from those of the present one; `transition` holds logarithms, rows from."""
    return jax.nn.logsumexp(belief[:, None] + transition, axis=0)


def filter_modes(
    log_weights: Float[Array, "time modes"],
    start: Float[Array, "modes"],
    initial: Float[Array, "modes"],
    transition: Float[Array, "modes modes"],
    valid: Bool[Array, "time"],
    resets: Bool[Array, "time"],
) -> tuple[Float[Array, "time modes"], Float[Array, "time modes"], Float[Array, "time"]]:
    """Log-probabilities of the mode before and after every row, and log p(x_t | the past).

    `start` is what is believed before the first row; where `resets`, never on padding, a new sequence starts from
    `initial`. Padding changes nothing and weighs nothing.
    """

    def body(belief, row):
        weights, real, reset = row
        ahead = step_ahead(jnp.where(reset, initial, belief), transition)
        joint = ahead + weights
        gained = jax.nn.logsumexp(joint)
        after = jnp.where(real, joint - gained, belief)
        return after, (ahead, after, jnp.where(real, gained, 0.0))

    return jax.lax.scan(body, start, (log_weights, valid, resets))[1]


def smooth_modes(
    before: Float[Array, "time modes"],
    after: Float[Array, "time modes"],
    transition: Float[Array, "modes modes"],
    valid: Bool[Array, "time"],
    resets: Bool[Array, "time"],
) -> Float[Array, "time modes"]:
    """Log-probabilities of the mode at every row given all rows, from what `filter_modes` found.

    log p(s_t | all) = log p(s_t | x_{1:t}) + log sum_k P_{s_t k} p(s_{t+1} = k | all) / p(s_{t+1} = k | x_{1:t}).
    """

    def body(later, row):
        ratio, tied, own_before, own_after, real = later, *row
        told = jnp.where(tied, jax.nn.logsumexp(transition + ratio, axis=1), 0.0)
        law = own_after + told
        law = law - jax.nn.logsumexp(law)
        # Padding hands on what the rows behind it have told.
        return jnp.where(real, law - own_before, ratio), law

    start, tied = jnp.zeros_like(after[0]), ~_ends(valid, resets)
    return jax.lax.scan(body, start, (tied, before, after, valid), reverse=True)[1]


def _ends(valid: Bool[Array, "time"], resets: Bool[Array, "time"]) -> Bool[Array, "time"]:
    """Whether the sequence of a row ends there: the next row that is no padding starts another, or there is none."""

    def body(later, row):
        real, reset = row
        return jnp.where(real, reset, later), later

    return jax.lax.scan(body, jnp.ones((), bool), (valid, resets), reverse=True)[1]
