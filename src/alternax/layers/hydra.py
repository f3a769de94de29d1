"""Hydra (Hwang et al. 2024, arXiv 2407.09941): Mamba-2 made two-way by a quasiseparable matrix.

    z, u, r = in_weight x_t;    u = silu(conv(u) + conv_bias), the kernel centred, split into v and B, C for either way
    QS(v) = shift(ssd(v)) + flip(shift(ssd(flip v))) + delta v
    y_t = out_weight (norm_weight * rms_norm(QS(v) * silu(z)))

`shift` moves rows by one towards later ones, so that a row sees all earlier ones through the first term, all later ones
through the second, and itself through the third alone, whose factor delta_t = D + diagonal_weight v_t (one a head) is
free: more than any sum of a causal and an anticausal semiseparable matrix with its shared diagonal can express.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from alternax.core.errors import InputError
from alternax.core.layer import Mixer
from alternax.layers import initial
from alternax.layers.inputs import check_rows, check_size, head_count
from alternax.layers.rms_norm import rms_norm
from alternax.ops import short_conv, ssd


class Hydra(Mixer):
    """Two-way Mamba-2: every row sees every other, at a cost linear in the length.

    Attributes:
        dim: Width of input and output.
        heads: Number of heads.
        groups: How many pairs of B and C the heads share, in each direction.
        chunk: Rows in a chunk; None leaves it to `ops.ssd`.
    """

    dim: int = eqx.field(static=True)
    heads: int = eqx.field(static=True)
    groups: int = eqx.field(static=True)
    chunk: int | None = eqx.field(static=True)
    in_weight: Float[Array, "projected dim"]
    conv: Float[Array, "conv_width channels"]
    conv_bias: Float[Array, "channels"]
    delta_bias: Float[Array, "2 heads"]
    A_log: Float[Array, "heads"]
    D: Float[Array, "heads"]
    diagonal_weight: Float[Array, "heads inner"]
    norm_weight: Float[Array, "inner"]
    out_weight: Float[Array, "dim inner"]

    def __init__(
        self,
        dim: int,
        *,
        expand: int = 2,
        head_dim: int | None = None,
        state_dim: int = 64,
        groups: int = 1,
        conv_width: int = 7,
        chunk: int | None = None,
        key: PRNGKeyArray,
    ):
        """Decay rates start uniform in [1, 16], step sizes log-uniform in [0.001, 0.1], as in Mamba-2.

        Args:
            dim: Width of input and output.
            expand: Width inside, as a multiple of `dim`.
            head_dim: Width of a head; None takes the largest divisor of the inner width up to 64.
            state_dim: Length of B and C.
            groups: How many pairs of B and C there are in each direction; it divides the number of heads.
            conv_width: Rows the convolution sees, an odd number, the current one in the middle.
            chunk: Rows in a chunk; None leaves it to `ops.ssd`.
            key: JAX random key.

        Raises:
            InputError: sizes below 1, an even `conv_width`, a `head_dim` or `groups` that does not divide.

        Example:
            >>> y = Hydra(4, key=jax.random.key(0))(jnp.ones((10, 4)))
        """
        check_size("Hydra", dim=dim, expand=expand, state_dim=state_dim, groups=groups, conv_width=conv_width)
        check_size("Hydra", chunk=1 if chunk is None else chunk)
        inner = expand * dim
        heads = head_count("Hydra", inner, head_dim)
        if heads % groups:
            raise InputError(f"Hydra: groups={groups} does not divide the number of heads, {heads}.")
        if conv_width % 2 == 0:
            raise InputError(f"Hydra: conv_width must be odd, so that it has a middle; found {conv_width}.")
        channels = inner + 4 * groups * state_dim
        shapes = ((inner + channels + 2 * heads, dim), (conv_width, channels), (heads, inner), (dim, inner))
        fans = (dim, conv_width, inner, inner)
        *keys, delta_key, decay_key = jax.random.split(key, 6)
        draws = [initial.uniform(shape, fan, key=k) for k, shape, fan in zip(keys, shapes, fans, strict=True)]
        self.dim, self.heads, self.groups, self.chunk = dim, heads, groups, chunk
        self.in_weight, self.conv, self.diagonal_weight, self.out_weight = draws
        self.conv_bias = jnp.zeros(channels)
        self.delta_bias = initial.step_bias(2 * heads, key=delta_key).reshape(2, heads)
        self.A_log = initial.rate_log(heads, key=decay_key)
        self.D = jnp.ones(heads)
        self.norm_weight = jnp.ones(inner)

    def __call__(
        self, x: Float[Array, "time dim"], *, valid: Bool[Array, "time"] | None = None, key: PRNGKeyArray | None = None
    ) -> Float[Array, "time dim"]:
        """See `Mixer`. Padding may stand anywhere: the other rows are moved together, and back at the end."""
        check_rows(self, x, valid=valid)
        if valid is None:
            return self._mixed(x, jnp.ones(x.shape[0], bool))
        order = jnp.argsort(~valid, stable=True)
        packed = jnp.where(valid[order][:, None], x[order], 0.0)
        return jnp.zeros_like(x).at[order].set(self._mixed(packed, valid[order]))

    def _mixed(self, x: Float[Array, "time dim"], present: Bool[Array, "time"]) -> Float[Array, "time dim"]:
        """The map of rows that are present up to some row and zero after it."""
        inner = self.norm_weight.size
        z, u, r = jnp.split(x @ self.in_weight.T, [inner, inner + self.conv_bias.size], axis=-1)
        half = self.conv.shape[0] // 2
        ahead, _ = short_conv(jnp.pad(u, ((0, half), (0, 0))), self.conv)
        v, both = jnp.split(jax.nn.silu(ahead[half:] + self.conv_bias), [inner], axis=-1)
        v = jnp.where(present[:, None], v, 0.0)
        delta = jax.nn.softplus(r.reshape(-1, 2, self.heads) + self.delta_bias)
        o = self.quasiseparable(v, both.reshape(x.shape[0], 4, self.groups, -1), delta)
        return rms_norm(o, self.norm_weight, gate=jax.nn.silu(z), groups=self.groups) @ self.out_weight.T

    def quasiseparable(
        self,
        v: Float[Array, "time inner"],
        both: Float[Array, "time 4 groups state"],
        delta: Float[Array, "time 2 heads"],
    ) -> Float[Array, "time inner"]:
        """The matrix mixer alone: B and C of the forward pass, then of the backward one, are the parts of `both`."""
        by_head = v.reshape(v.shape[0], self.heads, -1)
        later = jax.vmap(self._earlier_rows)(
            jnp.stack([by_head, jnp.flip(by_head, 0)]),
            jnp.stack([delta[:, 0], jnp.flip(delta[:, 1], 0)]),
            jnp.stack([both[:, :2], jnp.flip(both[:, 2:], 0)]),
        )
        diagonal = (self.D + v @ self.diagonal_weight.T)[:, :, None]
        return (later[0] + jnp.flip(later[1], 0) + diagonal * by_head).reshape(v.shape)

    def _earlier_rows(self, v: Array, delta: Array, parts: Array) -> Array:
        """shift(ssd(v))."""
        y, _ = ssd(delta[..., None] * v, -jnp.exp(self.A_log) * delta, parts[:, 0], parts[:, 1], chunk=self.chunk)
        return jnp.concatenate([jnp.zeros_like(y[:1]), y[:-1]])
