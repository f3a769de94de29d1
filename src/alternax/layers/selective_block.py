"""What Mamba and Longhorn put around their scan: projections, a short convolution, a gate (arXiv 2312.00752, figure 3).

u, z = in_weight x_t + in_bias;   u = silu(conv(u) + conv_bias);   r, B, C = select_weight u
y_t = out_weight ((o + D u) * silu(z)) + out_bias,   o what the scan makes of u, B, C and delta_weight r + delta_bias

The step sizes come from the last; the biases of the two outer projections are there on request only.
"""

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from alternax.layers import initial
from alternax.layers.inputs import check_size
from alternax.ops import short_conv, short_conv_step


class SelectiveState(NamedTuple):
    """What a selective layer carries: the last rows before its convolution, and the state of every channel."""

    conv: Float[Array, "*kept carried inner"]
    h: Float[Array, "*kept state_dim inner"]


class Selected(NamedTuple):
    """What the scan is given: the input u, the raw step sizes r, B and C, and the gate z for afterwards."""

    u: Float[Array, "*time inner"]
    r: Float[Array, "*time inner"]
    B: Float[Array, "*time state_dim"]
    C: Float[Array, "*time state_dim"]
    z: Float[Array, "*time inner"]


class SelectiveBlock(eqx.Module):
    """The weights before and after a selective scan of `inner` channels with `state_dim` entries each.

    Attributes:
        state_dim: Length of B and C.
        in_bias: Of the first projection; none if None.
        out_bias: Of the last projection; none if None.
    """

    state_dim: int = eqx.field(static=True)
    in_weight: Float[Array, "both dim"]
    in_bias: Float[Array, "both"] | None
    conv: Float[Array, "conv_width inner"]
    conv_bias: Float[Array, "inner"]
    select_weight: Float[Array, "selected inner"]
    delta_weight: Float[Array, "inner rank"]
    delta_bias: Float[Array, "inner"]
    D: Float[Array, "inner"]
    out_weight: Float[Array, "dim inner"]
    out_bias: Float[Array, "dim"] | None

    def __init__(
        self,
        layer: str,
        dim: int,
        *,
        expand: int,
        state_dim: int,
        conv_width: int,
        delta_rank: int | None,
        bias: bool = False,
        key: PRNGKeyArray,
    ):
        """Weights start uniform within 1 / sqrt(fan in), D at one, biases at zero; `layer` is named in refusals."""
        delta_rank = math.ceil(dim / 16) if delta_rank is None else delta_rank
        sizes = {"expand": expand, "state_dim": state_dim, "conv_width": conv_width, "delta_rank": delta_rank}
        check_size(layer, dim=dim, **sizes)
        inner = expand * dim
        keys = jax.random.split(key, 5)
        self.state_dim = state_dim
        self.in_weight = initial.uniform((2 * inner, dim), dim, key=keys[0])
        self.conv = initial.uniform((conv_width, inner), conv_width, key=keys[1])
        self.conv_bias, self.delta_bias, self.D = jnp.zeros(inner), jnp.zeros(inner), jnp.ones(inner)
        self.select_weight = initial.uniform((delta_rank + 2 * state_dim, inner), inner, key=keys[2])
        self.delta_weight = initial.uniform((inner, delta_rank), delta_rank, key=keys[3])
        self.out_weight = initial.uniform((dim, inner), inner, key=keys[4])
        self.in_bias, self.out_bias = (jnp.zeros(2 * inner), jnp.zeros(dim)) if bias else (None, None)

    def init_state(self) -> SelectiveState:
        """The state of zeros."""
        width, inner = self.conv.shape
        dtype = self.conv.dtype
        return SelectiveState(jnp.zeros((width - 1, inner), dtype), jnp.zeros((self.state_dim, inner), dtype))

    def select(
        self,
        x: Float[Array, "time dim"],
        carry: Float[Array, "carried inner"],
        *,
        valid: Bool[Array, "time"] | None,
        resets: Bool[Array, "time"] | None,
        keep: Int[Array, "kept"] | None,
    ) -> tuple[Selected, Float[Array, "*kept carried inner"]]:
        """What the scan is given, for all rows, and the carry of the convolution."""
        u, z = self._projected(x)
        u, carry = short_conv(u, self.conv, carry, valid=valid, resets=resets, keep=keep)
        return self._selected(u, z), carry

    def select_row(
        self, x_t: Float[Array, "dim"], carry: Float[Array, "carried inner"]
    ) -> tuple[Selected, Float[Array, "carried inner"]]:
        """`select` of one row."""
        u, z = self._projected(x_t)
        u, carry = short_conv_step(u, self.conv, carry)
        return self._selected(u, z), carry

    def outputs(self, o: Float[Array, "*time inner"], row: Selected) -> Float[Array, "*time dim"]:
        """The gated outputs of the layer from those of the scan."""
        y = ((o + self.D * row.u) * jax.nn.silu(row.z)) @ self.out_weight.T
        return y if self.out_bias is None else y + self.out_bias

    def _projected(self, x: Float[Array, "*time dim"]) -> list[Array]:
        """The channels of the convolution, and the gate."""
        both = x @ self.in_weight.T
        return jnp.split(both if self.in_bias is None else both + self.in_bias, 2, axis=-1)

    def _selected(self, u: Float[Array, "*time inner"], z: Float[Array, "*time inner"]) -> Selected:
        u = jax.nn.silu(u + self.conv_bias)
        rank = self.delta_weight.shape[1]
        r, B, C = jnp.split(u @ self.select_weight.T, [rank, rank + self.state_dim], axis=-1)
        return Selected(u, r @ self.delta_weight.T + self.delta_bias, B, C, z)
