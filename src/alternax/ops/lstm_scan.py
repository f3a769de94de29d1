"""The loop over time of the long short-term memory (Hochreiter and Schmidhuber 1997), with forget gates as in torch.

    (i, f, g, o) = p_t + U h_{t-1} + b,    c_t = s(f) c_{t-1} + s(i) tanh(g),    h_t = s(o) tanh(c_t)

With dh the cotangent of h_t, and dc that of c_t to which dh s(o) tanh'(c_t) was added, the hand-written reverse is

    di = dc tanh(g) s'(i),   df = dc c_{t-1} s'(f),   dg = dc s(i) tanh'(g),   do = dh tanh(c_t) s'(o),
    dc_{t-1} = dc s(f).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from alternax.core.errors import InputError
from alternax.ops.gated_scan import Cell, State, gated_scan, gated_scan_naive


def lstm_scan(
    inputs: Float[Array, "time gates"],
    weight: Float[Array, "gates dim"],
    bias: Float[Array, "gates"],
    state: tuple[Float[Array, "dim"], Float[Array, "dim"]],
    *,
    valid: Bool[Array, "time"] | None = None,
    resets: Bool[Array, "time"] | None = None,
    keep: Int[Array, "kept"] | None = None,
) -> tuple[Float[Array, "time dim"], State]:
    """h after every row, and (h, c) after the last row or after the rows `keep`; differentiable once (reverse mode).

    Args:
        inputs: p, the projected inputs of the gates i, f, g, o, `4 dim` columns.
        weight: U.
        bias: b.
        state: (h, c) before the first row.
        valid: Where False, the output is made and the state is held.
        resets: Where True, the state is zero before the row, valid or not.
        keep: Rows after which the state is wanted, in any order.

    Raises:
        InputError: shapes that do not fit; on differentiating a gradient.

    Example:
        >>> zero = jnp.zeros(2)
        >>> y, (h, c) = lstm_scan(jnp.ones((5, 8)), jnp.ones((8, 2)), jnp.zeros(8), (zero, zero))
    """
    if inputs.shape[-1] != 4 * state[0].shape[-1]:
        raise InputError(
            f"lstm_scan: expected inputs of 4 x {state[0].shape[-1]} columns, found {inputs.shape[-1]} columns."
        )
    return gated_scan(_CELL, inputs, weight, bias, state, valid=valid, resets=resets, keep=keep)


def lstm_scan_naive(
    inputs: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray,
    state: tuple[np.ndarray, np.ndarray],
    *,
    valid: np.ndarray | None = None,
    resets: np.ndarray | None = None,
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """The definition of `lstm_scan` as a NumPy loop, for tests and for reading; the states after all rows."""

    def step(p, h, c):
        i, f, g, o = np.split(p + weight @ h + bias, 4)
        i, f, o = (1 / (1 + np.exp(-v)) for v in (i, f, o))
        c = f * c + i * np.tanh(g)
        return o * np.tanh(c), c

    return gated_scan_naive(step, inputs, state, valid=valid, resets=resets)


def _forward(p: Array, r: Array, state: State) -> tuple[State, tuple[Array, ...]]:
    # Each gate by itself: a nonlinearity over all of them at once would be computed again for every use of a part.
    i, f, g, o = (a + b for a, b in zip(jnp.split(p, 4), jnp.split(r, 4), strict=True))
    i, f, g, o = jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)
    c = f * state[1] + i * g
    return (o * jnp.tanh(c), c), (i, f, g, o)


def _backward(kept: tuple[Array, ...], state: State, cotangent: State) -> tuple[Array, State]:
    (i, f, g, o), (dh, dc) = kept, cotangent
    squashed = jnp.tanh(f * state[1] + i * g)
    dc = dc + dh * o * (1 - squashed**2)
    gates = (dc * g * i * (1 - i), dc * state[1] * f * (1 - f), dc * i * (1 - g**2), dh * squashed * o * (1 - o))
    return jnp.concatenate(gates), (jnp.zeros_like(dh), dc * f)


_CELL = Cell(_forward, _backward, recurrent=lambda kept, d_inputs: d_inputs)
