"""Aaren: attention with a learned query token as a recurrence (Feng et al. 2024, arXiv 2405.13956, section 3.3).

    y_t = W_o o_t,    o_t = sum_{s <= t} softmax_s(q . W_k x_s / sqrt(head_dim)) W_v x_s        one q a head

The query does not depend on the row, so each head is one running softmax average with a state of constant size, and
the scores need no keys: they are the product of x with W_k^T q.
"""

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from alternax.core.layer import CACHED_ROWS, Layer
from alternax.layers import initial
from alternax.layers.inputs import check_row, check_rows, check_size, check_state, head_count
from alternax.ops.attention_scan import AttentionState, Method, attention_scan, attention_step, nothing_seen


class Aaren(Layer):
    """Softmax average over all rows so far under a learned query; its state is that of `attention_scan`.

    It sees no order but through the layers before it, and counts rows: `dt` is not read.

    Attributes:
        dim: Width of input and output.
        heads: Number of queries, each with its own part of the keys and values.
        method: How the averages are computed, see `attention_scan`.
    """

    dim: int = eqx.field(static=True)
    segment_rows: ClassVar[int | None] = CACHED_ROWS
    heads: int = eqx.field(static=True)
    method: Method = eqx.field(static=True)
    query: Float[Array, "heads head_dim"]
    key_weight: Float[Array, "heads head_dim dim"]
    value_weight: Float[Array, "heads head_dim dim"]
    output_weight: Float[Array, "dim heads head_dim"]

    def __init__(self, dim: int, *, head_dim: int | None = None, method: Method = "auto", key: PRNGKeyArray):
        """Query and weights start normal, scaled so that scores of white noise have variance 1.

        Args:
            dim: Width of input and output.
            head_dim: Width of a head, a divisor of `dim`; the largest one up to 64 if None.
            method: How the averages are computed, see `attention_scan`.
            key: JAX random key.

        Raises:
            InputError: sizes below 1, a head size that does not divide.

        Example:
            >>> y, state = Aaren(4, head_dim=2, key=jax.random.key(0))(jnp.ones((10, 4)))
        """
        check_size("Aaren", dim=dim)
        heads = head_count("Aaren", dim, head_dim)
        shape = (heads, dim // heads)
        query_key, key_key, value_key, output_key = jax.random.split(key, 4)
        self.dim, self.heads, self.method = dim, heads, method
        self.query = jax.random.normal(query_key, shape)
        self.key_weight, self.value_weight = (initial.normal((*shape, dim), dim, key=k) for k in (key_key, value_key))
        self.output_weight = initial.normal((dim, *shape), dim, key=output_key)

    def init_state(self) -> AttentionState:
        """Nothing seen."""
        return nothing_seen(self.query.shape, self.query.dtype)

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: AttentionState | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], AttentionState]:
        """See `Layer`."""
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        state = self.init_state() if state is None else state
        check_state(self, state)
        scores, values = self._scores_and_values(x)
        o, last = attention_scan(scores, values, state, valid=valid, resets=resets, keep=keep, method=self.method)
        return self._outputs(o), last

    def step(
        self,
        x_t: Float[Array, "dim"],
        state: AttentionState,
        *,
        dt: Scalar | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "dim"], AttentionState]:
        """See `Layer`."""
        check_row(self, x_t, state)
        o, state = attention_step(*self._scores_and_values(x_t), state)
        return self._outputs(o), state

    def _scores_and_values(self, x: Float[Array, "*time dim"]) -> tuple[Array, Array]:
        score_weight = jnp.einsum("he,hed->hd", self.query, self.key_weight) / math.sqrt(self.query.shape[1])
        return x @ score_weight.T, jnp.einsum("hed,...d->...he", self.value_weight, x)

    def _outputs(self, o: Float[Array, "*time heads head_dim"]) -> Float[Array, "*time dim"]:
        return jnp.einsum("dhe,...he->...d", self.output_weight, o)
