"""GSS (Mehta et al. 2022, arXiv 2206.13947): a gate around diagonal state spaces that run in a reduced width.

    v = gelu(W_v x),    u = gelu(W_u x),    y = DSS(u),    o = W_o ((W_y y) * v)

with the paper's simplified DSS: B = 1, one step Delta = 1 for all channels, eigenvalues -exp(re) + i exp(im) shared by
the channels and started at random. The paper's layer norm and residual connection are those of `Residual`.
"""

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from alternax.core.layer import STORED_ROWS, Layer
from alternax.layers import channels, initial
from alternax.layers.diagonal import DiagonalBank
from alternax.layers.inputs import check_row, check_rows, check_size, check_state

GSSState = Float[Array, "2 inner_dim state_dim"]


class GSS(Layer):
    """Gated state space; its state is that of the diagonal systems, as real and imaginary part.

    Attributes:
        dim: Width of input and output.
        inner_dim: Channels that have a state-space system.
        state_dim: Complex units a channel.
    """

    dim: int = eqx.field(static=True)
    segment_rows: ClassVar[int | None] = STORED_ROWS
    inner_dim: int = eqx.field(static=True)
    state_dim: int = eqx.field(static=True)
    method: channels.Method = eqx.field(static=True)
    gate: Float[Array, "gate_dim dim"]
    reduce: Float[Array, "inner_dim dim"]
    expand: Float[Array, "gate_dim inner_dim"]
    out: Float[Array, "dim gate_dim"]
    decay_log: Float[Array, "state_dim"]
    frequency_log: Float[Array, "state_dim"]
    C: Float[Array, "2 inner_dim state_dim"]
    D: Float[Array, "inner_dim"]

    def __init__(
        self,
        dim: int,
        *,
        inner_dim: int | None = None,
        gate_dim: int | None = None,
        state_dim: int = 64,
        method: channels.Method = "auto",
        key: PRNGKeyArray,
    ):
        """Eigenvalues start as exponentials of normal numbers; weights normal, scaled by their number of inputs.

        Args:
            dim: Width of input and output.
            inner_dim: Width of the state-space part; a quarter of `dim` if None, as in the paper.
            gate_dim: Width of the gate; four times `dim` if None, as in the paper.
            state_dim: Complex units a channel.
            method: Form of the convolution, see `alternax.layers.channels`.
            key: JAX random key.

        Raises:
            InputError: sizes below 1, an unknown method.

        Example:
            >>> y, state = GSS(8, state_dim=4, key=jax.random.key(0))(jnp.ones((10, 8)))
        """
        check_size("GSS", dim=dim)
        inner_dim = max(1, dim // 4) if inner_dim is None else inner_dim
        gate_dim = 4 * dim if gate_dim is None else gate_dim
        check_size("GSS", inner_dim=inner_dim, gate_dim=gate_dim, state_dim=state_dim)
        channels.check_method("GSS", method)
        keys = jax.random.split(key, 8)
        weight = lambda key, rows, columns: initial.normal((rows, columns), columns, key=key)  # noqa: E731
        self.dim, self.inner_dim, self.state_dim, self.method = dim, inner_dim, state_dim, method
        self.gate, self.reduce = weight(keys[0], gate_dim, dim), weight(keys[1], inner_dim, dim)
        self.expand, self.out = weight(keys[2], gate_dim, inner_dim), weight(keys[3], dim, gate_dim)
        self.decay_log, self.frequency_log = jax.random.normal(keys[4], (2, state_dim))
        self.C = initial.complex_normal((inner_dim, state_dim), key=keys[5]) / math.sqrt(state_dim)
        self.D = jax.random.normal(keys[6], (inner_dim,))

    def init_state(self) -> GSSState:
        """The state of zeros."""
        return jnp.zeros((2, self.inner_dim, self.state_dim), self.C.dtype)

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: GSSState | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], Float[Array, "*kept_shape 2 inner_dim state_dim"]]:
        """See `Layer`; `dt` multiplies the step size, which is one."""
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        check_state(self, state)
        u = self._reduced(x)
        y, states = channels.run(
            self.bank(), u, state, self.D, valid=valid, resets=resets, dt=dt, keep=keep, method=self.method
        )
        return self._gated(y, x), states

    def step(
        self, x_t: Float[Array, "dim"], state: GSSState, *, dt: Scalar | None = None, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "dim"], GSSState]:
        """See `Layer`."""
        check_row(self, x_t, state)
        u_t = self._reduced(x_t)
        y_t, state = channels.step(self.bank(), u_t, state, self.D, dt)
        return self._gated(y_t, x_t), state

    def bank(self) -> DiagonalBank:
        """The systems of the channels."""
        rates = jax.lax.complex(-jnp.exp(self.decay_log), jnp.exp(self.frequency_log))
        rates = jnp.broadcast_to(rates, (self.inner_dim, self.state_dim))
        step = jnp.ones(self.inner_dim, self.C.dtype)
        return DiagonalBank(rates, step, jnp.ones_like(rates), jax.lax.complex(*self.C), "zoh")

    def _reduced(self, x: Float[Array, "*time dim"]) -> Float[Array, "*time inner_dim"]:
        return jax.nn.gelu(x @ self.reduce.T)

    def _gated(self, y: Float[Array, "*time inner_dim"], x: Float[Array, "*time dim"]) -> Float[Array, "*time dim"]:
        return ((y @ self.expand.T) * jax.nn.gelu(x @ self.gate.T)) @ self.out.T
