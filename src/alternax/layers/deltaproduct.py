"""DeltaProduct (Siems et al. 2025, arXiv 2502.10297) and, with one step a row, DeltaNet: a memory corrected row by row.

    q, k_j, v_j = SiLU(conv(W x)),  q and k_j scaled to norm 1;    beta_j = 2 s(U x), or s(U x) if not negative
    S <- e^g S;    S <- S (I - beta_j k_j k_j^T) + beta_j v_j k_j^T,  j = 1..n;    y = W_o (RMSNorm(S q) * SiLU(W_g x))

head by head. A step with beta = 2 reflects the memory along k_j, two of them turn it: what a parity and a permutation
are tracked with (arXiv 2411.12537). The decay g = -exp(rate) softplus(W_a x + b) is that of Gated DeltaNet (arXiv
2412.06464); it and the gate W_g are options.
"""

from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from alternax.core.layer import CACHED_ROWS, Layer
from alternax.layers import initial
from alternax.layers.inputs import check_row, check_rows, check_size, check_state, head_count
from alternax.layers.rms_norm import rms_norm
from alternax.ops import delta_rule, delta_rule_step, short_conv, short_conv_step


class DeltaProductState(NamedTuple):
    """What the layer carries.

    Attributes:
        memory: S of every head.
        window: The last rows before the short convolution.
    """

    memory: Float[Array, "*kept_shape heads value_dim key_dim"]
    window: Float[Array, "*kept_shape carried channels"]


