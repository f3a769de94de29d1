"""Closed-form continuous-time networks (Hasani et al. 2022, arXiv 2106.13898): gates that read the elapsed time.

    v = backbone([x_t, h_{t-1}]),    g, k = tanh(W_g v), tanh(W_k v),    s = sigmoid((W_a v) dt + W_b v)
    h_t = (1 - s) g + s k                                         mode "default"
    h_t = g + s k                                                 mode "no_gate"
    h_t = A - A exp(-dt (|w| + |W_g v|)) W_g v                    mode "pure": the liquid time-constant unit

with biases everywhere; the backbone is `depth` dense layers with the activation 1.7159 tanh(0.666 v). The weights of h
in the first product may be of low rank and sparse, W = M * (L R), as in Tumma et al. 2023 (arXiv 2310.03915).
"""

import math
from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from alternax.core.errors import InputError
from alternax.core.layer import STORED_ROWS, Layer
from alternax.layers.inputs import check_row, check_rows, check_size, check_state
from alternax.layers.loop import loop_over_rows

CfCState = Float[Array, "dim"]
Mode = Literal["default", "no_gate", "pure"]


class CfC(Layer):
    """Closed-form continuous-time layer; its output is its state h, and `dt` is the time since the row before.

    Attributes:
        dim: Width of input, state and output.
        mode: Which of the three equations of h.
    """

    dim: int = eqx.field(static=True)
    segment_rows: ClassVar[int | None] = STORED_ROWS
    mode: Mode = eqx.field(static=True)
    input_weight: Float[Array, "units dim"]
    state_weight: tuple[Float[Array, "..."], ...]
    connected: Bool[Array, "units dim"] | None
    bias: Float[Array, "units"]
    dense: tuple[eqx.nn.Linear, ...]
    time_constant: Float[Array, "dim"] | None
    asymptote: Float[Array, "dim"] | None

    def __init__(
        self,
        dim: int,
        *,
        mode: Mode = "default",
        units: int | None = None,
        depth: int = 1,
        rank: int | None = None,
        sparsity: float = 0.0,
        key: PRNGKeyArray,
    ):
        """Weights start uniform by the sum of their sides (Glorot), biases at zero.

        Args:
            dim: Width of input, state and output.
            mode: "default", "no_gate" or "pure".
            units: Width of the backbone; `2 dim` if None.
            depth: Dense layers of the backbone; without any the heads read x and h.
            rank: Rank of the weights of h in the first product; full if None.
            sparsity: Share of those weights that is fixed at zero, chosen at random.
            key: JAX random key.

        Raises:
            InputError: an unknown mode, sizes below 1, a negative depth, a sparsity outside [0, 1).

        Example:
            >>> y, h = CfC(4, key=jax.random.key(0))(jnp.ones((10, 4)), dt=jnp.full(10, 0.5))
        """
        units = 2 * dim if units is None else units
        check_size("CfC", dim=dim, units=units, rank=1 if rank is None else rank)
        if mode not in ("default", "no_gate", "pure"):
            raise InputError(f"CfC: unknown mode {mode!r}; choose from 'default', 'no_gate', 'pure'.")
        if depth < 0 or not 0 <= sparsity < 1:
            raise InputError(f"CfC: expected depth >= 0 and 0 <= sparsity < 1, found {depth} and {sparsity}.")
        heads = dim if mode == "pure" else 4 * dim
        widths = [*[units] * depth, heads]
        input_key, state_key, mask_key, *dense_keys = jax.random.split(key, 3 + depth)
        shapes = [(widths[0], dim)] if rank is None else [(widths[0], rank), (rank, dim)]
        self.dim, self.mode = dim, mode
        self.input_weight = _glorot(input_key, (widths[0], dim))
        self.state_weight = tuple(map(_glorot, jax.random.split(state_key, len(shapes)), shapes))
        drawn = jax.random.uniform(mask_key, (widths[0], dim)) >= sparsity
        self.connected = drawn if sparsity else None
        self.bias = jnp.zeros(widths[0])
        self.dense = tuple(map(_dense, dense_keys, widths[:-1], widths[1:]))
        self.time_constant = jnp.zeros(dim) if mode == "pure" else None
        self.asymptote = jnp.ones(dim) if mode == "pure" else None

    def init_state(self) -> CfCState:
        """The state of zeros."""
        return jnp.zeros(self.dim, self.bias.dtype)

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: CfCState | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], Float[Array, "*kept_shape dim"]]:
        """See `Layer`; `dt` is the time since the row before, 1 everywhere if None."""
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        state = self.init_state() if state is None else state
        check_state(self, state)
        weight = self._weight()
        inputs, elapsed = x @ self.input_weight.T + self.bias, jnp.ones(x.shape[0], x.dtype) if dt is None else dt

        def step(row, h):
            h = self._next(row[0] + weight @ h, row[1])
            return h, h

        return loop_over_rows(step, (inputs, elapsed), state, self.init_state(), valid=valid, resets=resets, keep=keep)

    def step(
        self, x_t: Float[Array, "dim"], state: CfCState, *, dt: Scalar | None = None, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "dim"], CfCState]:
        """See `Layer`."""
        check_row(self, x_t, state)
        h = self._next(self.input_weight @ x_t + self.bias + self._weight() @ state, 1.0 if dt is None else dt)
        return h, h

    def _weight(self) -> Float[Array, "units dim"]:
        """The weights of h in the first product."""
        weight = self.state_weight[0] if len(self.state_weight) == 1 else self.state_weight[0] @ self.state_weight[1]
        return weight if self.connected is None else jnp.where(self.connected, weight, 0.0)

    def _next(self, v: Float[Array, "units"], dt: Scalar | float) -> CfCState:
        """h after the first product."""
        for dense in self.dense:
            v = dense(1.7159 * jnp.tanh(0.666 * v))
        if self.time_constant is not None:
            return self.asymptote - self.asymptote * jnp.exp(-dt * (jnp.abs(self.time_constant) + jnp.abs(v))) * v
        g, k, a, b = jnp.split(v, 4)
        g, k, s = jnp.tanh(g), jnp.tanh(k), jax.nn.sigmoid(a * dt + b)
        return g + s * k if self.mode == "no_gate" else (1 - s) * g + s * k


def _glorot(key: PRNGKeyArray, shape: tuple[int, int]) -> Float[Array, "out inner"]:
    bound = math.sqrt(6 / sum(shape))
    return jax.random.uniform(key, shape, minval=-bound, maxval=bound)


def _dense(key: PRNGKeyArray, inner: int, outer: int) -> eqx.nn.Linear:
    """A dense layer with Glorot weights and no bias at first."""
    linear = eqx.nn.Linear(inner, outer, key=key)
    return eqx.tree_at(lambda d: (d.weight, d.bias), linear, (_glorot(key, (outer, inner)), jnp.zeros(outer)))
