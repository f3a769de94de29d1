"""Fast and forgetful memory (Morad et al. 2023, arXiv 2310.04128): a fixed complex decay, input and output gates.

    u_t = l_1(x_t) s(l_2(x_t)),    S_t = exp(-|alpha_j| - i omega_k) S_{t-1} + u_t 1^T      (memory x context, complex)
    z_t = l_3(Re S_t, Im S_t),     y_t = LN(z_t) s(l_4(x_t)) + l_5(x_t) (1 - s(l_4(x_t)))

Every trace j decays at a rate of its own and is kept at every frequency k, so that S knows what was seen and when.
After an elapsed time dt the factor is its power dt: S flows, then the row is added to it.
"""

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float, Int, PRNGKeyArray, Scalar

from alternax.core.errors import InputError
from alternax.core.layer import CACHED_ROWS, Layer
from alternax.layers.inputs import check_row, check_rows, check_size, check_state
from alternax.layers.modes import held_scan

FFMState = Float[Array, "2 memory context"]


class FFM(Layer):
    """Fast and forgetful memory; its state is S as real and imaginary part.

    Attributes:
        dim: Width of input and output.
        memory: Number of traces.
        context: Number of frequencies at which each trace is kept.
    """

    dim: int = eqx.field(static=True)
    segment_rows: ClassVar[int | None] = CACHED_ROWS
    memory: int = eqx.field(static=True)
    context: int = eqx.field(static=True)
    alpha: Float[Array, "memory"]
    omega: Float[Array, "context"]
    inputs: eqx.nn.Linear
    mix: eqx.nn.Linear
    outputs: eqx.nn.Linear
    norm: eqx.nn.LayerNorm

    def __init__(self, dim: int, *, memory: int = 32, context: int = 4, longest: float = 1024.0, key: PRNGKeyArray):
        """Decays and periods start evenly spaced in their logarithms.

        Args:
            dim: Width of input and output.
            memory: Number of traces.
            context: Number of frequencies at which each trace is kept.
            longest: The slowest trace has fallen to a hundredth, and the slowest frequency has turned once, after so
                many usual steps; the fastest after one and after two.
            key: JAX random key.

        Raises:
            InputError: sizes below 1, `longest` not above 2.

        Example:
            >>> y, state = FFM(4, key=jax.random.key(0))(jnp.ones((10, 4)), dt=jnp.full(10, 0.5))
        """
        check_size("FFM", dim=dim, memory=memory, context=context)
        if not longest > 2:
            raise InputError(f"FFM: expected longest above 2 steps, found {longest}.")
        input_key, mix_key, output_key = jax.random.split(key, 3)
        self.dim, self.memory, self.context = dim, memory, context
        self.alpha = math.log(100) / jnp.geomspace(longest, 1.0, memory)
        self.omega = 2 * math.pi / jnp.geomspace(longest, 2.0, context)
        self.inputs = eqx.nn.Linear(dim, 2 * memory, key=input_key)
        self.mix = eqx.nn.Linear(2 * memory * context, dim, key=mix_key)
        self.outputs = eqx.nn.Linear(dim, 2 * dim, key=output_key)
        self.norm = eqx.nn.LayerNorm(dim, use_weight=False, use_bias=False)

    def init_state(self) -> FFMState:
        """The state of zeros."""
        return jnp.zeros((2, self.memory, self.context), self.alpha.dtype)

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: FFMState | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], Float[Array, "*kept_shape 2 memory context"]]:
        """See `Layer`; `dt` is the time since the row before, 1 everywhere if None."""
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        state = self.init_state() if state is None else state
        check_state(self, state)
        factor = self._factor(None if dt is None else dt[:, None, None])
        read, S = held_scan(factor, self._inputs(x), jax.lax.complex(*state), valid=valid, resets=resets)
        last = S[-1] if keep is None else S[keep]
        return jax.vmap(self._output)(read, x), jnp.stack([last.real, last.imag], axis=-3)

    def step(
        self, x_t: Float[Array, "dim"], state: FFMState, *, dt: Scalar | None = None, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "dim"], FFMState]:
        """See `Layer`."""
        check_row(self, x_t, state)
        S = self._factor(dt) * jax.lax.complex(*state) + self._inputs(x_t[None])[0]
        return self._output(S, x_t), jnp.stack([S.real, S.imag])

    def _factor(self, dt: Array | None) -> Complex[Array, "..."]:
        """The decay to the power dt."""
        decay, turn = jnp.abs(self.alpha)[:, None], jnp.broadcast_to(self.omega, (self.memory, self.context))
        decay, turn = (decay, turn) if dt is None else (dt * decay, dt * turn)
        return jax.lax.complex(jnp.exp(-decay) * jnp.cos(turn), -jnp.exp(-decay) * jnp.sin(turn))

    def _inputs(self, x: Float[Array, "time dim"]) -> Complex[Array, "time memory context"]:
        """u at every frequency."""
        value, gate = jnp.split(x @ self.inputs.weight.T + self.inputs.bias, 2, axis=-1)
        u = (value * jax.nn.sigmoid(gate))[:, :, None]
        return jnp.broadcast_to(jax.lax.complex(u, jnp.zeros_like(u)), (*u.shape[:2], self.context))

    def _output(self, S: Complex[Array, "memory context"], x_t: Float[Array, "dim"]) -> Float[Array, "dim"]:
        z = self.mix(jnp.concatenate([S.real.ravel(), S.imag.ravel()]))
        gate, past = jnp.split(self.outputs(x_t), 2)
        gate = jax.nn.sigmoid(gate)
        return self.norm(z) * gate + past * (1 - gate)
