"""The linear recurrent unit (Orvieto et al. 2023, arXiv 2303.06349): a complex diagonal linear recurrence.

    h_t = Lambda h_{t-1} + exp(gamma_log) * (B x_t),    y_t = Re(C h_t) + D * x_t               (sections 3.2 to 3.4)
    Lambda = exp(-exp(nu_log) + i exp(theta_log))       always inside the unit disc             (section 3.3)

An elapsed time dt between two rows turns Lambda into Lambda^dt = exp(dt (-exp(nu_log) + i exp(theta_log))): the state
flows, then the row is added to it.
"""

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float, Int, PRNGKeyArray, Scalar

from alternax.core.errors import InputError
from alternax.core.layer import CACHED_ROWS, Layer
from alternax.layers import initial
from alternax.layers.inputs import check_row, check_rows, check_size, check_state
from alternax.layers.modes import into_modes, out_of_modes, real_state, scan_modes

LRUState = Float[Array, "2 state_dim"]


class LRU(Layer):
    """Linear recurrent unit; its state is h as real and imaginary part.

    Attributes:
        dim: Width of input and output.
        state_dim: Number of complex units in h.
    """

    dim: int = eqx.field(static=True)
    segment_rows: ClassVar[int | None] = CACHED_ROWS
    state_dim: int = eqx.field(static=True)
    nu_log: Float[Array, "state_dim"]
    theta_log: Float[Array, "state_dim"]
    gamma_log: Float[Array, "state_dim"]
    B: Float[Array, "2 state_dim dim"]
    C: Float[Array, "2 dim state_dim"]
    D: Float[Array, "dim"]

    def __init__(
        self,
        dim: int,
        *,
        state_dim: int | None = None,
        r_min: float = 0.0,
        r_max: float = 0.99,
        max_phase: float = 2 * math.pi,
        key: PRNGKeyArray,
    ):
        """Eigenvalues start uniformly distributed on a ring (lemma 3.2).

        Args:
            dim: Width of input and output.
            state_dim: Number of complex units; `dim` if None.
            r_min: Inner radius of the ring.
            r_max: Outer radius, at most 1; the nearer to 1, the longer the memory.
            max_phase: Largest starting angle in radians, at most 2 pi; small for slow signals.
            key: JAX random key.

        Raises:
            InputError: sizes below 1, radii outside 0 <= r_min < r_max <= 1, an angle outside (0, 2 pi].

        Example:
            >>> y, state = LRU(4, key=jax.random.key(0))(jnp.ones((10, 4)))
        """
        state_dim = dim if state_dim is None else state_dim
        check_size("LRU", dim=dim, state_dim=state_dim)
        if not 0 <= r_min < r_max <= 1:
            raise InputError(f"LRU: expected 0 <= r_min < r_max <= 1, found r_min={r_min}, r_max={r_max}.")
        if not 0 < max_phase <= 2 * math.pi:
            raise InputError(f"LRU: expected 0 < max_phase <= 2 pi, found {max_phase}.")
        radius_key, phase_key, b_key, c_key, d_key = jax.random.split(key, 5)
        # Away from the ends of (0, 1), where the logarithms below are infinite.
        u1, u2 = (jax.random.uniform(k, (state_dim,), minval=1e-4, maxval=1 - 1e-4) for k in (radius_key, phase_key))
        squared_radius = u1 * (r_max**2 - r_min**2) + r_min**2
        self.dim, self.state_dim = dim, state_dim
        self.nu_log = jnp.log(-0.5 * jnp.log(squared_radius))
        self.theta_log = jnp.log(max_phase * u2)
        self.gamma_log = 0.5 * jnp.log1p(-squared_radius)  # equation 7 at the starting values
        self.B = initial.normal((2, state_dim, dim), 2 * dim, key=b_key)
        self.C = initial.normal((2, dim, state_dim), state_dim, key=c_key)
        self.D = jax.random.normal(d_key, (dim,))

    def init_state(self) -> LRUState:
        """The state of zeros."""
        return jnp.zeros((2, self.state_dim), self.nu_log.dtype)

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: LRUState | None = None,
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
        a = self._factor(None if dt is None else dt[:, None])
        h, state = scan_modes(a, self._inputs(x), state, valid=valid, resets=resets, keep=keep)
        return self._outputs(h, x), state

    def step(
        self, x_t: Float[Array, "dim"], state: LRUState, *, dt: Scalar | None = None, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "dim"], LRUState]:
        """See `Layer`."""
        check_row(self, x_t, state)
        h = self._factor(dt) * jax.lax.complex(*state) + self._inputs(x_t)
        return self._outputs(h, x_t), real_state(h)

    def _factor(self, dt: Array | None) -> Complex[Array, "..."]:
        """Lambda^dt."""
        nu, theta = jnp.exp(self.nu_log), jnp.exp(self.theta_log)
        nu, theta = (nu, theta) if dt is None else (dt * nu, dt * theta)
        return jax.lax.complex(jnp.exp(-nu) * jnp.cos(theta), jnp.exp(-nu) * jnp.sin(theta))

    def _inputs(self, x: Float[Array, "*time dim"]) -> Complex[Array, "*time state_dim"]:
        """The product gamma * (B x)."""
        return into_modes(jnp.exp(self.gamma_log)[:, None] * self.B, x)

    def _outputs(self, h: Complex[Array, "*time state_dim"], x: Float[Array, "*time dim"]) -> Float[Array, "*time dim"]:
        """The sum Re(C h) + D * x."""
        return out_of_modes(self.C, h) + self.D * x
