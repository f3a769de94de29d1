"""The plain pre-norm residual block, y = x + layer(norm(x)), and after it, if asked for, y + mlp(norm(y)).

The first line is the block of Mamba (arXiv 2312.00752, section 3.4), both together that of a pre-norm transformer
(Xiong et al. 2020, arXiv 2002.04745). The norm divides by the root mean square (arXiv 1910.07467).
"""

import equinox as eqx
import jax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from alternax.core.layer import Layer, LayerState
from alternax.layers.block import check_causal
from alternax.layers.inputs import check_row, check_rows, check_size
from alternax.layers.rowwise import network


class Residual(Layer):
    """Pre-norm residual block without anything after the layer, or with a GELU network of every row.

    Attributes:
        dim: Width of input and output.
    """

    dim: int = eqx.field(static=True)
    norm: eqx.nn.RMSNorm
    layer: Layer
    mlp_norm: eqx.nn.RMSNorm | None
    mlp: eqx.nn.MLP | None

    def __init__(self, layer: Layer, *, expand: int | None = None, key: PRNGKeyArray | None = None):
        """Wraps `layer`.

        Args:
            layer: Any causal layer.
            expand: Hidden width of the network after the layer as a multiple of `dim`; None leaves it out.
            key: JAX random key of that network's weights; needed only with `expand`.

        Raises:
            InputError: `layer` is not a `Layer`, `expand` below 1.

        Example:
            >>> block = Residual(GRU(4, key=jax.random.key(0)), expand=4, key=jax.random.key(1))
        """
        check_causal("Residual", layer)
        self.dim = layer.dim
        self.norm = eqx.nn.RMSNorm(layer.dim, use_bias=False)
        self.layer = layer
        self.mlp_norm, self.mlp = None, None
        if expand is not None:
            check_size("Residual", expand=expand)
            self.mlp_norm = eqx.nn.RMSNorm(layer.dim, use_bias=False)
            self.mlp = eqx.nn.MLP(layer.dim, layer.dim, expand * layer.dim, 1, activation=jax.nn.gelu, key=key)

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
        return self._rest(x + y), state

    def step(
        self, x_t: Float[Array, "dim"], state: LayerState, *, dt: Scalar | None = None, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "dim"], LayerState]:
        """See `Layer`."""
        check_row(self, x_t, state)
        y_t, state = self.layer.step(self.norm(x_t), state, dt=dt, key=key)
        return self._rest(x_t + y_t), state

    def _rest(self, y: Float[Array, "*rows dim"]) -> Float[Array, "*rows dim"]:
        if self.mlp is None or self.mlp_norm is None:
            return y
        norm = self.mlp_norm if y.ndim == 1 else jax.vmap(self.mlp_norm)
        return y + network(self.mlp, norm(y))
