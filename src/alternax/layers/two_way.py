"""A map over time that sees both ways, made of two causal layers: one runs forwards, the other backwards."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from alternax.core.errors import InputError
from alternax.core.layer import Layer, Mixer
from alternax.layers.block import check_causal
from alternax.layers.inputs import check_rows


class TwoWay(Mixer):
    """The sum y = forward(x) + flip(backward(flip x)), as two-way state-space models add their directions.

    A row sees all rows through one direction or the other, and itself through both. A concatenation with a projection
    behind it is this sum where the layers end in a linear map, as Mamba-2 and the LRU do.

    Attributes:
        dim: Width of input and output.
    """

    dim: int = eqx.field(static=True)
    forward: Layer
    backward: Layer

    def __init__(self, forward: Layer, backward: Layer):
        """Joins two layers of one width.

        Args:
            forward: Causal layer that runs from the first row to the last.
            backward: Causal layer that runs from the last row to the first.

        Raises:
            InputError: not two `Layer`s of the same width.

        Example:
            >>> keys = jax.random.split(jax.random.key(0))
            >>> y = TwoWay(GRU(4, key=keys[0]), GRU(4, key=keys[1]))(jnp.ones((10, 4)))
        """
        for layer in (forward, backward):
            check_causal("TwoWay", layer)
        if forward.dim != backward.dim:
            raise InputError(f"TwoWay: expected two layers of one width, found {forward.dim} and {backward.dim}.")
        self.dim = forward.dim
        self.forward, self.backward = forward, backward

    def __call__(
        self, x: Float[Array, "time dim"], *, valid: Bool[Array, "time"] | None = None, key: PRNGKeyArray | None = None
    ) -> Float[Array, "time dim"]:
        """See `Mixer`."""
        check_rows(self, x, valid=valid)
        first, second = (None, None) if key is None else jax.random.split(key)
        y, _ = self.forward(x, valid=valid, key=first)
        flipped, _ = self.backward(jnp.flip(x, 0), valid=None if valid is None else jnp.flip(valid), key=second)
        return y + jnp.flip(flipped, 0)
