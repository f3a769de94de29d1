"""Causal softmax attention with a cache of keys and values (Vaswani et al. 2017, arXiv 1706.03762, section 3.2).

    o_t = sum_{s <= t} softmax_s(q_t . k_s / sqrt(head_dim)) v_s,    y_t = W_o o_t      one softmax a head

Queries and keys may be turned by their position (RoFormer, Su et al. 2021, arXiv 2104.09864): the product then depends
on how many rows lie between the two. Several query heads may share one head of keys and values (Ainslie et al. 2023,
arXiv 2305.13245). The state has no finite exact form, so the cache has room for `max_length` rows and no more.
"""

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from alternax.core.errors import InputError
from alternax.core.layer import Layer
from alternax.layers import initial
from alternax.layers.inputs import check_row, check_rows, check_size, check_state, head_count
from alternax.ops.chunks import from_chunks, in_chunks

_QUERY_BLOCK = 512
"""Queries answered at once: with more of them the products of all with all are never in memory together."""


class AttentionCache(NamedTuple):
    """The rows taken in so far.

    Attributes:
        keys: Keys, turned by their positions; zeros past `count`.
        values: Values; zeros past `count`.
        count: How many rows there are.
    """

    keys: Float[Array, "*kept max_length key_heads head_dim"]
    values: Float[Array, "*kept max_length key_heads head_dim"]
    count: Int[Array, "*kept"]


