"""S5, one state-space model over all channels together (Smith, Warrington and Linderman 2023, arXiv 2208.04933).

    h'(t) = Lambda h(t) + B x(t),    y(t) = 2 Re(C h(t)) + D * x(t)

It is discretised with the learned steps Delta, one a mode, here with z = Lambda Delta dt:

    zoh       h_t = e^z h_{t-1} + (e^z - 1) / Lambda * (B x_t)
    bilinear  h_t = (1 + z/2) / (1 - z/2) h_{t-1} + Delta dt / (1 - z/2) * (B x_t)

Modes stand for themselves and their conjugates, hence twice the real part. They start as those of HiPPO-LegS-N, the
normal part of HiPPO-LegS, one such matrix for each of `blocks` blocks.
The real part of Lambda is -exp(rate_log), so that no mode ever grows.
"""

from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Int, PRNGKeyArray, Scalar

from alternax.core.errors import InputError
from alternax.core.layer import CACHED_ROWS, Layer
from alternax.layers import initial
from alternax.layers.inputs import check_row, check_rows, check_size, check_state
from alternax.layers.modes import into_modes, out_of_modes, real_state, scan_modes
from alternax.ops.hippo import normal_plus_low_rank

S5State = Float[Array, "2 state_dim"]


class S5(Layer):
    """Diagonal state-space model with many inputs and outputs; `dt` multiplies its step sizes.

    Attributes:
        dim: Width of input and output.
        state_dim: Number of complex modes in h.
        discretisation: "zoh" or "bilinear".
    """

    dim: int = eqx.field(static=True)
    segment_rows: ClassVar[int | None] = CACHED_ROWS
    state_dim: int = eqx.field(static=True)
    discretisation: str = eqx.field(static=True)
    rate_log: Float[Array, "state_dim"]
    frequency: Float[Array, "state_dim"]
    step_log: Float[Array, "state_dim"]
    B: Float[Array, "2 state_dim dim"]
    C: Float[Array, "2 dim state_dim"]
    D: Float[Array, "dim"]

    def __init__(
        self,
        dim: int,
        *,
        state_dim: int | None = None,
        blocks: int = 1,
        step_min: float = 1e-3,
        step_max: float = 1e-1,
        discretisation: Literal["zoh", "bilinear"] = "zoh",
        key: PRNGKeyArray,
    ):
        """B and C are those of a real system with normal entries, in the basis of the modes.

        Args:
            dim: Width of input and output.
            state_dim: Number of complex modes, half of the paper's P; `dim` if None.
            blocks: Number of HiPPO matrices among the modes; divides `state_dim`.
            step_min: Smallest step at the start, in units of the usual time between rows.
            step_max: Largest step at the start; drawn between the two, uniformly in the logarithm.
            discretisation: "zoh", exact for inputs that are constant since the row before, or "bilinear".
            key: JAX random key.

        Raises:
            InputError: sizes below 1, blocks that do not divide `state_dim`, steps outside 0 < step_min <= step_max, an
                unknown discretisation.

        Example:
            >>> y, state = S5(4, state_dim=8, blocks=2, key=jax.random.key(0))(jnp.ones((10, 4)))
        """
        state_dim = dim if state_dim is None else state_dim
        check_size("S5", dim=dim, state_dim=state_dim, blocks=blocks)
        if state_dim % blocks:
            raise InputError(f"S5: expected blocks to divide state_dim={state_dim}, found {blocks}.")
        if discretisation not in ("zoh", "bilinear"):
            raise InputError(f"S5: unknown discretisation {discretisation!r}; choose from 'zoh', 'bilinear'.")
        b_key, c_key, d_key, step_key = jax.random.split(key, 4)
        order = 2 * state_dim // blocks
        modes = normal_plus_low_rank("legs", order)
        vectors = jnp.asarray(modes.vectors)
        B = initial.normal((blocks, order, dim), dim, key=b_key)
        C = initial.normal((dim, blocks, order), 2 * state_dim, key=c_key)
        B = jnp.einsum("nm,bnd->bmd", vectors.conj(), B).reshape(state_dim, dim)
        C = jnp.einsum("dbn,nm->dbm", C, vectors).reshape(dim, state_dim)
        self.dim, self.state_dim, self.discretisation = dim, state_dim, discretisation
        self.rate_log = jnp.asarray(np.tile(np.log(-np.real(modes.rates)), blocks), B.real.dtype)
        self.frequency = jnp.asarray(np.tile(np.imag(modes.rates), blocks), B.real.dtype)
        self.step_log = initial.log_uniform_step(state_dim, step_min, step_max, key=step_key)
        self.B, self.C = jnp.stack([B.real, B.imag]), jnp.stack([C.real, C.imag])
        self.D = jax.random.normal(d_key, (dim,))

    def init_state(self) -> S5State:
        """The state of zeros."""
        return jnp.zeros((2, self.state_dim), self.step_log.dtype)

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: S5State | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], Float[Array, "*kept_shape 2 state_dim"]]:
        """See `Layer`; `dt` is the time since the row before, 1 everywhere if None."""
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        state = self.init_state() if state is None else state
        check_state(self, state)
        factor, gain = self._discrete(None if dt is None else dt[:, None])
        h, state = scan_modes(factor, gain * into_modes(self.B, x), state, valid=valid, resets=resets, keep=keep)
        return self._outputs(h, x), state

    def step(
        self, x_t: Float[Array, "dim"], state: S5State, *, dt: Scalar | None = None, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "dim"], S5State]:
        """See `Layer`."""
        check_row(self, x_t, state)
        factor, gain = self._discrete(dt)
        h = factor * jax.lax.complex(*state) + gain * into_modes(self.B, x_t)
        return self._outputs(h, x_t), real_state(h)

    def _discrete(self, dt: Array | None) -> tuple[Complex[Array, "..."], Complex[Array, "..."]]:
        """What multiplies h and what multiplies B x."""
        rate, frequency, step = jnp.exp(self.rate_log), self.frequency, jnp.exp(self.step_log)
        step = step if dt is None else dt * step
        z = jax.lax.complex(-rate * step, frequency * step)
        if self.discretisation == "bilinear":
            return (1 + z / 2) / (1 - z / 2), step / (1 - z / 2)
        growth = _expm1(z)
        return growth + 1, growth / jax.lax.complex(-rate, frequency)

    def _outputs(self, h: Complex[Array, "*time state_dim"], x: Float[Array, "*time dim"]) -> Float[Array, "*time dim"]:
        """The sum 2 Re(C h) + D * x."""
        return 2 * out_of_modes(self.C, h) + self.D * x


def _expm1(z: Complex[Array, "..."]) -> Complex[Array, "..."]:
    """e^z - 1 without cancellation for small z."""
    scale, half = jnp.exp(z.real), jnp.sin(z.imag / 2)
    return jax.lax.complex(jnp.expm1(z.real) - 2 * scale * half**2, scale * jnp.sin(z.imag))
