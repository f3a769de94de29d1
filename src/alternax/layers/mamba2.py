"""Mamba-2 (Dao and Gu 2024, arXiv 2405.21060): a selective state space with one decay a head and a matrix state.

    z, u, r = in_weight x_t + in_bias
    u = silu(conv(u) + conv_bias), split into v (heads x head_dim), B and C (groups x state)
    delta = softplus(r + delta_bias),    S_t = exp(-exp(A_log) delta) S_{t-1} + delta v B^T,    o = S_t C + D v
    y_t = out_weight (norm_weight * rms_norm(o * silu(z))) + out_bias                             (section 7)

The biases of the two outer projections are there on request only, as are bounds on delta. An elapsed time dt between
two rows multiplies delta. The weights are those of transformers' `Mamba2Mixer` under the names in_proj, conv1d,
dt_bias, A_log, D, norm, out_proj; `conv` is conv1d turned around.
"""

import math
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from alternax.core.errors import InputError
from alternax.core.layer import CACHED_ROWS, Layer
from alternax.layers import initial
from alternax.layers.inputs import check_row, check_rows, check_size, check_state, head_count
from alternax.layers.rms_norm import rms_norm
from alternax.ops import short_conv, short_conv_step, ssd


class Mamba2State(NamedTuple):
    """What `Mamba2` carries: the last rows before its convolution, and the matrix S of every head."""

    conv: Float[Array, "*kept carried channels"]
    S: Float[Array, "*kept heads head_dim state_dim"]


