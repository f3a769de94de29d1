"""The ODE-RNN, which is the encoder of the latent ODE, as a layer: a state that flows between rows and jumps at them.

    h'_t = h(dt) of dh/ds = field(h), h(0) = h_{t-1}          h_t = GRU(x_t, h'_t)

By one step of the classical Runge-Kutta rule from row to row.

Reference: Rubanova et al., "Latent ODEs for Irregularly-Sampled Time Series", arXiv 1907.03907, section 3.1.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

import alternax as ax
from alternax.core.layer import Layer
from alternax.layers.loop import loop_over_rows


class ODERNN(Layer):
    """A GRU whose state follows a flow of its own before every row.

    Attributes:
        dim: Width of input, state and output.
        cell: Takes a row into the state.
        field: The slope of the state, a network of one hidden layer.
    """

    dim: int = eqx.field(static=True)
    cell: ax.layers.GRU
    field: eqx.nn.MLP

    def __init__(self, dim: int, *, key: Array):
        cell_key, field_key = jax.random.split(key)
        self.dim, self.cell = dim, ax.layers.GRU(dim, key=cell_key)
        self.field = eqx.nn.MLP(dim, dim, dim, 1, activation=jnp.tanh, key=field_key)

    def init_state(self) -> Float[Array, "dim"]:
        """The state of zeros."""
        return self.cell.init_state()

    def __call__(self, x: Array, state: Any = None, *, valid=None, resets=None, dt=None, keep=None, key=None):
        """See `Layer`; `dt` is the time since the row before, 1 everywhere if None."""
        rows = x, jnp.ones(len(x)) if dt is None else dt
        start = self.init_state()
        state = start if state is None else state
        step = lambda row, h: self.step(row[0], h, dt=row[1])  # noqa: E731
        return loop_over_rows(step, rows, state, start, valid=valid, resets=resets, keep=keep)

    def step(self, x_t: Array, state: Array, *, dt: Array | None = None, key: Array | None = None):
        """See `Layer`."""
        size = jnp.ones(()) if dt is None else dt
        k1 = self.field(state)
        k2 = self.field(state + 0.5 * size * k1)
        k3 = self.field(state + 0.5 * size * k2)
        k4 = self.field(state + size * k3)
        return self.cell.step(x_t, state + size / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4))
