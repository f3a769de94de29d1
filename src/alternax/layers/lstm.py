"""The long short-term memory (Hochreiter and Schmidhuber 1997, Neural Computation 9, 1735), with forget gates.

    (i, f, g, o) = W x_t + U h_{t-1} + b,    c_t = s(f) c_{t-1} + s(i) tanh(g),    h_t = s(o) tanh(c_t)

W, U and b are `weight_ih_l0`, `weight_hh_l0` and `bias_ih_l0 + bias_hh_l0` of torch's LSTM.
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from alternax.core.layer import STORED_ROWS, Layer
from alternax.layers import initial
from alternax.layers.inputs import check_row, check_rows, check_size, check_state
from alternax.ops import lstm_scan
from alternax.ops.gated_scan import time_major

LSTMState = tuple[Float[Array, "dim"], Float[Array, "dim"]]
LSTMStates = tuple[Float[Array, "*kept_shape dim"], Float[Array, "*kept_shape dim"]]


class LSTM(Layer):
    """Long short-term memory; its state is (h, c), its output h. It counts rows and does not read `dt`.

    Attributes:
        dim: Width of input, state and output.
    """

    dim: int = eqx.field(static=True)
    segment_rows: ClassVar[int | None] = STORED_ROWS
    input_weight: Float[Array, "gates dim"]
    state_weight: Float[Array, "gates dim"]
    bias: Float[Array, "gates"]

    def __init__(self, dim: int, *, forget_bias: float = 1.0, key: PRNGKeyArray):
        """Weights start uniform within 1 / sqrt(dim), biases at zero, in the order i, f, g, o.

        Args:
            dim: Width of input, state and output.
            forget_bias: Where the bias of f starts; the larger, the longer the memory at first.
            key: JAX random key.

        Raises:
            InputError: `dim` below 1.

        Example:
            >>> y, (h, c) = LSTM(4, key=jax.random.key(0))(jnp.ones((10, 4)))
        """
        check_size("LSTM", dim=dim)
        self.dim = dim
        keys = jax.random.split(key)
        self.input_weight, self.state_weight = (initial.uniform((4 * dim, dim), dim, key=k) for k in keys)
        self.bias = jnp.zeros(4 * dim).at[dim : 2 * dim].set(forget_bias)

    def init_state(self) -> LSTMState:
        """The state of zeros."""
        return jnp.zeros(self.dim, self.bias.dtype), jnp.zeros(self.dim, self.bias.dtype)

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: LSTMState | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], LSTMStates]:
        """See `Layer`. All input projections are one matrix product; only U h is left to the loop."""
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        state = self.init_state() if state is None else state
        check_state(self, state)
        inputs = time_major(x) @ self.input_weight.T
        y, (h, c) = lstm_scan(inputs, self.state_weight, self.bias, state, valid=valid, resets=resets, keep=keep)
        return y, (h, c)

    def step(
        self, x_t: Float[Array, "dim"], state: LSTMState, *, dt: Scalar | None = None, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "dim"], LSTMState]:
        """See `Layer`."""
        check_row(self, x_t, state)
        i, f, g, o = jnp.split(self.input_weight @ x_t + self.state_weight @ state[0] + self.bias, 4)
        c = jax.nn.sigmoid(f) * state[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return h, (h, c)
