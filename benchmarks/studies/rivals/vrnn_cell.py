"""One row of the variational recurrent network: what forecaster and decoder have in common.

    z_t ~ N(prior(h_{t-1}, c_t))          x_t ~ N(x_{t-1} + emission(z_t, h_{t-1}, c_t))
    q(z_t | x_{<=t}) = N(posterior(x_t, h_{t-1}, c_t))          h_t = GRU(x_t, z_t, h_{t-1})

x and z are read through networks of their own before they are used.

Reference: Chung et al., "A Recurrent Latent Variable Model for Sequential Data", arXiv 1506.02216, equations 5 to 11.
"""

from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array
from rivals.training import gaussian

Moments = tuple[Array, Array]


def net(size: int, out: int, width: int, key: Array) -> eqx.nn.MLP:
    """A network of one hidden layer."""
    return eqx.nn.MLP(size, out, width, 1, activation=jax.nn.gelu, key=key)


class VRNNCell(eqx.Module):
    """Networks and recurrence.

    Args:
        read_dim: Length of what is shown of a row.
        dim: Columns.
        control_dim: Controls of every row.
        width: Of the GRU and of every network.
        latent_dim: Length of z.
        keys: Keys of the initial weights, six of which are taken.
    """

    read: Any
    read_latent: Any
    prior_net: Any
    posterior_net: Any
    emission_net: Any
    recurrence: eqx.nn.GRUCell
    width: int = eqx.field(static=True)
    latent_dim: int = eqx.field(static=True)

    def __init__(
        self, read_dim: int, dim: int, control_dim: int, *, width: int, latent_dim: int, keys: Iterator[Array]
    ):
        self.read, self.read_latent = net(read_dim, width, width, next(keys)), net(latent_dim, width, width, next(keys))
        self.prior_net = net(width + control_dim, 2 * latent_dim, width, next(keys))
        self.posterior_net = net(2 * width + control_dim, 2 * latent_dim, width, next(keys))
        self.emission_net = net(2 * width + control_dim, 2 * dim, width, next(keys))
        self.recurrence = eqx.nn.GRUCell(2 * width, width, key=next(keys))
        self.width, self.latent_dim = width, latent_dim

    def start(self) -> Array:
        """The state before the first row."""
        return jnp.zeros(self.width)

    def prior(self, hidden: Array, control: Array) -> Moments:
        """Mean and deviation of z given the past."""
        return gaussian(self.prior_net(jnp.concatenate([hidden, control])), 1.0)

    def posterior(self, read: Array, hidden: Array, control: Array) -> Moments:
        """The same given the row as well."""
        return gaussian(self.posterior_net(jnp.concatenate([read, hidden, control])), 1.0)

    def emission(self, seen: Array, hidden: Array, control: Array, last: Array) -> Moments:
        """Mean and deviation of the row, whose mean is a change since the last one."""
        change, scale = gaussian(self.emission_net(jnp.concatenate([seen, hidden, control])), 0.3)
        return last + change, scale

    def step(self, read: Array, seen: Array, hidden: Array) -> Array:
        """The state after the row."""
        return self.recurrence(jnp.concatenate([read, seen]), hidden)
