"""Long expressive memory (Rusch et al. 2022, arXiv 2110.04744, equation 3): two states with learned time steps.

    a_t = step s(W_1 y_{t-1} + V_1 x_t + b_1),    z_t = (1 - a_t) z_{t-1} + a_t tanh(W_z y_{t-1} + V_z x_t + b_z)
    b_t = step s(W_2 y_{t-1} + V_2 x_t + b_2),    y_t = (1 - b_t) y_{t-1} + b_t tanh(W_y z_t + V_y x_t + b_y)

Each line relaxes towards its tanh. After an elapsed time dt what is left of the distance is (1 - a_t)^dt in place of
1 - a_t: the paper's equations at dt = 1, and states that never leave [-1, 1] however long the gap.
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from alternax.core.errors import InputError
from alternax.core.layer import STORED_ROWS, Layer
from alternax.layers import initial
from alternax.layers.inputs import check_row, check_rows, check_size, check_state
from alternax.layers.loop import loop_over_rows

LEMState = Float[Array, "2 dim"]


class LEM(Layer):
    """Long expressive memory; its state is (y, z), its output y, and `dt` is the time since the row before.

    Attributes:
        dim: Width of input, of both states and of the output.
        longest_step: The paper's step, the largest share of the way to its tanh that a state goes in one row.
    """

    dim: int = eqx.field(static=True)
    segment_rows: ClassVar[int | None] = STORED_ROWS
    longest_step: float = eqx.field(static=True)
    input_weight: Float[Array, "gates dim"]
    state_weight: Float[Array, "three_gates dim"]
    output_weight: Float[Array, "dim dim"]
    bias: Float[Array, "gates"]

    def __init__(self, dim: int, *, longest_step: float = 1.0, key: PRNGKeyArray):
        """Weights and biases start uniform within 1 / sqrt(dim), in the order 1, 2, z, y.

        Args:
            dim: Width of input, of both states and of the output.
            longest_step: In (0, 1]; small for slow signals.
            key: JAX random key.

        Raises:
            InputError: `dim` below 1, a step outside (0, 1].

        Example:
            >>> y, state = LEM(4, key=jax.random.key(0))(jnp.ones((10, 4)), dt=jnp.full(10, 0.5))
        """
        check_size("LEM", dim=dim)
        if not 0 < longest_step <= 1:
            raise InputError(f"LEM: expected 0 < longest_step <= 1, found {longest_step}.")
        shapes = ((4 * dim, dim), (3 * dim, dim), (dim, dim), (4 * dim,))
        draws = [initial.uniform(shape, dim, key=k) for k, shape in zip(jax.random.split(key, 4), shapes, strict=True)]
        self.dim, self.longest_step = dim, longest_step
        self.input_weight, self.state_weight, self.output_weight, self.bias = draws

    def init_state(self) -> LEMState:
        """The state of zeros."""
        return jnp.zeros((2, self.dim), self.bias.dtype)

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: LEMState | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], Float[Array, "*kept_shape 2 dim"]]:
        """See `Layer`; `dt` is the time since the row before, 1 everywhere if None."""
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        state = self.init_state() if state is None else state
        check_state(self, state)
        rows = (x @ self.input_weight.T + self.bias, jnp.ones(x.shape[0], x.dtype) if dt is None else dt)
        return loop_over_rows(self._next, rows, state, self.init_state(), valid=valid, resets=resets, keep=keep)

    def step(
        self, x_t: Float[Array, "dim"], state: LEMState, *, dt: Scalar | None = None, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "dim"], LEMState]:
        """See `Layer`."""
        check_row(self, x_t, state)
        inputs = self.input_weight @ x_t + self.bias
        return self._next((inputs, jnp.ones((), x_t.dtype) if dt is None else dt), state)

    def _next(self, row: tuple[Array, Array], state: LEMState) -> tuple[Float[Array, "dim"], LEMState]:
        inputs, dt = row
        y, z = state
        first, second, to_z = jnp.split(inputs[: 3 * self.dim] + self.state_weight @ y, 3)
        z = self._relaxed(z, jnp.tanh(to_z), first, dt)
        y = self._relaxed(y, jnp.tanh(inputs[3 * self.dim :] + self.output_weight @ z), second, dt)
        return y, jnp.stack([y, z])

    def _relaxed(self, value: Array, target: Array, gate: Array, dt: Array) -> Array:
        """The value after dt on its way to the target: 1 - (1 - step s(gate))^dt of the distance."""
        # With a step of 1, log(1 - s(gate)) is log s(-gate), which stays finite where s(gate) rounds to 1.
        whole = self.longest_step == 1
        left = jax.nn.log_sigmoid(-gate) if whole else jnp.log1p(-self.longest_step * jax.nn.sigmoid(gate))
        return value - jnp.expm1(dt * left) * (target - value)
