"""The noise model of the latent, e_nu(z_{t-1}, x_t): a network whose half that sees x is called once for all rows."""

from itertools import pairwise

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from alternax.layers.rowwise import linear

KINDS = ("affine", "mlp")


class LatentNoise(eqx.Module):
    """An affine map or GELU network of a state and a row, its first layer in two parts.

    Only the state waits for the row before; what the first layer makes of the rows, `shown`, is one product for all.

    Args:
        kind: "affine" or "mlp".
        latent_dim: Length of the state, and of the noise.
        row_dim: Length of a row.
        blind: Columns of a row, from and up to, whose weights start at zero.
        width: Hidden width of an "mlp".
        depth: Its hidden layers.
        key: JAX random key.
    """

    of_row: eqx.nn.Linear
    of_state: eqx.nn.Linear
    later: tuple[eqx.nn.Linear, ...]

    def __init__(
        self,
        kind: str,
        latent_dim: int,
        row_dim: int,
        *,
        blind: tuple[int, int],
        width: int,
        depth: int,
        key: PRNGKeyArray,
    ):
        row_key, state_key, *later = jax.random.split(key, 2 + depth)
        sizes = [latent_dim] if kind == "affine" else [*[width] * depth, latent_dim]
        of_row = eqx.nn.Linear(row_dim, sizes[0], key=row_key)
        self.of_row = eqx.tree_at(lambda m: m.weight, of_row, of_row.weight.at[:, slice(*blind)].set(0.0))
        self.of_state = eqx.nn.Linear(latent_dim, sizes[0], use_bias=False, key=state_key)
        self.later = tuple(eqx.nn.Linear(*pair, key=k) for pair, k in zip(pairwise(sizes), later, strict=False))

    def shown(self, rows: Float[Array, "*rows row_dim"]) -> Float[Array, "*rows width"]:
        """The part of the first layer that sees rows."""
        return linear(self.of_row, rows)

    def __call__(
        self, z: Float[Array, "*rows latent_dim"], shown: Float[Array, "*rows width"]
    ) -> Float[Array, "*rows latent_dim"]:
        """The noise, given the state before a row and what is `shown` of the row."""
        hidden = z @ self.of_state.weight.T + shown
        for layer in self.later:
            hidden = linear(layer, jax.nn.gelu(hidden))
        return hidden

    def slopes(
        self, z: Float[Array, "*rows latent_dim"], shown: Float[Array, "*rows width"]
    ) -> tuple[Float[Array, "*rows width"], ...]:
        """Slopes of the activations, layer by layer: with them `pulled` is linear."""
        hidden, found = z @ self.of_state.weight.T + shown, []
        for layer in self.later:
            value, slope = jax.jvp(jax.nn.gelu, (hidden,), (jnp.ones_like(hidden),))
            hidden = linear(layer, value)
            found.append(slope)
        return tuple(found)

    def pulled(
        self, cotangent: Float[Array, "latent_dim"], slopes: tuple[Float[Array, "width"], ...]
    ) -> Float[Array, "latent_dim"]:
        """The cotangent of the state, given that of the noise: the Jacobian's transpose times it."""
        for layer, slope in zip(reversed(self.later), reversed(slopes), strict=True):
            cotangent = slope * (cotangent @ layer.weight)
        return cotangent @ self.of_state.weight