class DeltaProduct(Layer):
    """Delta rule with several Householder steps a row. It counts rows and does not read `dt`.

    Attributes:
        dim: Width of input and output.
        heads: Number of memories.
        head_dim: Width of queries, keys and values, so that a memory is a square matrix of this size.
        householders: Steps a row, n.
        negative: Whether beta goes up to 2 and the eigenvalues down to -1.
        chunk: Rows in a chunk of the parallel form; None for the kernel's choice.
    """

    dim: int = eqx.field(static=True)
    segment_rows: ClassVar[int | None] = CACHED_ROWS
    heads: int = eqx.field(static=True)
    head_dim: int = eqx.field(static=True)
    householders: int = eqx.field(static=True)
    negative: bool = eqx.field(static=True)
    chunk: int | None = eqx.field(static=True)
    input_weight: Float[Array, "channels dim"]
    kernel: Float[Array, "conv_width channels"]
    beta_weight: Float[Array, "steps_heads dim"]
    decay_weight: Float[Array, "heads dim"] | None
    decay_bias: Float[Array, "heads"] | None
    rate_log: Float[Array, "heads"] | None
    gate_weight: Float[Array, "inner dim"] | None
    norm_weight: Float[Array, "head_dim"]
    output_weight: Float[Array, "dim inner"]

    def __init__(
        self,
        dim: int,
        *,
        heads: int | None = None,
        head_dim: int | None = None,
        householders: int = 2,
        negative: bool = True,
        decay: bool = False,
        gate: bool = False,
        conv_width: int = 4,
        chunk: int | None = None,
        key: PRNGKeyArray,
    ):
        """Weights start normal with variance 1 / fan-in; a decay starts as in Mamba-2, between .2 and .999 a row.

        Args:
            dim: Width of input and output.
            heads: Number of memories; as many as make up `dim` if None.
            head_dim: Width of queries, keys and values; the largest divisor of `dim` up to 64 if None.
            householders: Steps a row; an orthogonal map of `head_dim` dimensions takes at most as many reflections.
            negative: Let beta go up to 2 and not only to 1: needed for parities and permutations.
            decay: Let every row scale the memory down first.
            gate: Multiply the reads with a gate of the input.
            conv_width: Rows in the short convolution, the current one counted.
            chunk: Rows in a chunk of the parallel form; the kernel's choice if None.
            key: JAX random key.

        Raises:
            InputError: sizes below 1; a `head_dim` that does not divide `dim` while `heads` is None.

        Example:
            >>> y, state = DeltaProduct(4, key=jax.random.key(0))(jnp.ones((10, 4)))
        """
        check_size("DeltaProduct", dim=dim, householders=householders, conv_width=conv_width)
        check_size("DeltaProduct", heads=1 if heads is None else heads, chunk=1 if chunk is None else chunk)
        self.heads = head_count("DeltaProduct", dim, head_dim) if heads is None else heads
        self.head_dim = max(1, dim // self.heads) if head_dim is None else head_dim
        check_size("DeltaProduct", head_dim=self.head_dim)
        self.dim, self.householders, self.negative, self.chunk = dim, householders, negative, chunk
        inner = self.heads * self.head_dim
        channels = (1 + 2 * householders) * inner
        input_key, kernel_key, beta_key, decay_key, gate_key, output_key = jax.random.split(key, 6)
        self.input_weight = initial.normal((channels, dim), dim, key=input_key)
        self.kernel = initial.uniform((conv_width, channels), conv_width, key=kernel_key)
        self.beta_weight = initial.normal((householders * self.heads, dim), dim, key=beta_key)
        self.decay_weight = self.decay_bias = self.rate_log = self.gate_weight = None
        if decay:
            weight_key, bias_key, rate_key = jax.random.split(decay_key, 3)
            self.decay_weight = initial.normal((self.heads, dim), dim, key=weight_key)
            self.decay_bias = initial.step_bias(self.heads, key=bias_key)
            self.rate_log = initial.rate_log(self.heads, key=rate_key)
        if gate:
            self.gate_weight = initial.normal((inner, dim), dim, key=gate_key)
        self.norm_weight = jnp.ones(self.head_dim)
        self.output_weight = initial.normal((dim, inner), inner, key=output_key)

    def init_state(self) -> DeltaProductState:
        """The state of zeros."""
        dtype = self.kernel.dtype
        memory = jnp.zeros((self.heads, self.head_dim, self.head_dim), dtype)
        return DeltaProductState(memory, jnp.zeros((self.kernel.shape[0] - 1, self.kernel.shape[1]), dtype))

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: DeltaProductState | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], DeltaProductState]:
        """See `Layer`."""
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        state = self.init_state() if state is None else state
        check_state(self, state)
        masks = {"valid": valid, "resets": resets, "keep": keep}
        mixed, window = short_conv(x @ self.input_weight.T, self.kernel, state.window, **masks)
        reads, memory = delta_rule(
            *self._heads(mixed), *self._strengths(x), state.memory, **masks, chunk=self.chunk
        )  # fmt: skip
        return self._outputs(reads, x), DeltaProductState(memory, window)

    def step(
        self,
        x_t: Float[Array, "dim"],
        state: DeltaProductState,
        *,
        dt: Scalar | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "dim"], DeltaProductState]:
        """See `Layer`."""
        check_row(self, x_t, state)
        mixed, window = short_conv_step(self.input_weight @ x_t, self.kernel, state.window)
        read, memory = delta_rule_step(*self._heads(mixed), *self._strengths(x_t), state.memory)
        return self._outputs(read, x_t), DeltaProductState(memory, window)

    def _heads(self, mixed: Float[Array, "*time channels"]) -> tuple[Array, Array, Array]:
        """q `(*time, heads, head_dim)`, k and v `(*time, steps, heads, head_dim)`."""
        parts = jax.nn.silu(mixed).reshape(*mixed.shape[:-1], -1, self.heads, self.head_dim)
        q, k, v = jnp.split(parts, [1, 1 + self.householders], axis=-3)
        return unit_length(q[..., 0, :, :]), unit_length(k), v

    def _strengths(self, x: Float[Array, "*time dim"]) -> tuple[Array, Array | None]:
        """Beta `(*time, steps, heads)` and the log decay `(*time, heads)`."""
        beta = jax.nn.sigmoid(x @ self.beta_weight.T).reshape(*x.shape[:-1], self.householders, self.heads)
        beta = 2 * beta if self.negative else beta
        if self.decay_weight is None:
            return beta, None
        return beta, -jnp.exp(self.rate_log) * jax.nn.softplus(x @ self.decay_weight.T + self.decay_bias)

    def _outputs(self, reads: Float[Array, "*time heads head_dim"], x: Float[Array, "*time dim"]) -> Array:
        normed = rms_norm(reads, self.norm_weight).reshape(*x.shape[:-1], -1)
        gated = normed if self.gate_weight is None else normed * jax.nn.silu(x @ self.gate_weight.T)
        return gated @ self.output_weight.T


def deltanet(dim: int, *, negative: bool = False, key: PRNGKeyArray, **options: Any) -> DeltaProduct:
    """DeltaNet (Yang et al. 2024, arXiv 2406.06484): a `DeltaProduct` with one step a row.

    With `decay=True` and `gate=True` it is Gated DeltaNet (arXiv 2412.06464).

    Args:
        dim: Width of input and output.
        negative: Let beta go up to 2 and not only to 1 (arXiv 2411.12537).
        key: JAX random key.
        **options: Further options of `DeltaProduct`.

    Example:
        >>> y, state = deltanet(4, key=jax.random.key(0))(jnp.ones((10, 4)))
    """
    return DeltaProduct(dim, householders=1, negative=negative, key=key, **options)


def unit_length(x: Float[Array, "*batch head_dim"]) -> Float[Array, "*batch head_dim"]:
    """Scaled to norm 1, rows near zero left near zero."""
    return x * jax.lax.rsqrt(jnp.sum(x**2, axis=-1, keepdims=True) + 1e-6)
