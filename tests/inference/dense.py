"""The latent of an affine Alternator by brute force: every z and x as a linear map of independent noises, then
conditioning of one dense Gaussian. Written in NumPy from the equations alone, gaps, resets and flows included."""

import math
from dataclasses import dataclass

import equinox as eqx
import numpy as np
from models.alternator.linear_gaussian import ALPHA, LATENT, OBS, SIGMA_X, SIGMA_Z, F, G, f, g

UNSEEN = 50.0  # what `affine` weighs masks and ages by
MILD = 0.3


def mild(model):
    """`affine` with small weights for masks and ages, so that gaps lead particles nowhere far."""
    weights = (model.ftn.net.weight.at[:, OBS:].set(MILD), model.otn.net.weight.at[:, LATENT:].set(MILD))
    return eqx.tree_at(lambda m: (m.ftn.net.weight, m.otn.net.weight), model, weights)


@dataclass(frozen=True)
class Dense:
    """z_t = mean + map @ noises after every row; rows of y = offset + design @ noises + own noise; row of every y."""

    z_mean: np.ndarray
    z_map: np.ndarray
    design: np.ndarray
    rest: np.ndarray
    row: np.ndarray

    def log_density(self) -> float:
        covariance = self.design @ self.design.T + SIGMA_X**2 * np.eye(len(self.rest))
        _, log_det = np.linalg.slogdet(2 * np.pi * covariance)
        return float(-0.5 * (self.rest @ np.linalg.solve(covariance, self.rest) + log_det))

    def given(self, rows: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Means `(T, LATENT)` and the joint covariance of all z, given the first `rows` rows (default all)."""
        use = self.row < (len(self.z_mean) if rows is None else rows)
        design, rest = self.design[use], self.rest[use]
        covariance = design @ design.T + SIGMA_X**2 * np.eye(len(rest))
        flat = self.z_map.reshape(-1, self.z_map.shape[-1])
        gain = np.linalg.solve(covariance, design @ flat.T).T
        mean = self.z_mean + (gain @ rest).reshape(self.z_mean.shape)
        return mean, flat @ flat.T - gain @ design @ flat.T

    def filtered(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of every z given the rows up to it."""
        laws = [self.given(t + 1) for t in range(len(self.z_mean))]
        variances = [np.diag(cov).reshape(mean.shape) for mean, cov in laws]
        return tuple(np.stack([a[t] for t, a in enumerate(part)]) for part in ([m for m, _ in laws], variances))


def dense(x, *, dt=None, valid=None, resets=None, rates=None, ou=False, unseen=UNSEEN) -> Dense:
    """Of a series `(T, OBS)` with NaN where nothing was observed."""
    length = len(x)
    dt = np.ones(length) if dt is None else dt
    valid = np.ones(length, bool) if valid is None else valid
    resets = np.zeros(length, bool) if resets is None else resets
    factor, carry = math.sqrt(1 - SIGMA_X**2), math.sqrt(1 - ALPHA - SIGMA_Z**2)
    noises = iter(np.eye(LATENT * (1 + 3 * length)))
    draw = lambda: np.stack([next(noises) for _ in range(LATENT)])  # noqa: E731
    mean, spread, last, age = np.zeros(LATENT), draw(), np.zeros(OBS), np.zeros(OBS)
    z_mean, z_map, design, rest, row = [], [], [], [], []
    for t in range(length):
        if valid[t]:
            if resets[t]:
                mean, spread, last, age = np.zeros(LATENT), draw(), np.zeros(OBS), np.zeros(OBS)
            age = age + dt[t]
            if rates is not None:
                flow = np.exp(-rates * dt[t])
                mean, spread = flow * mean, flow[:, None] * spread
                spread = spread + (np.sqrt(1 - flow**2)[:, None] * draw() if ou else 0.0)
            seen = np.isfinite(x[t])
            located = factor * (F @ mean + f + unseen * np.log(age).sum())
            design.append((factor * F @ spread)[seen])
            rest.append((np.where(seen, x[t], 0.0) - located)[seen])
            row.append(np.full(seen.sum(), t))
            last, age = np.where(seen, x[t], last), np.where(seen, 0.0, age)
            if seen.any():
                taken = G @ last + g + unseen * (~seen).sum()
                mean = carry * mean + math.sqrt(ALPHA) * taken
                spread = carry * spread + SIGMA_Z * draw()
        z_mean.append(mean)
        z_map.append(spread)
    return Dense(np.stack(z_mean), np.stack(z_map), np.concatenate(design), np.concatenate(rest), np.concatenate(row))
