"""Mixture of memories (Du et al. 2025, arXiv 2502.13685): a router writes each row to a few of several memories.

    p = softmax(W_r x),  K the `active` largest;    w_m = p_m / sum of p over K for m in K, 0 for others; w_shared = 1
    S^m <- e^{g^m} S^m (I - beta^m k^m k^m^T) + beta^m v^m k^m^T    for m in K and the shared one; the others are held
    y = W_o (RMSNorm(sum_m w_m S^m q) * SiLU(W_g x))

head by head, with the gated delta rule as the update (arXiv 2412.06464); q, k^m and v^m as in `deltaproduct`, q one for
all memories. The short convolution runs over all rows, not over those of a memory. Where the K largest change, the
output jumps: the gradient is that of the weights w with K as it is.
"""

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from alternax.core.errors import InputError
from alternax.core.layer import CACHED_ROWS, Layer
from alternax.layers import initial
from alternax.layers.deltaproduct import unit_length
from alternax.layers.inputs import check_row, check_rows, check_size, check_state, head_count
from alternax.layers.rms_norm import rms_norm
from alternax.ops import delta_rule, delta_rule_step, short_conv, short_conv_step


class MoMState(NamedTuple):
    """What the layer carries.

    Attributes:
        memory: S of every memory and head, the memories one after another, the shared one last.
        window: The last rows before the short convolution.
    """

    memory: Float[Array, "*kept_shape memories_heads value_dim key_dim"]
    window: Float[Array, "*kept_shape carried channels"]


