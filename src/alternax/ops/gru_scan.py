"""The loop over time of the gated recurrent unit (Cho et al. 2014, arXiv 1406.1078), its reset gate after the product.

    (a, b, q) = U h_{t-1} + c,   r = s(p_r + a),   u = s(p_u + b),   n = tanh(p_n + r q),   h_t = (1 - u) n + u h_{t-1}

With dh the cotangent of h_t the hand-written reverse is, past U,

    dn = dh (1 - u) tanh'(.),   dr = dn q s'(.),   du = dh (h_{t-1} - n) s'(.),   dq = dn r,   dh_{t-1} = dh u.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from alternax.core.errors import InputError
from alternax.ops.gated_scan import Cell, State, gated_scan, gated_scan_naive


def gru_scan(
    inputs: Float[Array, "time gates"],
    weight: Float[Array, "gates dim"],
    bias: Float[Array, "gates"],
    state: Float[Array, "dim"],
    *,
    valid: Bool[Array, "time"] | None = None,
    resets: Bool[Array, "time"] | None = None,
    keep: Int[Array, "kept"] | None = None,
) -> tuple[Float[Array, "time dim"], Float[Array, "*kept_shape dim"]]:
    """h after every row, and the held h after the last or after the rows `keep`; differentiable once (reverse mode).

    Args:
        inputs: p, the projected inputs of r, u and n, `3 dim` columns.
        weight: U.
        bias: c.
        state: h before the first row.
        valid: Where False, the output is made and the state is held.
        resets: Where True, the state is zero before the row, valid or not.
        keep: Rows after which the state is wanted, in any order.

    Raises:
        InputError: shapes that do not fit; on differentiating a gradient.

    Example:
        >>> y, h = gru_scan(jnp.ones((5, 6)), jnp.ones((6, 2)), jnp.zeros(6), jnp.zeros(2))
    """
    if inputs.shape[-1] != 3 * state.shape[-1]:
        raise InputError(
            f"gru_scan: expected inputs of 3 x {state.shape[-1]} columns, found {inputs.shape[-1]} columns."
        )
    y, (h,) = gated_scan(_CELL, inputs, weight, bias, (state,), valid=valid, resets=resets, keep=keep)
    return y, h


def gru_scan_naive(
    inputs: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    state: np.ndarray,
    *,
    valid: np.ndarray | None = None,
    resets: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The definition of `gru_scan` as a NumPy loop, for tests and for reading; the held states after all rows."""

    def step(p, h):
        (p_r, p_u, p_n), (a, b, q) = np.split(p, 3), np.split(weight @ h + bias, 3)
        r, u = 1 / (1 + np.exp(-p_r - a)), 1 / (1 + np.exp(-p_u - b))
        return ((1 - u) * np.tanh(p_n + r * q) + u * h,)

    y, (states,) = gated_scan_naive(step, inputs, (state,), valid=valid, resets=resets)
    return y, states


def _forward(p: Array, r: Array, state: State) -> tuple[State, tuple[Array, ...]]:
    (p_r, p_u, p_n), (a, b, q) = jnp.split(p, 3), jnp.split(r, 3)
    reset, update = jax.nn.sigmoid(p_r + a), jax.nn.sigmoid(p_u + b)
    n = jnp.tanh(p_n + reset * q)
    return ((1 - update) * n + update * state[0],), (reset, update, n, q)


def _backward(kept: tuple[Array, ...], state: State, cotangent: State) -> tuple[Array, State]:
    (reset, update, n, q), (dh,) = kept, cotangent
    dn = dh * (1 - update) * (1 - n**2)
    gates = (dn * q * reset * (1 - reset), dh * (state[0] - n) * update * (1 - update), dn)
    return jnp.concatenate(gates), (dh * update,)


def _recurrent(kept: tuple[Array, ...], d_inputs: Array) -> Array:
    """Only the candidate's part differs: dq = dn r."""
    d_gates, dn = jnp.split(d_inputs, [2 * kept[0].shape[-1]], axis=-1)
    return jnp.concatenate([d_gates, dn * kept[0]], axis=-1)


_CELL = Cell(_forward, _backward, _recurrent)
