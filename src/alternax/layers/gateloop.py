"""GateLoop (Katsch 2023, arXiv 2311.01927): a complex diagonal recurrence whose factors are made from the input.

    q, k, v, alpha, beta, g = projections of x_t,    a_t = sigmoid(alpha) exp(i beta)
    h_t = a_t h_{t-1} + k_t v_t,    y_t = out_weight (silu(g) * q_t Re(h_t))

This is the variant with as many heads as channels, whose state is one complex number a channel. It counts rows and does
not read `dt`.
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
from alternax.layers.modes import scan_modes

GateLoopState = Float[Array, "2 dim"]


class GateLoop(Layer):
    """Linear recurrence with data-controlled decay and rotation; its state is h as real and imaginary part.

    Attributes:
        dim: Width of input, state and output.
    """

    dim: int = eqx.field(static=True)
    segment_rows: ClassVar[int | None] = CACHED_ROWS
    in_weight: Float[Array, "projected dim"]
    decay_bias: Float[Array, "dim"]
    phase_bias: Float[Array, "dim"]
    out_weight: Float[Array, "dim dim"]

    def __init__(
        self, dim: int, *, slowest: float = 0.999, fastest: float = 0.5, max_phase: float = math.pi, key: PRNGKeyArray
    ):
        """Biases put the factors on a ring at the start, as the projections are small about zero.

        Args:
            dim: Width of input, state and output.
            slowest: Largest modulus of a factor at x = 0; its logit is spread evenly down to that of `fastest`.
            fastest: Smallest modulus of a factor at x = 0.
            max_phase: Largest angle of a factor at x = 0, in radians; the angles are spread evenly from 0.
            key: JAX random key.

        Raises:
            InputError: `dim` below 1, moduli outside 0 < fastest <= slowest < 1, a negative angle.

        Example:
            >>> y, state = GateLoop(4, key=jax.random.key(0))(jnp.ones((10, 4)))
        """
        check_size("GateLoop", dim=dim)
        if not 0 < fastest <= slowest < 1:
            raise InputError(
                f"GateLoop: expected 0 < fastest <= slowest < 1, found fastest={fastest}, slowest={slowest}."
            )
        if not 0 <= max_phase < math.inf:
            raise InputError(f"GateLoop: max_phase must be at least 0 and finite, found {max_phase}.")
        in_key, out_key, decay_key, phase_key = jax.random.split(key, 4)
        logits = (math.log(fastest / (1 - fastest)), math.log(slowest / (1 - slowest)))
        self.dim = dim
        self.in_weight = initial.uniform((6 * dim, dim), dim, key=in_key)
        self.out_weight = initial.uniform((dim, dim), dim, key=out_key)
        self.decay_bias = jax.random.uniform(decay_key, (dim,), minval=logits[0], maxval=logits[1])
        self.phase_bias = jax.random.uniform(phase_key, (dim,), maxval=max_phase)

    def init_state(self) -> GateLoopState:
        """The state of zeros."""
        return jnp.zeros((2, self.dim), self.decay_bias.dtype)

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: GateLoopState | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], Float[Array, "*kept_shape 2 dim"]]:
        """See `Layer`."""
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        state = self.init_state() if state is None else state
        check_state(self, state)
        a, written, read = self._projected(x)
        h, last = scan_modes(a, written, state, valid=valid, resets=resets, keep=keep)
        return (read * h.real) @ self.out_weight.T, last

    def step(
        self,
        x_t: Float[Array, "dim"],
        state: GateLoopState,
        *,
        dt: Scalar | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "dim"], GateLoopState]:
        """See `Layer`."""
        check_row(self, x_t, state)
        a, written, read = self._projected(x_t)
        h = a * jax.lax.complex(*state) + written
        return (read * h.real) @ self.out_weight.T, jnp.stack([h.real, h.imag])

    def _projected(self, x: Float[Array, "*time dim"]) -> tuple[Complex[Array, "*time dim"], Array, Array]:
        """The factors a, what is written, k v, and what the state is read with, silu(g) q."""
        q, k, v, alpha, beta, g = jnp.split(x @ self.in_weight.T, 6, axis=-1)
        modulus, phase = jax.nn.sigmoid(alpha + self.decay_bias), beta + self.phase_bias
        a = jax.lax.complex(modulus * jnp.cos(phase), modulus * jnp.sin(phase))
        return a, (k * v).astype(a.dtype), jax.nn.silu(g) * q
