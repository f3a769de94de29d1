"""The loop over time that nonlinear gated cells share: one product with the recurrent weights a row, gates, masks.

    r_t = U h_{t-1} + c,    s_t = cell(p_t, r_t, s_{t-1})            s = (h, ...), p the projected inputs of all rows

Forward, the gates are kept. Backward, a loop carries nothing but ds and emits the gradients of the gates; those of U
and c are one product after the loop, as in FlashRNN (Pöppel et al. 2024, arXiv 2412.07752). That product is left to
JAX's transposition of `_recurrent`, so that a batch made by `jax.vmap` is summed inside it: in the backward rule of a
`custom_vjp` the weight gradient of every sequence would be built before they are summed.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from alternax.core.errors import InputError

State = tuple[Array, ...]
"""What a cell carries; its first entry is h, which U is applied to and which is the output."""


class Cell(NamedTuple):
    """The equations of one row, and their reverse.

    Attributes:
        forward: `(p_t, r_t, state) -> (state after, what the reverse needs)`.
        backward: `(kept, state, cotangent of the state after) -> (that of p_t, that of the state past r_t)`.
        recurrent: `(kept, cotangent of p_t) -> that of r_t`, for one row or for all of them.
    """

    forward: Callable[[Array, Array, State], tuple[State, Any]]
    backward: Callable[[Any, State, State], tuple[Array, State]]
    recurrent: Callable[[Any, Array], Array]


def gated_scan(
    cell: Cell,
    inputs: Float[Array, "time gates"],
    weight: Float[Array, "gates dim"],
    bias: Float[Array, "gates"],
    state: State,
    *,
    valid: Bool[Array, "time"] | None = None,
    resets: Bool[Array, "time"] | None = None,
    keep: Int[Array, "kept"] | None = None,
) -> tuple[Float[Array, "time dim"], State]:
    """All outputs, and the state after the last row or after the rows `keep`; differentiable once (reverse mode).

    Args:
        cell: The equations of a row; compared by identity, so make it once.
        inputs: p, the projected inputs.
        weight: U, applied to h.
        bias: c, added to U h.
        state: The state before the first row, h first.
        valid: Where False, the output is made and the state is held.
        resets: Where True, the state is zero before the row, valid or not.
        keep: Rows after which the state is wanted, in any order.

    Returns:
        h after every row (as if it were taken in), and the state, stacked if `keep` is given.

    Raises:
        InputError: shapes that do not fit; on differentiating a gradient.
    """
    _check(inputs, weight, bias, state, valid=valid, resets=resets)
    y, states = _compiled(cell, keep is not None, inputs, weight, bias, state, valid, resets)
    return y, states if keep is None else jax.tree.map(lambda v: v[keep], states)


def gated_scan_naive(
    step: Callable[..., tuple[np.ndarray, ...]],
    inputs: np.ndarray,
    state: tuple[np.ndarray, ...],
    *,
    valid: np.ndarray | None = None,
    resets: np.ndarray | None = None,
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """The masks of `gated_scan` as a NumPy loop around `step(p_t, *state)`: outputs, and the states after all rows."""
    outputs, states = [], []
    for t, row in enumerate(inputs):
        before = state if resets is None or not resets[t] else tuple(np.zeros_like(v) for v in state)
        after = step(row, *before)
        state = after if valid is None or valid[t] else before
        outputs.append(after[0])
        states.append(state)
    return np.stack(outputs), tuple(np.stack(v) for v in zip(*states, strict=True))


def time_major(x: Float[Array, "time dim"]) -> Float[Array, "time dim"]:
    """The same rows, in an order that suits a loop: under `jax.vmap` the batch lies behind time in memory.

    A product without contraction is the one operation that moves the batch there; without it everything as wide as the
    gates is transposed on its way into and out of the loop.
    """
    once = jnp.ones(x.shape[:1], x.dtype)
    return jax.lax.dot_general(once, x, (((), ()), ((0,), (0,))), precision="highest")


@partial(jax.jit, static_argnums=(0, 1))
def _compiled(cell, every, inputs, weight, bias, state, valid, resets):
    """The loop on values, then the same as something to differentiate; by itself, so that it is compiled once."""
    fixed = jax.lax.stop_gradient
    values = fixed((inputs, weight, bias, state))
    out, kept = _forward(cell, every, *values, valid, resets)
    recurrent = _recurrent(weight, bias, kept[1][0])
    return _differentiable(cell, every, (inputs, recurrent, state), weight, (valid, resets), fixed(kept), fixed(out))


def _forward(cell, every, inputs, weight, bias, state, valid, resets):
    """Outputs, and what the backward loop needs: the kept gates and the states before the rows."""

    def body(state, row):
        p, taken, restarted = row
        before = _cut(restarted, state)
        # Weights first: as the second factor they would be packed for every row. The barrier keeps XLA from swapping.
        recurrent = jax.lax.optimization_barrier(weight @ before[0])
        after, kept = cell.forward(p, recurrent + bias, before)
        held = _choose(taken, after, before)
        return held, (after[0], held if every else None, kept, before)

    last, (y, states, *kept) = jax.lax.scan(body, state, (inputs, valid, resets))
    return (y, states if every else last), kept


def _backward(cell, every, weight, masks, saved, cotangents):
    """Cotangents of the inputs, of the recurrent terms and of the first state."""
    (kept, before), (d_y, d_states) = saved, cotangents
    last = jax.tree.map(lambda v: jnp.zeros_like(v[0]), before) if every else d_states

    def body(d_held, row):
        d_y, d_state, kept, before, taken, restarted = row
        d_held = _add(d_held, d_state) if every else d_held
        d_after = d_held if taken is None else tuple(jnp.where(taken, v, 0.0) for v in d_held)
        d_p, d_before = cell.backward(kept, before, (d_after[0] + d_y, *d_after[1:]))
        d_before = (d_before[0] + cell.recurrent(kept, d_p) @ weight, *d_before[1:])
        if taken is not None:
            d_before = _add(d_before, tuple(jnp.where(taken, 0.0, v) for v in d_held))
        return _cut(restarted, d_before), d_p

    rows = (d_y, d_states if every else None, kept, before, *masks)
    d_first, d_inputs = jax.lax.scan(body, last, rows, reverse=True)
    return d_inputs, cell.recurrent(kept, d_inputs), d_first


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _backward_once(cell, every, differentiable, weight, masks, saved, cotangents):
    """`_backward` that refuses to be differentiated: what was saved no longer knows what it depends on."""
    return _backward(cell, every, weight, masks, saved, cotangents)


@_backward_once.defjvp
def _refuse(cell, every, primals, tangents):
    raise InputError(
        "gated_scan: gradients of gradients are not supported by the loop of LSTM and GRU; scan over a layer's `step`."
    )


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _differentiable(cell, every, differentiable, weight, masks, saved, out):
    """`out`, as a function of the inputs, the recurrent terms and the first state."""
    return out


def _save(cell, every, differentiable, weight, masks, saved, out):
    return out, (differentiable, weight, masks, saved)


def _pull(cell, every, residuals, cotangents):
    return _backward_once(cell, every, *residuals, cotangents), None, None, None, None


_differentiable.defvjp(_save, _pull)


@jax.custom_jvp
def _recurrent(weight: Array, bias: Array, before: Array) -> Array:
    """The recurrent terms of all rows, for their derivative alone: the values are made in the loop, none read here."""
    # From `before`, so that under vmap they are batched whenever their tangents are.
    return before[:, :1] * jnp.zeros(weight.shape[0], weight.dtype)


@_recurrent.defjvp
def _recurrent_tangent(primals, tangents):
    (_, _, before), (d_weight, d_bias, _) = primals, tangents
    return _recurrent(*primals), before @ d_weight.T + d_bias


def _check(inputs: Array, weight: Array, bias: Array, state: State, **per_row: Array | None) -> None:
    """Refuse what does not fit together."""
    if inputs.ndim != 2 or inputs.shape[0] == 0:
        raise InputError(f"gated_scan: inputs must be (time, gates) with at least one row, found {inputs.shape}.")
    gates, dim = inputs.shape[1], jnp.shape(state[0])
    if weight.shape != (gates, *dim) or bias.shape != (gates,):
        raise InputError(
            f"gated_scan: for inputs of {gates} gates and a state of shape {dim} expected a weight of shape "
            f"{(gates, *dim)} and a bias of shape {(gates,)}, found {weight.shape} and {bias.shape}."
        )
    for name, values in per_row.items():
        if values is not None and values.shape != inputs.shape[:1]:
            raise InputError(
                f"gated_scan: {name} has shape {values.shape}, expected one flag a row, {inputs.shape[:1]}."
            )


def _choose(condition: Array | None, this: State, that: State) -> State:
    return this if condition is None else tuple(jnp.where(condition, a, b) for a, b in zip(this, that, strict=True))


def _cut(restarted: Array | None, state: State) -> State:
    return state if restarted is None else tuple(jnp.where(restarted, 0.0, v) for v in state)


def _add(a: State, b: State) -> State:
    return tuple(x + y for x, y in zip(a, b, strict=True))
