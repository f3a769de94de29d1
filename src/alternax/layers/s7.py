"""S7 (Soydan et al. 2024, arXiv 2410.03464): an S5-like state whose every matrix the row chooses, kept stable by a map.

    h_t = Lambda_t * h_{t-1} + B_t x_t,    o_t = C_t h_t + D_t * x_t,    y_t = o_t * sigmoid(gate_weight gelu(o_t))
    Lambda_t = 1 - 1 / (w_t^2 + 1/2),      w_t = w + W_w x_t                     (the stable reparameterisation)

with one state for all channels, and B_t (state by dim), C_t (dim by state) and D_t affine in x_t as well. Lambda_t lies
in [-1, 1) whatever the input. Only diagonal factors and one vector a row reach the scan. B_t and C_t themselves are
never formed: B_t x_t is quadratic in x_t. Rows are counted: the layer does not read `dt`.
"""

import math
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from alternax.core.errors import InputError
from alternax.core.layer import CACHED_ROWS, Layer
from alternax.layers.inputs import check_row, check_rows, check_size, check_state
from alternax.layers.modes import held_scan

S7State = Float[Array, "state_dim"]


class S7(Layer):
    """Selective layer with one shared state, real and diagonal; it counts rows and does not read `dt`.

    Attributes:
        dim: Width of input and output.
        state_dim: Length of the state.
    """

    dim: int = eqx.field(static=True)
    segment_rows: ClassVar[int | None] = CACHED_ROWS
    state_dim: int = eqx.field(static=True)
    w: Float[Array, "state_dim"]
    w_weight: Float[Array, "state_dim dim"]
    B: Float[Array, "state_dim dim"]
    B_weight: Float[Array, "state_dim dim dim"]
    C: Float[Array, "dim state_dim"]
    C_weight: Float[Array, "dim state_dim dim"]
    D: Float[Array, "dim"]
    D_weight: Float[Array, "dim dim"]
    gate_weight: Float[Array, "dim dim"]

    def __init__(self, dim: int, *, state_dim: int | None = None, longest: float = 1000.0, key: PRNGKeyArray):
        """Starts near a linear layer whose memories are spread log-uniformly.

        Args:
            dim: Width of input and output.
            state_dim: Length of the state; `dim` if None. Weights and cost grow with state_dim * dim^2.
            longest: Rows that the longest starting memory lasts, 1 / (1 - Lambda); the shortest lasts two.
            key: JAX random key.

        Raises:
            InputError: sizes below 1, `longest` below 2.

        Example:
            >>> y, state = S7(4, key=jax.random.key(0))(jnp.ones((10, 4)))
        """
        state_dim = dim if state_dim is None else state_dim
        check_size("S7", dim=dim, state_dim=state_dim)
        if not 2 <= longest < math.inf:
            raise InputError(f"S7: longest must be at least 2 rows and finite, found {longest}.")
        keys = jax.random.split(key, 7)
        normal = lambda key, *shape, scale: scale * jax.random.normal(key, shape)  # noqa: E731
        # The parts that depend on the row start at a tenth of what a fully selective layer would need.
        inward, outward, selected = 1 / math.sqrt(dim), 1 / math.sqrt(state_dim), 0.1
        rows = 2 * (longest / 2) ** jax.random.uniform(keys[0], (state_dim,))
        self.dim, self.state_dim = dim, state_dim
        self.w = jnp.sqrt(rows - 0.5)
        self.w_weight = normal(keys[1], state_dim, dim, scale=selected * inward)
        self.B = normal(keys[2], state_dim, dim, scale=inward) / jnp.sqrt(rows)[:, None]
        self.B_weight = normal(keys[3], state_dim, dim, dim, scale=selected / dim) / jnp.sqrt(rows)[:, None, None]
        self.C = normal(keys[4], dim, state_dim, scale=outward)
        self.C_weight = normal(keys[5], dim, state_dim, dim, scale=selected * outward * inward)
        self.D, self.D_weight = jnp.ones(dim), jnp.zeros((dim, dim))
        self.gate_weight = normal(keys[6], dim, dim, scale=inward)

    def init_state(self) -> S7State:
        """The state of zeros."""
        return jnp.zeros(self.state_dim, self.w.dtype)

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: S7State | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], Float[Array, "*kept_shape state_dim"]]:
        """See `Layer`."""
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        state = self.init_state() if state is None else state
        check_state(self, state)
        read, h = held_scan(self._factor(x), self._inputs(x), state, valid=valid, resets=resets)
        return self._outputs(read, x), h[-1] if keep is None else h[keep]

    def step(
        self, x_t: Float[Array, "dim"], state: S7State, *, dt: Scalar | None = None, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "dim"], S7State]:
        """See `Layer`."""
        check_row(self, x_t, state)
        h = self._factor(x_t) * state + self._inputs(x_t)
        return self._outputs(h, x_t), h

    def _factor(self, x: Float[Array, "*time dim"]) -> Float[Array, "*time state_dim"]:
        """The diagonal Lambda."""
        return 1 - 1 / ((self.w + x @ self.w_weight.T) ** 2 + 0.5)

    def _inputs(self, x: Float[Array, "*time dim"]) -> Float[Array, "*time state_dim"]:
        """The product B_t x_t."""
        return x @ self.B.T + jnp.einsum("nij,...i,...j->...n", self.B_weight, x, x)

    def _outputs(self, h: Float[Array, "*time state_dim"], x: Float[Array, "*time dim"]) -> Float[Array, "*time dim"]:
        o = h @ self.C.T + jnp.einsum("inj,...n,...j->...i", self.C_weight, h, x)
        o = o + (self.D + x @ self.D_weight.T) * x
        # The exact GELU: the cube in its approximation overflows long before the inputs do.
        return o * jax.nn.sigmoid(jax.nn.gelu(o, approximate=False) @ self.gate_weight.T)
