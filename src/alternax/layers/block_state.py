"""Block-state layer: attention within blocks of rows and to the context that a state-space layer carries into them.

A causal layer runs over all rows, c = layer(x), and the rows are cut into blocks of `window`. A row attends to the rows
of its own block up to itself, and to the outputs c over the whole block before (Fathi et al. 2023, "Block-State
Transformers", arXiv 2306.09539: context states of the single-head kind):

    o_t  = sum_{s in block, s <= t} softmax_s(q_t . k_s) v_s,        q, k, v projections of x
    o'_t = sum_{s in block before}  softmax_s(q'_t . k'_s) v'_s,     q' of x, k' and v' projections of c
    y_t  = W_o o_t + W'_o o'_t                                       o' = 0 in the first block

All queries and keys are turned by their position in these two blocks, as in `Attention`; products are scaled as there.
Work and memory are linear in the length: a stretch of rows meets a slice of the rows taken in, packed without gaps.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from alternax.core.errors import InputError
from alternax.core.layer import Layer, LayerState
from alternax.layers import initial
from alternax.layers.attention import rotate, softmax_average, taken_before
from alternax.layers.block import check_causal
from alternax.layers.inputs import check_row, check_rows, check_size, check_state, head_count
from alternax.ops.chunks import from_chunks, in_chunks

_SHORTEST_STRETCH = 128
"""Rows answered at once, if the window is not longer: short stretches waste time in the loop over them."""


class BlockMemory(NamedTuple):
    """What the block-state layer carries between rows.

    Attributes:
        context: State of the layer that makes the context.
        rows: Keys and values of x and of its context for the block before (first half) and the present one (second
            half); zeros where there is no row yet.
        count: Rows taken in, less a multiple of `window` from the second full block on.
    """

    context: LayerState
    rows: Float[Array, "*kept rows 4 heads head_dim"]
    count: Int[Array, "*kept"]


class BlockState(Layer):
    """Block-wise causal attention with the long memory of another layer; constant state, linear time.

    Blocks are counted in rows taken in since the last reset. `dt` is read by the inner layer alone.

    Attributes:
        dim: Width of input and output.
        window: Rows in a block.
        heads: Number of heads of either attention.
        context: The layer whose outputs are the context.
    """

    dim: int = eqx.field(static=True)
    window: int = eqx.field(static=True)
    heads: int = eqx.field(static=True)
    context: Layer
    query_weight: Float[Array, "2 heads head_dim dim"]
    key_weight: Float[Array, "2 heads head_dim dim"]
    value_weight: Float[Array, "2 heads head_dim dim"]
    output_weight: Float[Array, "dim 2 heads head_dim"]

    def __init__(
        self,
        dim: int,
        *,
        window: int = 64,
        head_dim: int | None = None,
        context: str | Layer = "lru",
        key: PRNGKeyArray,
    ):
        """Weights start normal, scaled so that outputs of white noise are of its size; first for x, then for c.

        Args:
            dim: Width of input and output.
            window: Rows in a block.
            head_dim: Width of a head, a divisor of `dim`; the largest one up to 64 if None.
            context: The layer that makes the context: a registered name, or a layer of width `dim`.
            key: JAX random key.

        Raises:
            InputError: sizes below 1, a head size that does not divide, a context that is not a causal layer of `dim`.

        Example:
            >>> y, memory = BlockState(4, window=5, key=jax.random.key(0))(jnp.ones((12, 4)))
        """
        check_size("BlockState", dim=dim, window=window)
        heads = head_count("BlockState", dim, head_dim)
        context_key, *input_keys, output_key = jax.random.split(key, 5)
        if isinstance(context, str):
            from alternax.layers.registry import constructor  # the registry imports this module

            context = constructor(context)(dim, key=context_key)
        check_causal("BlockState", context)
        if context.dim != dim:
            raise InputError(f"BlockState: expected a context layer of width {dim}, found one of width {context.dim}.")
        shape = (2, heads, dim // heads, dim)
        self.dim, self.window, self.heads, self.context = dim, window, heads, context
        self.query_weight, self.key_weight, self.value_weight = (initial.normal(shape, dim, key=k) for k in input_keys)
        self.output_weight = initial.normal((dim, *shape[:-1]), 2 * dim, key=output_key)

    def init_state(self) -> BlockMemory:
        """No rows, and the inner layer's own first state."""
        rows = jnp.zeros((2 * self.window, 4, *self.query_weight.shape[1:3]), self.query_weight.dtype)
        return BlockMemory(self.context.init_state(), rows, jnp.zeros((), jnp.int32))

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: BlockMemory | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], BlockMemory]:
        """See `Layer`."""
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        check_state(self, state)
        inside = None if state is None else state.context
        state = self.init_state() if state is None else state
        length = len(x)
        context, inner = self.context(x, inside, valid=valid, resets=resets, dt=dt, keep=keep, key=key)
        before, _ = taken_before(length, valid, resets, state.count)
        rank, _ = taken_before(length, valid, None, jnp.zeros_like(state.count))
        queries, rows = self._projected(x, context, before % self.window)
        packed = self._packed(rows, state, None if valid is None else jnp.where(valid, rank, length))
        y = self._answers(queries, rows, packed, rank, before)
        taken = jnp.ones(length, rank.dtype) if valid is None else valid.astype(rank.dtype)
        last = length - 1 if keep is None else keep
        memory = self._memory(packed, (rank + taken)[last], (before + taken)[last])
        return self._outputs(y), BlockMemory(inner, memory, self._folded(before + taken)[last].astype(jnp.int32))

    def step(
        self, x_t: Float[Array, "dim"], state: BlockMemory, *, dt: Scalar | None = None, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "dim"], BlockMemory]:
        """See `Layer`."""
        check_row(self, x_t, state)
        context, inner = self.context.step(x_t, state.context, dt=dt, key=key)
        slot, at = state.count % self.window, jnp.arange(2 * self.window)
        queries, row = self._projected(x_t[None], context[None], slot[None])
        rows = state.rows.at[self.window + slot].set(row[0])
        own = (at >= self.window) & (at <= self.window + slot)
        y = _two_averages(queries, rows, own[None], ((at < self.window) & (state.count >= self.window))[None])
        moved = jnp.concatenate([rows[self.window :], jnp.zeros_like(rows[: self.window])])
        rows = jnp.where(slot + 1 == self.window, moved, rows)
        return self._outputs(y)[0], BlockMemory(inner, rows, self._folded(state.count + 1))

    def _projected(self, x: Array, context: Array, slot: Array) -> tuple[Array, Array]:
        """Queries of both attentions, and the four rows that are kept: keys and values of x, then of the context."""
        project = lambda weight, x: jnp.einsum("hed,td->the", weight, x)  # noqa: E731
        present = self.window + slot
        queries = jnp.stack([rotate(project(weight, x), present) for weight in self.query_weight], axis=1)
        keys = rotate(project(self.key_weight[0], x), present), rotate(project(self.key_weight[1], context), slot)
        values = project(self.value_weight[0], x), project(self.value_weight[1], context)
        return queries, jnp.stack([keys[0], values[0], keys[1], values[1]], axis=1)

    def _outputs(self, y: Float[Array, "time 2 heads head_dim"]) -> Float[Array, "time dim"]:
        return jnp.einsum("dbhe,tbhe->td", self.output_weight, y)

    def _folded(self, count: Array) -> Array:
        """The count as the state holds it: below twice the window, and of the same slot."""
        return jnp.where(count < self.window, count, self.window + count % self.window)

    def _packed(self, rows: Array, state: BlockMemory, place: Array | None) -> Array:
        """Rows taken in, without gaps: the row of rank r is entry 2 window + r, those of the state come before rank 0.

        One more stretch and window of zeros at the end let every slice that is asked for lie inside.
        """
        rows = rows if place is None else jnp.zeros_like(rows).at[place].set(rows, mode="drop")
        early = jnp.roll(state.rows, self.window - state.count % self.window, axis=0)
        room = jnp.zeros((self._stretch(len(rows)) + self.window, *rows.shape[1:]), rows.dtype)
        return jnp.concatenate([early, rows, room])

    def _stretch(self, length: int) -> int:
        return min(length, max(self.window, _SHORTEST_STRETCH))

    def _answers(self, queries: Array, rows: Array, packed: Array, rank: Array, before: Array) -> Array:
        """Both averages of all rows, a stretch of rows at a time against the slice of packed rows they can see."""
        length, stretch, window = len(queries), self._stretch(len(queries)), self.window
        early = rank - before % window

        def answer(chunk):
            queries, rows, rank, early, before = chunk
            seen = jax.lax.dynamic_slice_in_dim(packed, rank[0], 2 * window + stretch)
            at, start = rank[0] - 2 * window + jnp.arange(len(seen)), early[:, None]
            own = jnp.concatenate([(at >= start) & (at < rank[:, None]), jnp.eye(stretch, dtype=bool)], axis=1)
            past = (at >= start - window) & (at < start) & (before >= window)[:, None]
            past = jnp.pad(past, [(0, 0), (0, stretch)])
            return _two_averages(queries, jnp.concatenate([seen, rows]), own, past)

        chunks = tuple(in_chunks(a, stretch) for a in (queries, rows, rank, early, before))
        # The backward pass computes the products of a stretch again instead of keeping them.
        return from_chunks(jax.lax.map(jax.checkpoint(answer), chunks), length)

    def _memory(self, packed: Array, rank: Array, count: Array) -> Array:
        """The rows of a state, after `count` rows of which the next would have the rank given; or of several states."""
        if rank.ndim:
            return jax.vmap(lambda rank, count: self._memory(packed, rank, count))(rank, count)
        slot, at = count % self.window, jnp.arange(2 * self.window)
        rows = jax.lax.dynamic_slice_in_dim(packed, self.window + rank - slot, 2 * self.window)
        there = jnp.where(at < self.window, count >= self.window, at - self.window < slot)
        return jnp.where(there[:, None, None, None], rows, 0.0)


def _two_averages(queries: Array, rows: Array, own: Array, past: Array) -> Float[Array, "query 2 heads head_dim"]:
    """Attention to the rows of the own block, and to the context of the block before, zero where there is none."""
    block = softmax_average(queries[:, 0], rows[:, 0], rows[:, 1], own)
    context = softmax_average(queries[:, 1], rows[:, 2], rows[:, 3], past)
    return jnp.stack([block, jnp.where(past.any(axis=1)[:, None, None], context, 0.0)], axis=1)
