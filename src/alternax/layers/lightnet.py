"""LightNet: linear attention with additive decay (Qin et al. 2024, arXiv 2405.21022), its causal form.

What is written at a key is divided by the sum of all exponentials so far instead of decaying by a factor of its own, so
that every key dimension holds a softmax average of the values, and a single scan does for data of any layout:

    S_t = sum_{s <= t} exp(k_s) / Z_t v_s^T,    Z_t = sum_{s <= t} exp(k_s),    o_t = q_t S_t,    q = silu(W_q x)
    S_t = diag(Z_{t-1} / Z_t) S_{t-1} + (exp(k_t) / Z_t) v_t^T                                      as a recurrence
    y_t = W_o (norm(o_t) * silu(U_g V_g x_t))                                                       low-rank output gate

Z is kept as m and u with Z = exp(m) u, m the largest k so far: log Z by itself would lose u where k is large.
"""

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
from alternax.ops.attention_scan import NOTHING, AttentionState, attention_scan
from alternax.ops.gated_linear import gated_linear


class LightNetState(NamedTuple):
    """Averages so far and what they are divided by.

    Attributes:
        m: Largest key so far in every dimension.
        u: Sum of exp(k - m).
        S: Softmax averages of the values.
    """

    m: Float[Array, "*kept heads key"]
    u: Float[Array, "*kept heads key"]
    S: Float[Array, "*kept heads key value"]


class LightNet(Layer):
    """Linear attention whose state is a softmax average for every key dimension; it counts rows: `dt` is not read.

    Attributes:
        dim: Width of input and output.
        heads: Number of heads, each with its own part of the keys and values.
        chunk: Rows in a chunk of the parallel form.
    """

    dim: int = eqx.field(static=True)
    segment_rows: ClassVar[int | None] = CACHED_ROWS
    heads: int = eqx.field(static=True)
    chunk: int = eqx.field(static=True)
    query_weight: Float[Array, "heads head_dim dim"]
    key_weight: Float[Array, "heads head_dim dim"]
    value_weight: Float[Array, "heads head_dim dim"]
    gate_in: Float[Array, "rank dim"]
    gate_out: Float[Array, "dim rank"]
    norm_weight: Float[Array, "dim"]
    output_weight: Float[Array, "dim dim"]

    def __init__(
        self,
        dim: int,
        *,
        head_dim: int | None = None,
        gate_rank: int | None = None,
        chunk: int = 64,
        key: PRNGKeyArray,
    ):
        """Weights start normal, scaled so that white noise keeps its size.

        Args:
            dim: Width of input and output.
            head_dim: Width of a head, a divisor of `dim`; the largest one up to 64 if None.
            gate_rank: Rank of the output gate; an eighth of `dim`, at least 1, if None.
            chunk: Rows in a chunk of the parallel form, a multiple of 8 up to 512.
            key: JAX random key.

        Raises:
            InputError: sizes below 1, a head size that does not divide, a chunk that is not a multiple of 8 up to 512.

        Example:
            >>> y, state = LightNet(4, head_dim=2, key=jax.random.key(0))(jnp.ones((10, 4)))
        """
        gate_rank = max(1, dim // 8) if gate_rank is None else gate_rank
        check_size("LightNet", dim=dim, gate_rank=gate_rank, chunk=chunk)
        if chunk % 8 or chunk > 512:
            raise InputError(f"LightNet: chunk must be a multiple of 8 up to 512, found {chunk}.")
        heads = head_count("LightNet", dim, head_dim)
        shape = (heads, dim // heads, dim)
        *input_keys, gate_key, rank_key, output_key = jax.random.split(key, 6)
        self.dim, self.heads, self.chunk = dim, heads, chunk
        self.query_weight, self.key_weight, self.value_weight = (initial.normal(shape, dim, key=k) for k in input_keys)
        self.gate_in = initial.normal((gate_rank, dim), dim, key=gate_key)
        self.gate_out = initial.normal((dim, gate_rank), gate_rank, key=rank_key)
        self.norm_weight = jnp.ones(dim)
        self.output_weight = initial.normal((dim, dim), dim, key=output_key)

    def init_state(self) -> LightNetState:
        """Nothing seen."""
        shape, dtype = self.key_weight.shape[:2], self.key_weight.dtype
        nothing = jnp.zeros(shape, dtype)
        return LightNetState(jnp.full(shape, NOTHING, dtype), nothing, jnp.zeros((*shape, shape[1]), dtype))

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: LightNetState | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], LightNetState]:
        """See `Layer`. The divisors are one scan, the averages another."""
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        state = self.init_state() if state is None else state
        check_state(self, state)
        q, k, v = self._projected(x)
        before, held = _divisors(k, state, valid, resets)
        log_factor, weight, _ = _added(k, *before)
        o, S = gated_linear(q, weight, v, log_factor, state.S, valid=valid, resets=resets, keep=keep, chunk=self.chunk)
        last = -1 if keep is None else keep
        return self._outputs(o, x), LightNetState(held[0][last], held[1][last], S)

    def step(
        self,
        x_t: Float[Array, "dim"],
        state: LightNetState,
        *,
        dt: Scalar | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "dim"], LightNetState]:
        """See `Layer`."""
        check_row(self, x_t, state)
        q, k, v = self._projected(x_t)
        log_factor, weight, divisor = _added(k, state.m, state.u)
        S = jnp.exp(log_factor)[..., None] * state.S + weight[..., None] * v[:, None]
        return self._outputs(jnp.einsum("hk,hkv->hv", q, S), x_t), LightNetState(*divisor, S)

    def _projected(self, x: Float[Array, "*time dim"]) -> tuple[Array, Array, Array]:
        q, k, v = (
            jnp.einsum("hed,...d->...he", weight, x)
            for weight in (self.query_weight, self.key_weight, self.value_weight)
        )
        return jax.nn.silu(q), k, v

    def _outputs(self, o: Float[Array, "*time heads value"], x: Float[Array, "*time dim"]) -> Array:
        gate = jax.nn.silu(x @ self.gate_in.T @ self.gate_out.T)
        return (rms_norm(o.reshape(x.shape), self.norm_weight) * gate) @ self.output_weight.T


