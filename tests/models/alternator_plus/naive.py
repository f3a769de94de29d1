"""A small Alternator++ and its equations in NumPy, written from the paper's two lines alone."""

import jax
import jax.numpy as jnp
import numpy as np

from alternax.core.model import latent_key
from alternax.models import AlternatorPlusPlus

SIGMA_X, SIGMA_Z = 0.5, 0.4
ALPHA, BETA = np.array([0.5, 0.3, 0.7]), np.array([0.2, 0.6])


def small(obs: int = 2, latent: int = 3, **settings) -> AlternatorPlusPlus:
    """The paper's model: schedules for both shares, and networks of one hidden layer."""
    settings = {
        "alpha": ALPHA, "beta": BETA, "sigma_x": SIGMA_X, "sigma_z": SIGMA_Z, "noise": "paper", "residual": None,
        "ftn": "mlp", "otn": "mlp", "width": 5, "depth": 1,
    } | settings  # fmt: skip
    return AlternatorPlusPlus(obs, latent_dim=latent, **settings, key=jax.random.key(4))


def gelu(v: np.ndarray) -> np.ndarray:
    return 0.5 * v * (1 + np.tanh(np.sqrt(2 / np.pi) * (v + 0.044715 * v**3)))


def net(layers, v: np.ndarray) -> np.ndarray:
    """A GELU network of row vectors."""
    for place, layer in enumerate(layers):
        v = (gelu(v) if place else v) @ np.asarray(layer.weight).T + np.asarray(layer.bias)
    return v


class Naive:
    """The model's maps of row vectors, in complete regular data: nothing is missing and every age is 1."""

    def __init__(self, model: AlternatorPlusPlus):
        self.model = model

    def f(self, z):
        return net(self.model.base.otn.net.layers, self._asked(z))

    def g(self, x):
        return net(self.model.base.ftn.net.layers, self._taken(x))

    def e_psi(self, z):
        return net(self.model.psi.net.layers, self._asked(z))

    def e_nu(self, z, x):
        nu = self.model.nu
        hidden = z @ np.asarray(nu.of_state.weight).T + net([nu.of_row], self._taken(x))
        return net(nu.later, gelu(hidden))

    def shares(self, t: int) -> tuple[float, float, float, float]:
        """sqrt(b), sqrt(1 - b - sx^2), sqrt(a), sqrt(1 - a - sz^2) at row t."""
        a, b = ALPHA[min(t, len(ALPHA) - 1)], BETA[min(t, len(BETA) - 1)]
        return np.sqrt(b), np.sqrt(1 - b - SIGMA_X**2), np.sqrt(a), np.sqrt(1 - a - SIGMA_Z**2)

    def mean_x(self, z, t: int):
        signal, rest, _, _ = self.shares(t)
        return signal * self.f(z) + rest * self.e_psi(z)

    def mean_z(self, z, x, t: int):
        _, _, signal, rest = self.shares(t)
        return signal * self.g(x) + rest * self.e_nu(z, x)

    def _asked(self, z):
        """The logarithms of the columns' ages are 0."""
        return np.concatenate([z, np.zeros((*z.shape[:-1], self.model.obs_dim))], -1)

    def _taken(self, x):
        return np.concatenate([x, np.zeros_like(x)], -1)


def noise(key, step: int, width: int) -> np.ndarray:
    """The latent noise that the library draws before row `step`."""
    return np.asarray(jax.random.normal(latent_key(key, jnp.asarray(step)), (width,)))
