"""Mamba (Gu and Dao 2023, arXiv 2312.00752): a diagonal state space whose step size, input and readout the row selects.

    u, r, B, C, z from x_t by projections and a short convolution (`SelectiveBlock`),    delta = softplus(r)
    h_t = exp(delta A) h_{t-1} + B_t (delta_t u_t),    A = -exp(A_log),    o_t = C_t h_t              (algorithm 2)
    y_t = out_weight ((o_t + D u_t) * silu(z_t))

for each of the `expand * dim` channels with a state of its own. An elapsed time dt between two rows multiplies delta.
The weights are those of transformers' `MambaMixer` under the names in_proj, conv1d,
x_proj, dt_proj, A_log, D, out_proj; `conv` is conv1d turned around.
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from alternax.core.errors import InputError
from alternax.core.layer import CACHED_ROWS, Layer
from alternax.layers import initial
from alternax.layers.inputs import check_row, check_rows, check_size, check_state
from alternax.layers.selective_block import SelectiveBlock, SelectiveState
from alternax.ops import selective_scan


class Mamba(Layer):
    """Selective state space layer with its short convolution and gate.

    Attributes:
        dim: Width of input and output.
        chunk: Rows between two states that are kept for the gradient.
        block: The projections before and after the scan.
    """

    dim: int = eqx.field(static=True)
    segment_rows: ClassVar[int | None] = CACHED_ROWS
    chunk: int = eqx.field(static=True)
    block: SelectiveBlock
    A_log: Float[Array, "inner state_dim"]

    def __init__(
        self,
        dim: int,
        *,
        expand: int = 2,
        state_dim: int = 16,
        conv_width: int = 4,
        delta_rank: int | None = None,
        delta_min: float = 1e-3,
        delta_max: float = 1e-1,
        bias: bool = False,
        chunk: int = 16,
        key: PRNGKeyArray,
    ):
        """Rates start at -1, -2, ..., -state_dim in every channel (S4D-real, section 3.6).

        Args:
            dim: Width of input and output.
            expand: Width inside, as a multiple of `dim`.
            state_dim: State entries of a channel.
            conv_width: Rows the short convolution sees, the current one included.
            delta_rank: Rank of the projection to the step sizes; dim / 16, rounded up, if None.
            delta_min: Smallest starting step size, in units of the usual step between rows.
            delta_max: Largest starting step size; they are drawn log-uniformly.
            bias: Whether the first and the last projection have a bias, which starts at zero.
            chunk: Rows between two states that are kept for the gradient, see `ops.selective_scan`.
            key: JAX random key.

        Raises:
            InputError: sizes below 1, bounds outside 0 < delta_min <= delta_max.

        Example:
            >>> y, state = Mamba(4, key=jax.random.key(0))(jnp.ones((10, 4)))
        """
        block_key, delta_key = jax.random.split(key)
        sizes = {"expand": expand, "state_dim": state_dim, "conv_width": conv_width, "delta_rank": delta_rank}
        block = SelectiveBlock("Mamba", dim, **sizes, bias=bias, key=block_key)
        check_size("Mamba", chunk=chunk)
        if not 0 < delta_min <= delta_max:
            raise InputError(f"Mamba: expected 0 < delta_min <= delta_max, found {delta_min} and {delta_max}.")
        bias = initial.step_bias(expand * dim, delta_min, delta_max, key=delta_key)
        self.dim, self.chunk = dim, chunk
        self.block = eqx.tree_at(lambda block: block.delta_bias, block, bias)
        self.A_log = jnp.log(jnp.tile(jnp.arange(1.0, state_dim + 1), (expand * dim, 1)))

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
        """See `Layer`; `dt` is the time since the row before, 1 everywhere if None."""
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        state = self.init_state() if state is None else state
        check_state(self, state)
        masks = {"valid": valid, "resets": resets, "keep": keep}
        rows, carry = self.block.select(x, state.conv, **masks)
        delta = self._step_size(rows.r, None if dt is None else dt[:, None])
        o, h = selective_scan(rows.u, delta, self._rates(), rows.B, rows.C, state.h, chunk=self.chunk, **masks)
        return self.block.outputs(o, rows), SelectiveState(carry, h)

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
        delta = self._step_size(row.r, dt)
        h = jnp.exp(delta * self._rates().T) * state.h + row.B[:, None] * (delta * row.u)
        return self.block.outputs(row.C @ h, row), SelectiveState(carry, h)

    def _rates(self) -> Float[Array, "inner state_dim"]:
        return -jnp.exp(self.A_log)

    def _step_size(self, r: Float[Array, "*time inner"], dt: Array | None) -> Float[Array, "*time inner"]:
        delta = jax.nn.softplus(r)
        return delta if dt is None else dt * delta
