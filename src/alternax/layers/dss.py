"""DSS (Gupta, Gu, Berant 2022, arXiv 2203.14343): diagonal state spaces with an exp or a softmax kernel a channel.

    exp       K_k = Re sum_n w_n / lambda_n (e^{lambda_n Delta} - 1) e^{lambda_n k Delta},    lambda = -exp(re) + i im
    softmax   K_k = Re sum_n w_n / lambda_n softmax_k(lambda_n k Delta) over k < length,      lambda = re + i im

(proposition 1). Both are zero-order holds of x' = lambda x + B u, y = Re(w x): with B = 1, and with
B = 1 / (e^{length lambda Delta} - 1), the reciprocal 1/x being conj(x) / (|x|^2 + 1e-7) as in the paper. A mode of the
softmax whose real part has become positive remembers its oldest rows best, and grows without bound past `length` rows.
"""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from alternax.core.errors import InputError
from alternax.core.layer import Layer
from alternax.layers import channels, initial
from alternax.layers.diagonal import DiagonalBank, complex_exp, complex_expm1
from alternax.layers.inputs import check_row, check_rows, check_size, check_state

DSSState = Float[Array, "2 dim state_dim"]
Kernel = Literal["exp", "softmax"]


class DSS(Layer):
    """Diagonal state space; its state is x as real and imaginary part.

    Attributes:
        dim: Width of input and output.
        state_dim: Complex units a channel.
        kernel: "exp" or "softmax".
        length: Rows that the softmax is normalised over; not read by "exp".
    """

    dim: int = eqx.field(static=True)
    state_dim: int = eqx.field(static=True)
    kernel: Kernel = eqx.field(static=True)
    length: int = eqx.field(static=True)
    method: channels.Method = eqx.field(static=True)
    rate: Float[Array, "state_dim"]
    frequency: Float[Array, "state_dim"]
    step_log: Float[Array, "dim"]
    w: Float[Array, "2 dim state_dim"]
    D: Float[Array, "dim"]

    def __init__(
        self,
        dim: int,
        *,
        state_dim: int = 64,
        kernel: Kernel = "exp",
        length: int = 1024,
        step_min: float = 1e-3,
        step_max: float = 1e-1,
        method: channels.Method = "auto",
        key: PRNGKeyArray,
    ):
        """All channels share the eigenvalues, which start as those of the normal part of HiPPO (section 3.3).

        Args:
            dim: Width of input and output.
            state_dim: Complex units N a channel.
            kernel: "exp" keeps every real part negative, "softmax" leaves it free.
            length: Rows that the softmax is normalised over: the length of the training sequences.
            step_min: Smallest step size.
            step_max: Largest step size.
            method: Form of the convolution, see `alternax.layers.channels`.
            key: JAX random key.

        Raises:
            InputError: sizes below 1, unknown names, steps outside 0 < step_min <= step_max.

        Example:
            >>> y, state = DSS(4, state_dim=8, key=jax.random.key(0))(jnp.ones((10, 4)))
        """
        check_size("DSS", dim=dim, state_dim=state_dim, length=length)
        channels.check_method("DSS", method)
        if kernel not in ("exp", "softmax"):
            raise InputError(f"DSS: unknown kernel {kernel!r}; choose from ['exp', 'softmax'].")
        step_key, w_key, d_key = jax.random.split(key, 3)
        rates = initial.s4d_legs(state_dim)
        self.dim, self.state_dim, self.kernel, self.length, self.method = dim, state_dim, kernel, length, method
        self.rate = jnp.asarray(np.log(-np.real(rates)) if kernel == "exp" else np.real(rates), float)
        self.frequency = jnp.asarray(np.imag(rates), float)
        self.step_log = initial.log_uniform_step(dim, step_min, step_max, key=step_key)
        self.w = initial.complex_normal((dim, state_dim), key=w_key)
        self.D = jax.random.normal(d_key, (dim,))

    def init_state(self) -> DSSState:
        """The state of zeros."""
        return jnp.zeros((2, self.dim, self.state_dim), self.w.dtype)

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: DSSState | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], Float[Array, "*kept_shape 2 dim state_dim"]]:
        """See `Layer`; `dt` multiplies the step sizes."""
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        check_state(self, state)
        return channels.run(
            self.bank(), x, state, self.D, valid=valid, resets=resets, dt=dt, keep=keep, method=self.method
        )

    def step(
        self, x_t: Float[Array, "dim"], state: DSSState, *, dt: Scalar | None = None, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "dim"], DSSState]:
        """See `Layer`."""
        check_row(self, x_t, state)
        return channels.step(self.bank(), x_t, state, self.D, dt)

    def bank(self) -> DiagonalBank:
        """The systems of the channels."""
        rate = -jnp.exp(self.rate) if self.kernel == "exp" else self.rate
        rates = jnp.broadcast_to(jax.lax.complex(rate, self.frequency), (self.dim, self.state_dim))
        step = jnp.exp(self.step_log)
        if self.kernel == "exp":
            inputs = jnp.ones_like(rates)
        else:
            inputs = _reciprocal_of_expm1(self.length * step[:, None] * rates)
        return DiagonalBank(rates, step, inputs, jax.lax.complex(*self.w), "zoh")


def _reciprocal_of_expm1(z: Array) -> Array:
    """1 / (e^z - 1), never with the exponential of a positive number: it is also -e^{-z} / (e^{-z} - 1)."""
    growing = z.real > 0
    z = jnp.where(growing, -z, z)
    x = complex_expm1(z)
    return jnp.where(growing, -complex_exp(z), 1.0) * x.conj() / (x.real**2 + x.imag**2 + 1e-7)
