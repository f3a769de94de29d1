"""How much of the observation the latent takes in: a_t of the Alternator (arXiv 2405.11848, section 2).

This room has what is known before the rows are seen; `vendi` has what follows from them.
"""

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from alternax.core.errors import InputError
from alternax.core.fixed import Fixed
from alternax.models.checks import check_share

HALF_LIVES = (1.0, 100.0)


class Alpha(eqx.Module):
    """a_t within its bound 0 <= a_t <= 1 - sigma_z^2.

    A logit is learned (scalar or one per latent dimension); without one, `schedule` holds the given values by
    absolute step, its last value serving every later step.
    """

    logit: Float[Array, "..."] | None
    schedule: Fixed
    bound: float = eqx.field(static=True)
    drawn: ClassVar[bool] = False

    def __init__(self, spec: str | float | Array | np.ndarray, latent_dim: int, sigma_z: float):
        self.bound = 1.0 - sigma_z**2
        self.logit, self.schedule = None, Fixed(None)
        if isinstance(spec, str):
            self.logit = start_logit(spec, latent_dim, self.bound)
        else:
            check_share("alpha", spec, "sigma_z", sigma_z)
            self.schedule = Fixed(jnp.atleast_1d(jnp.asarray(spec, dtype=float)))

    def __call__(self, step: Int[Array, "*rows"], window: None = None) -> Float[Array, "*rows any_latent"]:
        """a at the given absolute steps; the last axis has length 1 or latent_dim."""
        if self.logit is not None:
            return jnp.broadcast_to(self.bound * jax.nn.sigmoid(self.logit), (*step.shape, self.logit.shape[-1]))
        values = self.schedule.value
        assert values is not None
        return values[jnp.minimum(step, values.shape[0] - 1)][..., None]

    def empty(self, columns: int) -> None:
        """No window: the step is all that is asked."""

    def windows(self, rows: Array, seen: Array, resets: Array, start: None) -> None:
        """No windows, likewise."""


def start_logit(spec: str, latent_dim: int, bound: float) -> Float[Array, "any_latent"]:
    """Logits of alpha / bound where a learned alpha starts: one for "learned", latent_dim for "multiscale"."""
    share = _start(spec, latent_dim, bound) / bound
    return jnp.asarray(np.log(share / (1.0 - share)), dtype=float)


def _start(spec: str, latent_dim: int, bound: float) -> np.ndarray:
    """Starting values of a learned alpha: 0.3, or half-lives ln(.5)/ln(c) log-spaced over `HALF_LIVES` steps."""
    if spec == "learned":
        return np.full(1, min(0.3, 0.5 * bound))
    if spec == "multiscale":
        half_life = (
            np.geomspace(*HALF_LIVES, latent_dim) if latent_dim > 1 else np.array([math.sqrt(math.prod(HALF_LIVES))])
        )
        squared_carry = 0.25 ** (1.0 / half_life)
        return np.clip(bound - squared_carry, 1e-3 * bound, 0.95 * bound)
    raise InputError(
        f"alpha={spec!r} is not known: give 'multiscale', 'learned', 'vendi', a number, or an array over time."
    )