class Attention(Layer):
    """Causal softmax attention, the baseline of every recurrent layer; it counts rows and does not read `dt`.

    The position of a row is the number of rows taken in before it since the last reset, whatever is padded in between.

    Attributes:
        dim: Width of input and output.
        heads: Number of query heads.
        key_heads: Number of heads of keys and values.
        head_dim: Width of a head.
        max_length: Most rows that can be taken in without a reset.
        rotary: Whether queries and keys are turned by their position.
    """

    dim: int = eqx.field(static=True)
    heads: int = eqx.field(static=True)
    key_heads: int = eqx.field(static=True)
    head_dim: int = eqx.field(static=True)
    max_length: int = eqx.field(static=True)
    rotary: bool = eqx.field(static=True)
    query_weight: Float[Array, "heads head_dim dim"]
    key_weight: Float[Array, "key_heads head_dim dim"]
    value_weight: Float[Array, "key_heads head_dim dim"]
    output_weight: Float[Array, "dim heads head_dim"]

    def __init__(
        self,
        dim: int,
        *,
        head_dim: int | None = None,
        heads: int | None = None,
        key_heads: int | None = None,
        max_length: int = 1024,
        rotary: bool = True,
        key: PRNGKeyArray,
    ):
        """Weights start normal, scaled so that outputs of white noise are of its size.

        Args:
            dim: Width of input and output.
            head_dim: Width of a head; the largest divisor of `dim` up to 64 if None.
            heads: Number of query heads; as many as make up `dim` if None.
            key_heads: Number of heads of keys and values, a divisor of `heads`; `heads` if None.
            max_length: Rows in the cache; it is refused to take in more without a reset.
            rotary: Turn queries and keys by their position; otherwise the order of the rows is not seen.
            key: JAX random key.

        Raises:
            InputError: sizes below 1, a head size or number of heads that does not divide.

        Example:
            >>> y, cache = Attention(4, max_length=10, key=jax.random.key(0))(jnp.ones((10, 4)))
        """
        check_size("Attention", dim=dim, max_length=max_length)
        if heads is None:
            heads = head_count("Attention", dim, head_dim)
            head_dim = dim // heads
        elif head_dim is None:
            head_dim = dim // head_count("Attention", dim, None)
        key_heads = heads if key_heads is None else key_heads
        check_size("Attention", heads=heads, key_heads=key_heads, head_dim=head_dim)
        if heads % key_heads:
            raise InputError(f"Attention: key_heads={key_heads} does not divide the {heads} query heads.")
        shapes = ((heads, head_dim, dim), (key_heads, head_dim, dim), (key_heads, head_dim, dim))
        *input_keys, output_key = jax.random.split(key, 4)
        draws = [initial.normal(shape, dim, key=k) for k, shape in zip(input_keys, shapes, strict=True)]
        self.dim, self.heads, self.key_heads, self.head_dim = dim, heads, key_heads, head_dim
        self.max_length, self.rotary = max_length, rotary
        self.query_weight, self.key_weight, self.value_weight = draws
        self.output_weight = initial.normal((dim, heads, head_dim), heads * head_dim, key=output_key)

    def init_state(self) -> AttentionCache:
        """The empty cache."""
        rows = jnp.zeros((self.max_length, self.key_heads, self.head_dim), self.key_weight.dtype)
        return AttentionCache(rows, rows, jnp.zeros((), jnp.int32))

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: AttentionCache | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], AttentionCache]:
        """See `Layer`. One masked product of all queries with the cache and the sequence.

        Raises:
            InputError: a sequence longer than `max_length` that is all valid and has no resets. Where the number of
                rows taken in is data, going past `max_length` is an `equinox.EquinoxRuntimeError` at run time.
        """
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        cache = self.init_state() if state is None else state
        check_state(self, cache)
        length = len(x)
        if valid is None and resets is None and length > self.max_length:
            raise InputError(
                f"Attention: max_length={self.max_length} is too short for {length} rows; make the layer with a larger "
                "one, or take a recurrent layer for streams without end."
            )
        before, segment = taken_before(length, valid, resets, cache.count)
        taken = jnp.ones(length, bool) if valid is None else valid
        if not (state is None and length <= self.max_length):
            x = self._refuse_overrun(x, taken & (before >= self.max_length))
        queries, keys, values = self._projected(x, before)
        columns = _Columns(keys, values, jnp.arange(length), segment, taken)
        seen = columns if state is None else _joined(cache, columns)
        y = _attend_in_blocks(queries, columns.order, segment, seen)
        last = jnp.asarray(length - 1) if keep is None else keep
        after = _cache_after(last, cache, columns, before)
        return self._outputs(y), after

    def step(
        self,
        x_t: Float[Array, "dim"],
        state: AttentionCache,
        *,
        dt: Scalar | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "dim"], AttentionCache]:
        """See `Layer`; past `max_length` an `equinox.EquinoxRuntimeError`."""
        check_row(self, x_t, state)
        x_t = self._refuse_overrun(x_t, state.count >= self.max_length)
        query, k, v = self._projected(x_t[None], state.count[None])
        keys, values = (
            rows.at[state.count].set(row[0]) for rows, row in zip((state.keys, state.values), (k, v), strict=True)
        )
        seen = jnp.arange(self.max_length) <= state.count
        y = softmax_average(query, keys, values, seen[None])
        return self._outputs(y)[0], AttentionCache(keys, values, state.count + 1)

    def _refuse_overrun(self, x: Array, wrong: Array) -> Array:
        return eqx.error_if(
            x,
            wrong,
            f"Attention: more than max_length={self.max_length} rows taken in without a reset; make the layer with a "
            "larger max_length, or take a recurrent layer for streams without end.",
        )

    def _projected(self, x: Float[Array, "time dim"], positions: Int[Array, "time"]) -> tuple[Array, Array, Array]:
        weights = (self.query_weight, self.key_weight, self.value_weight)
        queries, keys, values = (jnp.einsum("hed,td->the", weight, x) for weight in weights)
        if self.rotary:
            queries, keys = rotate(queries, positions), rotate(keys, positions)
        return queries, keys, values

    def _outputs(self, y: Float[Array, "time heads head_dim"]) -> Float[Array, "time dim"]:
        return jnp.einsum("dhe,the->td", self.output_weight, y)


