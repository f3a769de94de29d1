"""The residual block around a sequence layer: y = x + GLU(GELU(layer(norm(x)))), as in S4D, S5 and the LRU paper."""

import equinox as eqx
import jax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from alternax.core.errors import InputError
from alternax.core.layer import Layer, LayerState, Mixer
from alternax.layers.inputs import check_row, check_rows
from alternax.layers.rowwise import linear


class Block(Layer):
    """Pre-norm residual block: layer norm, the layer, GELU, a gated linear unit, and the input added back.

    Attributes:
        dim: Width of input and output.
    """

    dim: int = eqx.field(static=True)
    norm: eqx.nn.LayerNorm
    layer: Layer
    gate: eqx.nn.Linear

    def __init__(self, layer: Layer, *, key: PRNGKeyArray):
        """Wraps `layer`.

        Args:
            layer: Any causal layer.
            key: JAX random key of the gated linear unit's weights.

        Raises:
            InputError: `layer` is not a `Layer`.

        Example:
            >>> block = Block(LRU(4, key=jax.random.key(0)), key=jax.random.key(1))
        """
        check_causal("Block", layer)
        self.dim = layer.dim
        self.norm = eqx.nn.LayerNorm(layer.dim)
        self.layer = layer
        self.gate = eqx.nn.Linear(layer.dim, 2 * layer.dim, key=key)

    @property
    def segment_rows(self) -> int | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The layer's."""
        return self.layer.segment_rows

    def init_state(self) -> LayerState:
        """The layer's."""
        return self.layer.init_state()

    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: LayerState | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], LayerState]:
        """See `Layer`."""
        check_rows(self, x, valid=valid, resets=resets, dt=dt)
        y, state = self.layer(jax.vmap(self.norm)(x), state, valid=valid, resets=resets, dt=dt, keep=keep, key=key)
        return x + self._gated(y), state

    def step(
        self, x_t: Float[Array, "dim"], state: LayerState, *, dt: Scalar | None = None, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "dim"], LayerState]:
        """See `Layer`."""
        check_row(self, x_t, state)
        y_t, state = self.layer.step(self.norm(x_t), state, dt=dt, key=key)
        return x_t + self._gated(y_t), state

    def _gated(self, y: Float[Array, "*rows dim"]) -> Float[Array, "*rows dim"]:
        return jax.nn.glu(linear(self.gate, jax.nn.gelu(y)))


def check_causal(where: str, layer: object) -> None:
    """Only a `Layer` runs forward in time row by row."""
    if isinstance(layer, Mixer):
        raise InputError(f"{where}: {type(layer).__name__} is a Mixer, which reads future rows; give a Layer.")
    if not isinstance(layer, Layer):
        raise InputError(f"{where}: expected a Layer, found {layer!r}.")