def _divisors(k: Array, state: LightNetState, valid: Array | None, resets: Array | None):
    """m and u before every row and after it, rows that are not valid left out: attention with nothing to average."""
    flat = lambda a: a.reshape(*a.shape[:-2], -1)  # noqa: E731
    scores, m, u = flat(k), flat(state.m), flat(state.u)
    start = AttentionState(m, u, jnp.zeros((*m.shape, 0), m.dtype))
    none = jnp.zeros((*scores.shape, 0), scores.dtype)
    _, after = attention_scan(scores, none, start, valid=valid, resets=resets, keep=jnp.arange(len(k)))
    held = tuple(a.reshape(k.shape) for a in after[:2])
    before = []
    for first, rows, fresh in zip(state[:2], held, (NOTHING, 0.0), strict=True):
        rows = jnp.concatenate([first[None], rows[:-1]])
        before.append(rows if resets is None else jnp.where(resets[:, None, None], fresh, rows))
    return before, held


def _added(k: Array, m: Array, u: Array) -> tuple[Array, Array, tuple[Array, Array]]:
    """log(Z before / Z with k), exp(k) / Z with k, and the new m and u; the first is zero where nothing was before."""
    larger = jnp.maximum(m, k)
    total = jnp.exp(m - larger) * u + jnp.exp(k - larger)
    weight = jnp.exp(k - larger) / total
    seen = u > 0
    # log(1 - weight), by the form that is exact: near weight 0 the first, near 1 the second.
    near_zero = jnp.log1p(-jnp.minimum(weight, 0.5))
    near_one = jnp.where(seen, m - larger, 0.0) + jnp.log(jnp.where(seen, u, 1.0)) - jnp.log(total)
    return jnp.where(seen, jnp.where(weight < 0.5, near_zero, near_one), 0.0), weight, (larger, total)
