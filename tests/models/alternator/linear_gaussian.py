"""An affine Alternator and, written from the equations alone, the joint Gaussian law of all it emits.

x_t = k (F z_{t-1} + f) + s_x e_t, z_t = sqrt(a) (G x_t + g) + sqrt(1 - a - s_z^2) z_{t-1} + s_z w_t, z_0 ~ N(0, I)
"""

import math
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from alternax.models.alternator import Alternator

OBS, LATENT = 2, 2
ALPHA, SIGMA_Z, SIGMA_X = 0.4, 0.3, 0.6
F, f = np.array([[0.9, -0.5], [0.4, 0.7]]), np.array([0.3, -0.2])
G, g = np.array([[0.8, 0.6], [-0.7, 0.9]]), np.array([-0.1, 0.5])


def affine(noise: str = "paper", **settings) -> Alternator:
    """The model; whatever its networks see beside x and z in complete, regular data is weighted by large numbers."""
    settings = {"alpha": ALPHA, "sigma_z": SIGMA_Z, "sigma_x": SIGMA_X, "residual": None} | settings
    model = Alternator(
        OBS, latent_dim=LATENT, ftn="affine", otn="affine", noise=noise, **settings, key=jax.random.key(0)
    )
    unseen = np.full((OBS, OBS), 50.0)
    weights = (np.hstack([G, unseen]), g, np.hstack([F, unseen]), f)
    return eqx.tree_at(
        lambda m: (m.ftn.net.weight, m.ftn.net.bias, m.otn.net.weight, m.otn.net.bias),
        model,
        tuple(jnp.asarray(w, dtype=float) for w in weights),
    )


@dataclass(frozen=True)
class Joint:
    """Mean and covariance of x_{1:T}, the rows one after another."""

    mean: np.ndarray
    covariance: np.ndarray

    def log_density(self, x: np.ndarray) -> float:
        """Of a whole series `(T, OBS)`."""
        rest = x.ravel() - self.mean
        _, log_det = np.linalg.slogdet(2 * np.pi * self.covariance)
        return float(-0.5 * (rest @ np.linalg.solve(self.covariance, rest) + log_det))

    def given(self, x: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of every entry given those seen, `(T, OBS)`."""
        known = seen.ravel()
        gain = np.linalg.solve(self.covariance[np.ix_(known, known)], self.covariance[known]).T
        mean = self.mean + gain @ (x.ravel() - self.mean)[known]
        variance = np.diag(self.covariance - gain @ self.covariance[known])
        return mean.reshape(x.shape), variance.reshape(x.shape)


def joint(length: int, noise: str = "paper", shift: np.ndarray | float = 0.0) -> Joint:
    """Every x_t as a mean plus a linear map of all the independent noises; `shift` is added to f."""
    scale = SIGMA_X if noise == "paper" else SIGMA_X + 1e-3
    factor = math.sqrt(1 - SIGMA_X**2) if noise == "paper" else 1.0
    noises = iter(np.eye(LATENT + length * (OBS + LATENT)))
    draw = lambda width: np.stack([next(noises) for _ in range(width)])  # noqa: E731
    z_mean, z_map, means, maps = np.zeros(LATENT), draw(LATENT), [], []
    for _ in range(length):
        means.append(factor * (F @ z_mean + f + shift))
        maps.append(factor * F @ z_map + scale * draw(OBS))
        carry = math.sqrt(1 - ALPHA - SIGMA_Z**2)
        z_mean = math.sqrt(ALPHA) * (G @ means[-1] + g) + carry * z_mean
        z_map = math.sqrt(ALPHA) * G @ maps[-1] + carry * z_map + SIGMA_Z * draw(LATENT)
    stacked = np.concatenate(maps)
    return Joint(np.concatenate(means), stacked @ stacked.T)


def elbo(x: np.ndarray) -> float:
    """sum_t E log N(x_t; k (F z + f), s_x^2) under z ~ N(m_{t-1}, v_{t-1} I), the law of z given the past rows."""
    factor, carry = math.sqrt(1 - SIGMA_X**2), math.sqrt(1 - ALPHA - SIGMA_Z**2)
    m, v, total = np.zeros(LATENT), 1.0, 0.0
    for row in x:
        rest = row - factor * (F @ m + f)
        square = rest @ rest + v * factor**2 * np.sum(F**2)
        total -= 0.5 * (square / SIGMA_X**2 + OBS * math.log(2 * math.pi * SIGMA_X**2))
        m, v = math.sqrt(ALPHA) * (G @ row + g) + carry * m, carry**2 * v + SIGMA_Z**2
    return total