class Mamba2(Layer):
    """Mamba-2 layer: a short convolution, then a gated linear recurrence with a matrix of state a head.

    Attributes:
        dim: Width of input and output.
        heads: Number of heads; their joint width is `expand` times `dim`.
        groups: How many pairs of B and C the heads share.
        delta_limit: Smallest and largest step size.
        norm_eps: Added to the mean square in the norm.
        chunk: Rows in a chunk of the parallel form; None leaves it to `ops.ssd`.
        in_bias: Of the first projection; none if None.
        out_bias: Of the last projection; none if None.
    """

    dim: int = eqx.field(static=True)
    segment_rows: ClassVar[int | None] = CACHED_ROWS
    heads: int = eqx.field(static=True)
    groups: int = eqx.field(static=True)
    delta_limit: tuple[float, float] = eqx.field(static=True)
    norm_eps: float = eqx.field(static=True)
    chunk: int | None = eqx.field(static=True)
    in_weight: Float[Array, "projected dim"]
    in_bias: Float[Array, "projected"] | None
    conv: Float[Array, "conv_width channels"]
    conv_bias: Float[Array, "channels"]
    delta_bias: Float[Array, "heads"]
    A_log: Float[Array, "heads"]
    D: Float[Array, "heads"]
    norm_weight: Float[Array, "inner"]
    out_weight: Float[Array, "dim inner"]
    out_bias: Float[Array, "dim"] | None

    def __init__(
        self,
        dim: int,
        *,
        expand: int = 2,
        head_dim: int | None = None,
        state_dim: int = 64,
        groups: int = 1,
        conv_width: int = 4,
        bias: bool = False,
        delta_limit: tuple[float, float] = (0.0, math.inf),
        norm_eps: float = 1e-5,
        chunk: int | None = None,
        key: PRNGKeyArray,
    ):
        """Decay rates start uniform in [1, 16], step sizes log-uniform in [0.001, 0.1], both a head, as published.

        Args:
            dim: Width of input and output.
            expand: Width inside, as a multiple of `dim`.
            head_dim: Width of a head; None takes the largest divisor of the inner width up to 64.
            state_dim: Length of B and C: columns of the state matrix.
            groups: How many pairs of B and C there are; it divides the number of heads.
            conv_width: Rows the short convolution sees, the current one included.
            bias: Whether the first and the last projection have a bias, which starts at zero.
            delta_limit: Bounds that step sizes are cut to, before an elapsed time multiplies them.
            norm_eps: Added to the mean square in the norm.
            chunk: Rows in a chunk of the parallel form; None leaves it to `ops.ssd`.
            key: JAX random key.

        Raises:
            InputError: sizes below 1, a `head_dim` that does not divide the inner width, `groups` not the heads,
                `delta_limit` not 0 <= smallest <= largest, `norm_eps` not above 0.

        Example:
            >>> y, state = Mamba2(4, key=jax.random.key(0))(jnp.ones((10, 4)))
        """
        check_size("Mamba2", dim=dim, expand=expand, state_dim=state_dim, groups=groups, conv_width=conv_width)
        check_size("Mamba2", chunk=1 if chunk is None else chunk)
        _check_bounds(delta_limit, norm_eps)
        inner = expand * dim
        heads = head_count("Mamba2", inner, head_dim)
        if heads % groups:
            raise InputError(f"Mamba2: groups={groups} does not divide the number of heads, {heads}.")
        in_key, conv_key, delta_key, decay_key, out_key = jax.random.split(key, 5)
        channels = inner + 2 * groups * state_dim
        self.dim, self.heads, self.groups, self.chunk = dim, heads, groups, chunk
        self.delta_limit, self.norm_eps = delta_limit, norm_eps
        self.in_weight = initial.uniform((inner + channels + heads, dim), dim, key=in_key)
        self.conv = initial.uniform((conv_width, channels), conv_width, key=conv_key)
        self.conv_bias = jnp.zeros(channels)
        self.delta_bias = initial.step_bias(heads, key=delta_key)
        self.A_log = initial.rate_log(heads, key=decay_key)
        self.D = jnp.ones(heads)
        self.norm_weight = jnp.ones(inner)
        self.out_weight = initial.uniform((dim, inner), inner, key=out_key)
        biases = jnp.zeros(inner + channels + heads), jnp.zeros(dim)
        self.in_bias, self.out_bias = biases if bias else (None, None)

    def init_state(self) -> Mamba2State:
        """The state of zeros."""
        (width, channels), inner = self.conv.shape, self.norm_weight.size
        state_dim = (channels - inner) // (2 * self.groups)
        S = jnp.zeros((self.heads, inner // self.heads, state_dim), self.D.dtype)
        return Mamba2State(jnp.zeros((width - 1, channels), self.D.dtype), S)

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: Mamba2State | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], Mamba2State]:
        """See `Layer`; `dt` is the time since the row before, 1 everywhere if None."""
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        state = self.init_state() if state is None else state
        check_state(self, state)
        masks = {"valid": valid, "resets": resets, "keep": keep}
        z, u, r = self._projected(x)
        u, carry = short_conv(u, self.conv, state.conv, **masks)
        v, B, C = self._parts(u)
        delta = self._step_size(r, None if dt is None else dt[:, None])
        o, S = ssd(delta[..., None] * v, -jnp.exp(self.A_log) * delta, B, C, state.S, chunk=self.chunk, **masks)
        return self._outputs(o, v, z), Mamba2State(carry, S)

    def step(
        self, x_t: Float[Array, "dim"], state: Mamba2State, *, dt: Scalar | None = None, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "dim"], Mamba2State]:
        """See `Layer`."""
        check_row(self, x_t, state)
        z, u, r = self._projected(x_t)
        u, carry = short_conv_step(u, self.conv, state.conv)
        v, B, C = self._parts(u)
        B, C = (jnp.repeat(part, self.heads // self.groups, axis=0) for part in (B, C))
        delta = self._step_size(r, dt)
        decay = jnp.exp(-jnp.exp(self.A_log) * delta)[:, None, None]
        S = decay * state.S + (delta[:, None] * v)[:, :, None] * B[:, None, :]
        return self._outputs(jnp.einsum("hpn,hn->hp", S, C), v, z), Mamba2State(carry, S)

    def _projected(self, x: Float[Array, "*time dim"]) -> list[Array]:
        """z, the channels of the convolution, and the step sizes before their softplus."""
        inner = self.norm_weight.size
        projected = x @ self.in_weight.T
        projected = projected if self.in_bias is None else projected + self.in_bias
        return jnp.split(projected, [inner, inner + self.conv_bias.size], axis=-1)

    def _parts(self, u: Float[Array, "*time channels"]) -> tuple[Array, Array, Array]:
        """What is written, by head, and B and C, by group."""
        inner = self.norm_weight.size
        v, B, C = jnp.split(jax.nn.silu(u + self.conv_bias), [inner, (inner + u.shape[-1]) // 2], axis=-1)
        by_group = (*u.shape[:-1], self.groups, -1)
        return v.reshape(*u.shape[:-1], self.heads, -1), B.reshape(by_group), C.reshape(by_group)

    def _step_size(self, r: Float[Array, "*time heads"], dt: Array | None) -> Float[Array, "*time heads"]:
        delta = jax.nn.softplus(r + self.delta_bias)
        if self.delta_limit != (0.0, math.inf):
            delta = jnp.clip(delta, *self.delta_limit)
        return delta if dt is None else dt * delta

    def _outputs(self, o: Array, v: Array, z: Float[Array, "*time inner"]) -> Float[Array, "*time dim"]:
        o = (o + self.D[:, None] * v).reshape(z.shape)
        o = rms_norm(o, self.norm_weight, gate=jax.nn.silu(z), groups=self.groups, eps=self.norm_eps)
        y = o @ self.out_weight.T
        return y if self.out_bias is None else y + self.out_bias


def _check_bounds(delta_limit: tuple[float, float], norm_eps: float) -> None:
    smallest, largest = delta_limit
    if not 0 <= smallest <= largest:
        raise InputError(f"Mamba2: expected delta_limit with 0 <= smallest <= largest, found {delta_limit}.")
    if not 0 < norm_eps < math.inf:
        raise InputError(f"Mamba2: expected norm_eps above 0 and finite, found {norm_eps}.")
