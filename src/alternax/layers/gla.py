"""Gated linear attention (Yang et al. 2023, arXiv 2312.06635): a matrix state a head that every key dimension gates.

    q, k, v, r = projections of x_t,    a_t = sigmoid(up (down x_t) + gate_bias)^(1/tau)       rank 16, tau = 16
    S_t = diag(a_t) S_{t-1} + k_t v_t^T,     o_t = q_t S_t
    y_t = out_weight (silu(r + r_bias) * norm_weight * rms_norm(o_t)),    the norm by head    (section 4.4)

It counts rows and does not read `dt`.
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from alternax.core.errors import InputError
from alternax.core.layer import CACHED_ROWS, Layer
from alternax.layers import initial
from alternax.layers.inputs import check_row, check_rows, check_size, check_state, head_count
from alternax.layers.rms_norm import rms_norm
from alternax.ops import gated_linear

GLAState = Float[Array, "heads key_dim head_dim"]


class GLA(Layer):
    """Gated linear attention layer; its state is the matrix S of every head.

    Attributes:
        dim: Width of input and output.
        heads: Number of heads.
        tau: Root taken of the gates; the larger, the slower they forget at the start.
        chunk: Rows in a chunk of the parallel form.
        block: Rows in a block of a chunk.
    """

    dim: int = eqx.field(static=True)
    segment_rows: ClassVar[int | None] = CACHED_ROWS
    heads: int = eqx.field(static=True)
    tau: float = eqx.field(static=True)
    chunk: int = eqx.field(static=True)
    block: int = eqx.field(static=True)
    in_weight: Float[Array, "projected dim"]
    down: Float[Array, "gate_rank dim"]
    up: Float[Array, "keys gate_rank"]
    gate_bias: Float[Array, "keys"]
    r_bias: Float[Array, "dim"]
    norm_weight: Float[Array, "dim"]
    out_weight: Float[Array, "dim dim"]

    def __init__(
        self,
        dim: int,
        *,
        head_dim: int | None = None,
        key_dim: int | None = None,
        gate_rank: int = 16,
        tau: float = 16.0,
        chunk: int = 64,
        block: int = 8,
        key: PRNGKeyArray,
    ):
        """Weights start uniform within 1 / sqrt(width they read), biases at zero.

        Args:
            dim: Width of input and output, and of the values of all heads together.
            head_dim: Width of a head's values; None takes the largest divisor of `dim` up to 64.
            key_dim: Width of a head's keys; half of `head_dim`, rounded up, if None.
            gate_rank: Rank of the product that makes the gates.
            tau: Root taken of the gates.
            chunk: Rows in a chunk of the parallel form, a multiple of `block`.
            block: Rows in a block of a chunk.
            key: JAX random key.

        Raises:
            InputError: sizes below 1, a `head_dim` that does not divide `dim`, `tau` not above 0.

        Example:
            >>> y, state = GLA(4, key=jax.random.key(0))(jnp.ones((10, 4)))
        """
        check_size("GLA", dim=dim, gate_rank=gate_rank, chunk=chunk, block=block)
        heads = head_count("GLA", dim, head_dim)
        key_dim = -(-dim // heads // 2) if key_dim is None else key_dim
        check_size("GLA", key_dim=key_dim)
        if not tau > 0:
            raise InputError(f"GLA: tau must be above 0, found {tau}.")
        if chunk % block:
            raise InputError(f"GLA: chunk={chunk} is not a multiple of block={block}.")
        shapes = ((2 * heads * key_dim + 2 * dim, dim), (gate_rank, dim), (heads * key_dim, gate_rank), (dim, dim))
        draws = [
            initial.uniform(shape, shape[1], key=k) for k, shape in zip(jax.random.split(key, 4), shapes, strict=True)
        ]
        self.dim, self.heads, self.tau, self.chunk, self.block = dim, heads, tau, chunk, block
        self.in_weight, self.down, self.up, self.out_weight = draws
        self.gate_bias, self.r_bias = jnp.zeros(heads * key_dim), jnp.zeros(dim)
        self.norm_weight = jnp.ones(dim)

    def init_state(self) -> GLAState:
        """The state of zeros."""
        return jnp.zeros((self.heads, self.up.shape[0] // self.heads, self.dim // self.heads), self.r_bias.dtype)

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: GLAState | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], Float[Array, "*kept_shape heads key_dim head_dim"]]:
        """See `Layer`."""
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        state = self.init_state() if state is None else state
        check_state(self, state)
        q, k, v, r = self._projected(x)
        o, state = gated_linear(
            q, k, v, self._log_gate(x), state,
            valid=valid, resets=resets, keep=keep, chunk=self.chunk, block=self.block,
        )  # fmt: skip
        return self._outputs(o, r), state

    def step(
        self, x_t: Float[Array, "dim"], state: GLAState, *, dt: Scalar | None = None, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "dim"], GLAState]:
        """See `Layer`."""
        check_row(self, x_t, state)
        q, k, v, r = self._projected(x_t)
        S = jnp.exp(self._log_gate(x_t))[:, :, None] * state + k[:, :, None] * v[:, None, :]
        return self._outputs(jnp.einsum("hk,hkv->hv", q, S), r), S

    def _projected(self, x: Float[Array, "*time dim"]) -> list[Array]:
        """q, k and v by head, and the output gate before its activation."""
        keys = self.up.shape[0]
        q, k, v, r = jnp.split(x @ self.in_weight.T, [keys, 2 * keys, 2 * keys + self.dim], axis=-1)
        return [*(part.reshape(*x.shape[:-1], self.heads, -1) for part in (q, k, v)), r + self.r_bias]

    def _log_gate(self, x: Float[Array, "*time dim"]) -> Float[Array, "*time heads key_dim"]:
        logits = (x @ self.down.T) @ self.up.T + self.gate_bias
        return (jax.nn.log_sigmoid(logits) / self.tau).reshape(*x.shape[:-1], self.heads, -1)

    def _outputs(self, o: Array, r: Float[Array, "*time dim"]) -> Float[Array, "*time dim"]:
        normed = rms_norm(o.reshape(r.shape), self.norm_weight, groups=self.heads)
        return (jax.nn.silu(r) * normed) @ self.out_weight.T
