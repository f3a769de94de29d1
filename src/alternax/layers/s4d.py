"""S4D (Gu et al. 2022, arXiv 2206.11893): a diagonal state-space system in every channel.

    x' = diag(lambda) x + B u,    y = 2 Re(C x) + D u,    lambda = -exp(decay_log) + i frequency     (sections 3 and 4)

over steps Delta = exp(step_log), by zero-order hold or the bilinear rule. Only the products B_n C_n matter to y; B is
one and C learnt. Channels do not mix: a `Block` around the layer does that.
"""

from collections.abc import Callable
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from alternax.core.errors import InputError
from alternax.core.layer import Layer
from alternax.layers import channels, initial
from alternax.layers.diagonal import DiagonalBank, Discretisation, check_discretisation
from alternax.layers.inputs import check_row, check_rows, check_size, check_state

S4DState = Float[Array, "2 dim pairs"]
Start = Literal["lin", "inv", "legs"]

_STARTS: dict[str, Callable[[int], np.ndarray]] = {
    "lin": initial.s4d_lin,
    "inv": initial.s4d_inv,
    "legs": initial.s4d_legs,
}


class S4D(Layer):
    """Diagonal structured state space; its state is x as real and imaginary part, one of each conjugate pair.

    Attributes:
        dim: Width of input and output.
        pairs: Conjugate pairs a channel, half the order of its system.
    """

    dim: int = eqx.field(static=True)
    pairs: int = eqx.field(static=True)
    discretisation: Discretisation = eqx.field(static=True)
    method: channels.Method = eqx.field(static=True)
    decay_log: Float[Array, "dim pairs"]
    frequency: Float[Array, "dim pairs"]
    step_log: Float[Array, "dim"]
    C: Float[Array, "2 dim pairs"]
    D: Float[Array, "dim"]

    def __init__(
        self,
        dim: int,
        *,
        state_dim: int = 64,
        start: Start = "lin",
        discretisation: Discretisation = "zoh",
        step_min: float = 1e-3,
        step_max: float = 1e-1,
        method: channels.Method = "auto",
        key: PRNGKeyArray,
    ):
        """All channels start from the same eigenvalues, at step sizes of their own.

        Args:
            dim: Width of input and output.
            state_dim: Order N of each channel's real system, even: N / 2 complex units are kept.
            start: Eigenvalues: "lin" (Fourier frequencies), "inv" (an inverse law) or "legs" (HiPPO-LegS).
            discretisation: "zoh" or "bilinear".
            step_min: Smallest step size; its inverse is about the longest memory, in rows.
            step_max: Largest step size.
            method: Form of the convolution, see `alternax.layers.channels`; "auto" is right but for measurements.
            key: JAX random key.

        Raises:
            InputError: sizes below 1, an odd `state_dim`, unknown names, steps outside 0 < step_min <= step_max.

        Example:
            >>> y, state = S4D(4, state_dim=8, key=jax.random.key(0))(jnp.ones((10, 4)))
        """
        check_size("S4D", dim=dim)
        pairs = pair_count("S4D", state_dim)
        check_discretisation("S4D", discretisation)
        channels.check_method("S4D", method)
        if start not in _STARTS:
            raise InputError(f"S4D: unknown start {start!r}; choose from {[*_STARTS]}.")
        step_key, c_key, d_key = jax.random.split(key, 3)
        rates = np.broadcast_to(_STARTS[start](pairs), (dim, pairs))
        self.dim, self.pairs, self.discretisation, self.method = dim, pairs, discretisation, method
        self.decay_log, self.frequency = jnp.asarray(np.log(-np.real(rates)), float), jnp.asarray(np.imag(rates), float)
        self.step_log = initial.log_uniform_step(dim, step_min, step_max, key=step_key)
        self.C = initial.complex_normal((dim, pairs), key=c_key)
        self.D = jax.random.normal(d_key, (dim,))

    def init_state(self) -> S4DState:
        """The state of zeros."""
        return jnp.zeros((2, self.dim, self.pairs), self.C.dtype)

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: S4DState | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], Float[Array, "*kept_shape 2 dim pairs"]]:
        """See `Layer`; `dt` multiplies the step sizes."""
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        check_state(self, state)
        return channels.run(
            self.bank(), x, state, self.D, valid=valid, resets=resets, dt=dt, keep=keep, method=self.method
        )

    def step(
        self, x_t: Float[Array, "dim"], state: S4DState, *, dt: Scalar | None = None, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "dim"], S4DState]:
        """See `Layer`."""
        check_row(self, x_t, state)
        return channels.step(self.bank(), x_t, state, self.D, dt)

    def bank(self) -> DiagonalBank:
        """The systems of the channels."""
        rates = jax.lax.complex(-jnp.exp(self.decay_log), self.frequency)
        return DiagonalBank(
            rates, jnp.exp(self.step_log), jnp.ones_like(rates), 2 * jax.lax.complex(*self.C), self.discretisation
        )


def pair_count(layer: str, state_dim: int) -> int:
    """Conjugate pairs of a real system of order `state_dim`, which must be even."""
    check_size(layer, state_dim=state_dim)
    if state_dim % 2:
        raise InputError(f"{layer}: state_dim={state_dim} must be even: eigenvalues come in conjugate pairs.")
    return state_dim // 2