def taken_before(
    length: int, valid: Array | None, resets: Array | None, start: Array
) -> tuple[Int[Array, "time"], Int[Array, "time"]]:
    """How many rows were taken in before each row since the last reset (`start` before all), and how many resets."""
    rows = jnp.arange(length)
    ahead = rows if valid is None else jnp.cumsum(valid) - valid
    if resets is None:
        return ahead + start, jnp.zeros(length, rows.dtype)
    return ahead - jax.lax.cummax(jnp.where(resets, ahead, -start)), jnp.cumsum(resets)


def rotate(rows: Float[Array, "time heads head_dim"], positions: Int[Array, "time"]) -> Array:
    """Pairs of features, half a head apart, turned in proportion to the position (RoFormer, section 3.2).

    An odd last feature stays as it is.
    """
    pairs = rows.shape[-1] // 2
    speed = 10_000.0 ** (-jnp.arange(pairs, dtype=rows.dtype) / max(pairs, 1))
    angle = positions[:, None, None].astype(rows.dtype) * speed
    first, second, rest = jnp.split(rows, [pairs, 2 * pairs], axis=-1)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin, rest], axis=-1)


def softmax_average(
    queries: Float[Array, "query heads head_dim"],
    keys: Float[Array, "row key_heads head_dim"],
    values: Float[Array, "row key_heads head_dim"],
    seen: Bool[Array, "query row"],
) -> Float[Array, "query heads head_dim"]:
    """Scaled dot-product attention of every query to the rows it has seen, at least one."""
    count, heads, width = queries.shape
    grouped = queries.reshape(count, keys.shape[1], -1, width) / math.sqrt(width)
    scores = jnp.einsum("qkgd,skd->kgqs", grouped, keys)
    weights = jax.nn.softmax(jnp.where(seen, scores, jnp.finfo(scores.dtype).min), axis=-1)
    return jnp.einsum("kgqs,skd->qkgd", weights, values).reshape(count, heads, width)


class _Columns(NamedTuple):
    """Keys and values with the row they come from (-1: before the sequence), their segment and whether they count."""

    keys: Array
    values: Array
    order: Array
    segment: Array
    taken: Array


def _joined(cache: AttentionCache, columns: _Columns) -> _Columns:
    slots = jnp.arange(len(cache.keys))
    early = _Columns(*cache[:2], jnp.full_like(slots, -1), jnp.zeros_like(slots), slots < cache.count)
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), early, columns)


def _attend_in_blocks(queries: Array, order: Array, segment: Array, columns: _Columns) -> Array:
    def answer(rows):
        queries, order, segment = rows
        earlier = (columns.order < order[:, None]) & (columns.segment == segment[:, None]) & columns.taken
        return softmax_average(queries, columns.keys, columns.values, earlier | (columns.order == order[:, None]))

    length = len(queries)
    if length <= _QUERY_BLOCK:
        return answer((queries, order, segment))
    blocks = tuple(in_chunks(a, _QUERY_BLOCK) for a in (queries, order, segment))
    # The backward pass computes the products of a block again instead of keeping them.
    return from_chunks(jax.lax.map(jax.checkpoint(answer), blocks), length)


def _cache_after(last: Array, cache: AttentionCache, columns: _Columns, before: Array) -> AttentionCache:
    """The cache after the row `last`, or after each of several."""
    if last.ndim:
        return jax.vmap(lambda row: _cache_after(row, cache, columns, before))(last)
    same = columns.segment == columns.segment[last]
    rows = columns.taken & (columns.order <= last) & same
    slots = jnp.where(rows, before, len(cache.keys))
    carried = columns.segment[last] == 0
    keys, values = (
        jnp.where(carried, held, 0.0).at[slots].set(new, mode="drop")
        for held, new in zip(cache[:2], columns[:2], strict=True)
    )
    return AttentionCache(keys, values, (before[last] + columns.taken[last]).astype(cache.count.dtype))
