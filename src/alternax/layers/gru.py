"""The gated recurrent unit (Cho et al. 2014, arXiv 1406.1078), with the reset gate after the product, as cuDNN has it.

r = s(W_r x + U_r h + b_r),  u = s(W_u x + U_u h + b_u),  n = tanh(W_n x + b_n + r * (U_n h + c_n)),  h <- (1-u) n + u h
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from alternax.core.layer import STORED_ROWS, Layer
from alternax.layers import initial
from alternax.layers.inputs import check_row, check_rows, check_size, check_state
from alternax.ops import gru_scan
from alternax.ops.gated_scan import time_major

GRUState = Float[Array, "dim"]


class GRU(Layer):
    """Gated recurrent unit; its output is its state h. It counts rows and does not read `dt`.

    Attributes:
        dim: Width of input, state and output.
    """

    dim: int = eqx.field(static=True)
    segment_rows: ClassVar[int | None] = STORED_ROWS
    input_weight: Float[Array, "gates dim"]
    state_weight: Float[Array, "gates dim"]
    bias: Float[Array, "gates"]
    candidate_bias: Float[Array, "dim"]

    def __init__(self, dim: int, *, key: PRNGKeyArray):
        """Weights and biases start uniform within 1 / sqrt(dim), in the order r, u, n.

        Args:
            dim: Width of input, state and output.
            key: JAX random key.

        Raises:
            InputError: `dim` below 1.

        Example:
            >>> y, state = GRU(4, key=jax.random.key(0))(jnp.ones((10, 4)))
        """
        check_size("GRU", dim=dim)
        shapes = ((3 * dim, dim), (3 * dim, dim), (3 * dim,), (dim,))
        draws = [initial.uniform(shape, dim, key=k) for k, shape in zip(jax.random.split(key, 4), shapes, strict=True)]
        self.dim = dim
        self.input_weight, self.state_weight, self.bias, self.candidate_bias = draws

    def init_state(self) -> GRUState:
        """The state of zeros."""
        return jnp.zeros(self.dim, self.bias.dtype)

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: GRUState | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], Float[Array, "*kept_shape dim"]]:
        """See `Layer`. All input projections are one matrix product; only U h is left to the loop."""
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        state = self.init_state() if state is None else state
        check_state(self, state)
        inputs = time_major(x) @ self.input_weight.T + self.bias
        bias = jnp.pad(self.candidate_bias, (2 * self.dim, 0))
        return gru_scan(inputs, self.state_weight, bias, state, valid=valid, resets=resets, keep=keep)

    def step(
        self, x_t: Float[Array, "dim"], state: GRUState, *, dt: Scalar | None = None, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "dim"], GRUState]:
        """See `Layer`."""
        check_row(self, x_t, state)
        inputs, recurrent = self.input_weight @ x_t + self.bias, self.state_weight @ state
        reset, update = jnp.split(jax.nn.sigmoid(inputs[: 2 * self.dim] + recurrent[: 2 * self.dim]), 2)
        candidate = jnp.tanh(inputs[2 * self.dim :] + reset * (recurrent[2 * self.dim :] + self.candidate_bias))
        h = (1 - update) * candidate + update * state
        return h, h
