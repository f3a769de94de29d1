"""Long sequences in segments: the same answers, memory for one segment, and work that stays in the cache.

A causal map may be called on any cut of a sequence, handing its state on. In the backward pass a segment is computed
again from the state at its beginning (Chen et al. 2016, arXiv 1604.06174), so that of a whole sequence only inputs,
outputs and these states are kept. Where memory is what a layer waits for, that is faster than reading back everything
in between, although a third more is computed.
"""

from collections.abc import Callable
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from alternax.core.layer import LayerState


@eqx.filter_jit  # so that a call outside jit does not build its loop anew each time
def in_segments(
    run: Callable[..., tuple[Array, LayerState]],
    x: Float[Array, "time dim"],
    state: LayerState,
    *,
    rows: int,
    valid: Bool[Array, "time"] | None,
    resets: Bool[Array, "time"] | None,
    dt: Float[Array, "time"] | None,
    keep: Int[Array, "kept"] | None,
    key: PRNGKeyArray | None,
) -> tuple[Float[Array, "time dim"], LayerState]:
    """What `run`, called as a `Layer`, answers on all of `x`, by segments of about `rows` rows.

    They are all of one length, the largest from `rows` down to half of it that divides the sequence; where none does,
    they have `rows` rows and a shorter one comes last. Each is handed a key of its own, so what is drawn differs.
    """
    length = x.shape[0]
    size = next((n for n in range(rows, rows // 2, -1) if length % n == 0), rows)
    count = length // size
    keep = None if keep is None else keep % length
    # As wide as the rows make it, so that a segment hands on what it was given.
    state = jax.tree.map(
        lambda v: v.astype(jnp.promote_types(v.dtype, x.dtype)) if eqx.is_inexact_array(v) else v, state
    )

    @partial(jax.checkpoint, prevent_cse=False)
    def one(carry, segment):
        before, kept = carry
        x, masks, first, key = segment
        if kept is None:
            y, after = run(x, before, **masks, keep=None, key=key)
            return (after, None), y
        last = first + x.shape[0] - 1
        y, states = run(x, before, **masks, keep=jnp.append(jnp.clip(keep, first, last), last) - first, key=key)
        here = (keep >= first) & (keep <= last)
        choose = lambda old, new: jnp.where(here.reshape(-1, *[1] * (old.ndim - 1)), new[:-1], old)  # noqa: E731
        return (jax.tree.map(lambda v: v[-1], states), jax.tree.map(choose, kept, states)), y

    masks = {"valid": valid, "resets": resets, "dt": dt}
    keys = None if key is None else jax.random.split(key, count + 1)
    kept = None if keep is None else jax.tree.map(lambda v: jnp.zeros((keep.size, *v.shape), v.dtype), state)
    cut = lambda v: v[: count * size].reshape(count, size, *v.shape[1:])  # noqa: E731
    segments = *jax.tree.map(cut, (x, masks)), size * jnp.arange(count), None if keys is None else keys[:-1]
    carry, y = jax.lax.scan(one, (state, kept), segments)
    y = y.reshape(-1, *y.shape[2:])
    if count * size < length:
        rest = jax.tree.map(lambda v: v[count * size :], (x, masks))
        carry, last = one(carry, (*rest, count * size, None if keys is None else keys[-1]))
        y = jnp.concatenate([y, last])
    return y, carry[0] if keep is None else carry[1]