class MoM(Layer):
    """Mixture of memories. It counts rows and does not read `dt`.

    Attributes:
        dim: Width of input and output.
        memories: Number of memories that rows are sent to, besides the shared one.
        active: Number of them that a row is sent to.
        heads: Number of heads of a memory.
        head_dim: Width of queries, keys and values of a head.
        chunk: Rows in a chunk of the parallel form; None for the kernel's choice.
    """

    dim: int = eqx.field(static=True)
    segment_rows: ClassVar[int | None] = CACHED_ROWS
    memories: int = eqx.field(static=True)
    active: int = eqx.field(static=True)
    heads: int = eqx.field(static=True)
    head_dim: int = eqx.field(static=True)
    chunk: int | None = eqx.field(static=True)
    router_weight: Float[Array, "memories dim"]
    input_weight: Float[Array, "channels dim"]
    kernel: Float[Array, "conv_width channels"]
    beta_weight: Float[Array, "memories_heads dim"]
    decay_weight: Float[Array, "memories_heads dim"]
    decay_bias: Float[Array, "memories_heads"]
    rate_log: Float[Array, "memories_heads"]
    gate_weight: Float[Array, "inner dim"]
    norm_weight: Float[Array, "head_dim"]
    output_weight: Float[Array, "dim inner"]

    def __init__(
        self,
        dim: int,
        *,
        memories: int = 4,
        active: int = 2,
        heads: int | None = None,
        head_dim: int | None = None,
        conv_width: int = 4,
        chunk: int | None = None,
        key: PRNGKeyArray,
    ):
        """Weights start normal with variance 1 / fan-in, the decays as in Mamba-2.

        Args:
            dim: Width of input and output.
            memories: Number of memories, besides the shared one. All are computed for all rows; the cost grows with it.
            active: Memories that a row is sent to.
            heads: Number of heads of a memory; as many as make up `dim` if None.
            head_dim: Width of a head; the largest divisor of `dim` up to 64 if None.
            conv_width: Rows in the short convolution, the current one counted.
            chunk: Rows in a chunk of the parallel form; the kernel's choice if None.
            key: JAX random key.

        Raises:
            InputError: sizes below 1, more active memories than there are, a `head_dim` that does not divide `dim`
                while `heads` is None.

        Example:
            >>> y, state = MoM(4, key=jax.random.key(0))(jnp.ones((10, 4)))
        """
        check_size("MoM", dim=dim, memories=memories, active=active, conv_width=conv_width)
        check_size("MoM", heads=1 if heads is None else heads, chunk=1 if chunk is None else chunk)
        if active > memories:
            raise InputError(f"MoM: expected at most memories={memories} active ones, found active={active}.")
        self.heads = head_count("MoM", dim, head_dim) if heads is None else heads
        self.head_dim = max(1, dim // self.heads) if head_dim is None else head_dim
        check_size("MoM", head_dim=self.head_dim)
        self.dim, self.memories, self.active, self.chunk = dim, memories, active, chunk
        inner, stored = self.heads * self.head_dim, (memories + 1) * self.heads
        channels = inner + 2 * stored * self.head_dim
        keys = jax.random.split(key, 9)
        self.router_weight = initial.normal((memories, dim), dim, key=keys[0])
        self.input_weight = initial.normal((channels, dim), dim, key=keys[1])
        self.kernel = initial.uniform((conv_width, channels), conv_width, key=keys[2])
        self.beta_weight = initial.normal((stored, dim), dim, key=keys[3])
        self.decay_weight = initial.normal((stored, dim), dim, key=keys[4])
        self.decay_bias = initial.step_bias(stored, key=keys[5])
        self.rate_log = initial.rate_log(stored, key=keys[6])
        self.gate_weight = initial.normal((inner, dim), dim, key=keys[7])
        self.norm_weight = jnp.ones(self.head_dim)
        self.output_weight = initial.normal((dim, inner), inner, key=keys[8])

    def init_state(self) -> MoMState:
        """The state of zeros."""
        dtype, stored = self.kernel.dtype, (self.memories + 1) * self.heads
        memory = jnp.zeros((stored, self.head_dim, self.head_dim), dtype)
        return MoMState(memory, jnp.zeros((self.kernel.shape[0] - 1, self.kernel.shape[1]), dtype))

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: MoMState | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], MoMState]:
        """See `Layer`."""
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        state = self.init_state() if state is None else state
        check_state(self, state)
        masks = {"valid": valid, "resets": resets, "keep": keep}
        mixed, window = short_conv(x @ self.input_weight.T, self.kernel, state.window, **masks)
        shares, sent = self._routed(x)
        arguments = *self._heads(mixed), *self._strengths(x, sent)
        reads, memory = delta_rule(*arguments, state.memory, **masks, chunk=self.chunk)
        return self._outputs(reads, shares, x), MoMState(memory, window)

    def step(
        self, x_t: Float[Array, "dim"], state: MoMState, *, dt: Scalar | None = None, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "dim"], MoMState]:
        """See `Layer`."""
        check_row(self, x_t, state)
        mixed, window = short_conv_step(self.input_weight @ x_t, self.kernel, state.window)
        shares, sent = self._routed(x_t)
        read, memory = delta_rule_step(*self._heads(mixed), *self._strengths(x_t, sent), state.memory)
        return self._outputs(read, shares, x_t), MoMState(memory, window)

    def _routed(self, x: Float[Array, "*time dim"]) -> tuple[Array, Array]:
        """The weights w of all memories, the shared one last, and which of them the row is sent to."""
        logits = x @ self.router_weight.T
        # By their ranks, the first of equals before the others: for a few memories that is less work than a sort.
        other, one, place = logits[..., None, :], logits[..., :, None], jnp.arange(self.memories)
        ahead = (other > one) | ((other == one) & (place < place[:, None]))
        chosen = jnp.sum(ahead, axis=-1) < self.active
        shares = jax.nn.softmax(logits, axis=-1, where=chosen)
        shared = jnp.ones_like(shares[..., :1])
        return jnp.concatenate([shares, shared], axis=-1), jnp.concatenate([chosen, shared > 0], axis=-1)

    def _heads(self, mixed: Float[Array, "*time channels"]) -> tuple[Array, Array, Array]:
        """q, k and v of all memories and heads, k and v with an axis for the one step."""
        parts = jax.nn.silu(mixed).reshape(*mixed.shape[:-1], -1, self.heads, self.head_dim)
        q, k, v = jnp.split(parts, [1, 2 + self.memories], axis=-3)
        flat = lambda u: u.reshape(*mixed.shape[:-1], -1, self.head_dim)  # noqa: E731
        q = jnp.broadcast_to(unit_length(q), k.shape)
        return flat(q), flat(unit_length(k))[..., None, :, :], flat(v)[..., None, :, :]

    def _strengths(self, x: Float[Array, "*time dim"], sent: Array) -> tuple[Array, Array]:
        """Beta, with an axis for the one step, and the log decay: zero where the row is not sent to the memory."""
        sent = jnp.repeat(sent, self.heads, axis=-1)
        beta = jax.nn.sigmoid(x @ self.beta_weight.T)
        log_decay = -jnp.exp(self.rate_log) * jax.nn.softplus(x @ self.decay_weight.T + self.decay_bias)
        return jnp.where(sent, beta, 0.0)[..., None, :], jnp.where(sent, log_decay, 0.0)

    def _outputs(self, reads: Float[Array, "*time memories_heads head_dim"], shares: Array, x: Array) -> Array:
        apart = reads.reshape(*x.shape[:-1], self.memories + 1, self.heads, self.head_dim)
        mixed = jnp.sum(shares[..., None, None] * apart, axis=-3)
        normed = rms_norm(mixed, self.norm_weight).reshape(*x.shape[:-1], -1)
        return (normed * jax.nn.silu(x @ self.gate_weight.T)) @ self.output_weight.T
