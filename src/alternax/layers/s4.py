"""S4 (Gu, Goel, Ré 2021, arXiv 2111.00396): a diagonal plus low rank state-space system in every channel.

    x' = (diag(lambda) - P P*) x + B u,    y = 2 Re(C x) + D u,    lambda = -exp(decay_log) + i frequency

started from a HiPPO operator and made discrete by the bilinear rule over steps Delta = exp(step_log) (section 3). The
part -P P* is fixed in sign, so that no system is ever unstable (Goel et al. 2022, arXiv 2202.09729). How the systems
run is in `alternax.layers.low_rank`.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from alternax.core.layer import Layer
from alternax.layers import channels, initial
from alternax.layers.inputs import check_row, check_rows, check_size, check_state
from alternax.layers.low_rank import LowRankBank
from alternax.layers.s4d import pair_count
from alternax.ops.hippo import Measure

S4State = Float[Array, "2 dim pairs"]


class S4(Layer):
    """Structured state space; its state is x as real and imaginary part, one of each conjugate pair.

    Attributes:
        dim: Width of input and output.
        pairs: Conjugate pairs a channel, half the order of its system.
    """

    dim: int = eqx.field(static=True)
    pairs: int = eqx.field(static=True)
    method: channels.Method = eqx.field(static=True)
    decay_log: Float[Array, "dim pairs"]
    frequency: Float[Array, "dim pairs"]
    P: Float[Array, "2 rank dim pairs"]
    B: Float[Array, "2 dim pairs"]
    C: Float[Array, "2 dim pairs"]
    step_log: Float[Array, "dim"]
    D: Float[Array, "dim"]

    def __init__(
        self,
        dim: int,
        *,
        state_dim: int = 64,
        measure: Measure = "legs",
        step_min: float = 1e-3,
        step_max: float = 1e-1,
        method: channels.Method = "auto",
        key: PRNGKeyArray,
    ):
        """All channels start from the same operator, at step sizes of their own.

        Args:
            dim: Width of input and output.
            state_dim: Order N of each channel's real system, even: N / 2 complex units are kept.
            measure: HiPPO operator: "legs" (rank 1), "legt" (rank 2) or "fout" (rank 1).
            step_min: Smallest step size; its inverse is about the longest memory, in rows.
            step_max: Largest step size.
            method: Form of the convolution, see `alternax.layers.channels`; "fft" is the paper's, by Cauchy sums.
            key: JAX random key.

        Raises:
            InputError: sizes below 1, an odd `state_dim`, unknown names, steps outside 0 < step_min <= step_max.

        Example:
            >>> y, state = S4(4, state_dim=8, key=jax.random.key(0))(jnp.ones((10, 4)))
        """
        check_size("S4", dim=dim)
        pairs = pair_count("S4", state_dim)
        channels.check_method("S4", method)
        parts = initial.dplr(measure, pairs)
        step_key, c_key, d_key = jax.random.split(key, 3)
        self.dim, self.pairs, self.method = dim, pairs, method
        # The normal part of LegT and FouT has no decay of its own, and zero has no logarithm.
        decay = np.maximum(-np.real(parts.rates), 1e-4)
        self.decay_log, self.frequency = (_each(v, dim) for v in (np.log(decay), np.imag(parts.rates)))
        self.P, self.B = (_each(np.stack([np.real(v), np.imag(v)]), dim) for v in (parts.low_rank, parts.inputs))
        self.C = initial.complex_normal((dim, pairs), key=c_key)
        self.step_log = initial.log_uniform_step(dim, step_min, step_max, key=step_key)
        self.D = jax.random.normal(d_key, (dim,))

    def init_state(self) -> S4State:
        """The state of zeros."""
        return jnp.zeros((2, self.dim, self.pairs), self.C.dtype)

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: S4State | None = None,
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
        self, x_t: Float[Array, "dim"], state: S4State, *, dt: Scalar | None = None, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "dim"], S4State]:
        """See `Layer`."""
        check_row(self, x_t, state)
        return channels.step(self.bank(), x_t, state, self.D, dt)

    def bank(self) -> LowRankBank:
        """The systems of the channels."""
        rates = jax.lax.complex(-jnp.exp(self.decay_log), self.frequency)
        P, B, C = (jax.lax.complex(*v) for v in (self.P, self.B, self.C))
        return LowRankBank(rates, P, B, 2 * C, jnp.exp(self.step_log))


def _each(values: np.ndarray, dim: int) -> Array:
    """The same values (..., pairs) for every channel, (..., dim, pairs)."""
    return jnp.asarray(np.repeat(values[..., None, :], dim, axis=-2), float)
