"""Longhorn (Liu et al. 2024, arXiv 2407.14207): a state space that learns, row by row, to recall u from its key k.

Every channel keeps a vector s that should answer u_t when asked with the key k_t. A row moves it to the minimum of
|s - s_{t-1}|^2 + beta_t (s . k_t - u_t)^2, where the matrix 1 - Delta k k^T that comes out is cut to its diagonal:

    s_t = (1 - Delta_t k_t^2) s_{t-1} + Delta_t k_t u_t,  Delta_t = beta_t / (1 + beta_t |k_t|^2)   (theorem 3.1, eq. 7)
    o_t = q_t . s_t,    beta_t = sigmoid(r_t),    u, r, k, q, z as u, r, B, C, z of Mamba           (algorithm 1)

Since Delta k^2 < 1 the recurrence is stable without a rate of decay. Rows are counted: the layer does not read `dt`.
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from alternax.core.layer import CACHED_ROWS, Layer
from alternax.layers.inputs import check_row, check_rows, check_size, check_state
from alternax.layers.selective_block import Selected, SelectiveBlock, SelectiveState
from alternax.ops import selective_scan


class Longhorn(Layer):
    """Layer that solves an online regression; it counts rows and does not read `dt`.

    Attributes:
        dim: Width of input and output.
        chunk: Rows between two states that are kept for the gradient.
        block: The projections before and after the scan; its B is the key k, its C the query q.
    """

    dim: int = eqx.field(static=True)
    segment_rows: ClassVar[int | None] = CACHED_ROWS
    chunk: int = eqx.field(static=True)
    block: SelectiveBlock

    def __init__(
        self,
        dim: int,
        *,
        expand: int = 2,
        state_dim: int = 16,
        conv_width: int = 4,
        delta_rank: int | None = None,
        chunk: int = 16,
        key: PRNGKeyArray,
    ):
        """Starts with beta near one half.

        Args:
            dim: Width of input and output.
            expand: Width inside, as a multiple of `dim`.
            state_dim: Length of keys and queries: state entries of a channel.
            conv_width: Rows the short convolution sees, the current one included.
            delta_rank: Rank of the projection to beta; dim / 16, rounded up, if None.
            chunk: Rows between two states that are kept for the gradient, see `ops.selective_scan`.
            key: JAX random key.

        Raises:
            InputError: sizes below 1.

        Example:
            >>> y, state = Longhorn(4, key=jax.random.key(0))(jnp.ones((10, 4)))
        """
        sizes = {"expand": expand, "state_dim": state_dim, "conv_width": conv_width, "delta_rank": delta_rank}
        check_size("Longhorn", chunk=chunk)
        self.dim, self.chunk = dim, chunk
        self.block = SelectiveBlock("Longhorn", dim, **sizes, key=key)

    def init_state(self) -> SelectiveState:
        """The state of zeros."""
        return self.block.init_state()

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: SelectiveState | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], SelectiveState]:
        """See `Layer`."""
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        state = self.init_state() if state is None else state
        check_state(self, state)
        masks = {"valid": valid, "resets": resets, "keep": keep}
        rows, carry = self.block.select(x, state.conv, **masks)
        o, s = selective_scan(
            rows.u, _rate(rows), None, rows.B, rows.C, state.h, erase=rows.B**2, chunk=self.chunk, **masks
        )
        return self.block.outputs(o, rows), SelectiveState(carry, s)

    def step(
        self,
        x_t: Float[Array, "dim"],
        state: SelectiveState,
        *,
        dt: Scalar | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "dim"], SelectiveState]:
        """See `Layer`."""
        check_row(self, x_t, state)
        row, carry = self.block.select_row(x_t, state.conv)
        rate, k = _rate(row), row.B[:, None]
        s = (1 - rate * k**2) * state.h + k * (rate * row.u)
        return self.block.outputs(row.C @ s, row), SelectiveState(carry, s)


def _rate(rows: Selected) -> Float[Array, "*time inner"]:
    """The rate of learning, Delta."""
    beta = jax.nn.sigmoid(rows.r)
    return beta / (1 + beta * jnp.sum(rows.B**2, axis=-1, keepdims=True))
