"""What a mean is a change from: nothing, the last observed value, or a learned share of it per column."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from alternax.core.errors import InputError
from alternax.nets.operator import Operator

KINDS = (None, "change", "carry")
START_LOGIT = 2.0


class Residual(eqx.Module):
    """The part of the mean that persists, `base(last, age)`.

    "change": the last value itself. "carry": r^age times the last value, r in (0, 1) learned per column; with an
    observation operator only the remainder outside its patterns is carried, the patterns being the network's.
    """

    logit: Float[Array, "obs_dim"] | None
    kind: str | None = eqx.field(static=True)

    def __init__(self, kind: str | None, obs_dim: int):
        if kind not in KINDS:
            raise InputError(f"residual={kind!r} is not known: choose None, 'change' or 'carry'.")
        self.kind = kind
        self.logit = jnp.full(obs_dim, START_LOGIT, dtype=float) if kind == "carry" else None

    def __call__(
        self, last: Float[Array, "*rows obs_dim"], age: Float[Array, "*rows obs_dim"], operator: Operator | None
    ) -> Float[Array, "*rows obs_dim"] | float:
        """The persistent part, in scaled units, from the last observed values and the time since each."""
        if self.kind is None:
            return 0.0
        if self.logit is None:
            return last
        rest = last if operator is None else last - operator.field(operator.coordinates(last))
        return jnp.exp(age * jax.nn.log_sigmoid(self.logit)) * rest
