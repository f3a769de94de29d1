"""Exact inference of a linear chain: its likelihood, filter and smoother in closed form, and exact joint draws.

A row speaks on the latent through log p(x_t | u), which is quadratic there. Its gradient and curvature hold all there
is to know, whatever is missing of the row and however wide it is, as an observation of the latent with unit noise:

    log p(x_t | u) = k_t + log N(y_t; C_t u, I),    C'C = -hess log p,    C'y = grad log p at u = 0

Square-root steps, so that no covariance loses its sign in single precision. The loop over rows is sequential: the
parallel form inverts the noise of a row, which is 0 where nothing was observed.

Reference: Särkkä and Svensson, "Bayesian Filtering and Smoothing" (2nd edition), chapters 6 and 12.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from cuthbertlib.kalman import filter_update, predict
from cuthbertlib.kalman.smoothing import associative_params_single
from cuthbertlib.linalg import tria
from jaxtyping import Array, Bool, Float, PRNGKeyArray, Scalar

from alternax.core.chain import LatentChain, Particle, Step
from alternax.core.errors import InputError
from alternax.core.model import where_tree

_LOG_2PI = math.log(2 * math.pi)


class Law(eqx.Module):
    """Gaussians by row.

    Args:
        mean: Their means.
        chol: (Generalised) Cholesky factors of their covariances.
    """

    mean: Float[Array, "*rows latent_dim"]
    chol: Float[Array, "*rows latent_dim latent_dim"]

    @property
    def variance(self) -> Float[Array, "*rows latent_dim"]:
        """Variances of the dimensions."""
        return (self.chol**2).sum(-1)


class Affine(eqx.Module):
    """Gaussian steps from one value to the next: factor @ value + shift + noise @ e, stacked over time."""

    factor: Float[Array, "*rows latent_dim latent_dim"]
    shift: Float[Array, "*rows latent_dim"]
    noise: Float[Array, "*rows latent_dim latent_dim"]


class Exact(eqx.Module):
    """The filter of a linear chain, by row.

    Args:
        gained: log p(x_t | x_{1:t-1}).
        before: Law of the latent as the row finds it, given the rows up to this one.
        after: Law of z after the row, given the same.
        jump: The step from the one to the other.
        flow: The step from there to the next row.
        fresh: Where the latent is drawn anew before the next row.
    """

    gained: Float[Array, "time"]
    before: Law
    after: Law
    jump: Affine
    flow: Affine
    fresh: Bool[Array, "time"]


def kalman_filter(chain: LatentChain) -> Exact:
    """The law of z and of every row given the rows up to it.

    Raises:
        InputError: If the chain is not linear.
    """
    if not chain.linear:
        raise InputError("the latent of this model is not linear and Gaussian given the rows: no exact inference.")
    eye = jnp.eye(chain.first.shape[0], dtype=chain.first.dtype)
    seen = jax.vmap(lambda step: _observation(chain, step))(chain.steps)
    jump, flow = jax.vmap(lambda step: _steps(chain, step))(chain.steps)

    def body(law: Law, row):
        (level, C, y), jump, flow, fresh, spread = row
        (mean, chol), gained = filter_update(law.mean, law.chol, C, jnp.zeros_like(y), eye, y)
        after = Law(*predict(mean, chol, jump.factor, jump.shift, jump.noise))
        ahead = Law(*predict(after.mean, after.chol, flow.factor, flow.shift, flow.noise))
        ahead = where_tree(fresh, Law(jnp.zeros_like(mean), jnp.diag(spread)), ahead)
        return ahead, (gained + level, Law(mean, chol), after)

    rows = (seen, jump, flow, chain.steps.fresh, chain.steps.spread)
    _, laws = jax.lax.scan(body, Law(jnp.zeros_like(chain.first), jnp.diag(chain.first)), rows)
    return Exact(*laws, jump, flow, chain.steps.fresh)


def kalman_smoother(
    found: Exact, *, samples: int, key: PRNGKeyArray
) -> tuple[Law, Float[Array, "samples time latent_dim"]]:
    """The law of z after every row given the whole series, and exact joint draws of its path."""
    rows, dim = found.after.mean.shape
    noise = jax.random.normal(key, (rows, 3, samples, dim), found.after.mean.dtype)
    # Nothing later speaks on z before a new sequence, nor after the last row: there it keeps the filter's law.
    cut = found.fresh.at[-1].set(True)

    def body(ahead, row):
        after, through_flow, through_jump, noise, cut = row
        filtered = (after, after.mean + noise[0] @ after.chol.T)
        smoothed = where_tree(cut, filtered, _back(through_flow, ahead, noise[1]))
        return _back(through_jump, smoothed, noise[2]), smoothed

    start = (
        Law(*jax.tree.map(jnp.zeros_like, (found.after.mean[0], found.after.chol[0]))),
        jnp.zeros_like(noise[0, 0]),
    )
    rows = (found.after, _gains(found.after, found.flow), _gains(found.before, found.jump), noise, cut)
    _, (law, draws) = jax.lax.scan(body, start, rows, reverse=True)
    return law, jnp.moveaxis(draws, 0, 1)


def _gains(law: Law, step: Affine) -> Affine:
    """The steps back: the value before given the one after it, by row."""
    offset, gain, width = jax.vmap(associative_params_single)(law.mean, law.chol, step.factor, step.shift, step.noise)
    return Affine(gain, offset, width)


def _back(step: Affine, ahead: tuple[Law, Array], noise: Array) -> tuple[Law, Array]:
    """Law and draws one step back."""
    law, draws = ahead
    mean = step.shift + step.factor @ law.mean
    chol = tria(jnp.concatenate([step.factor @ law.chol, step.noise], axis=1))
    return Law(mean, chol), step.shift + draws @ step.factor.T + noise @ step.noise.T


def _observation(chain: LatentChain, step: Step) -> tuple[Scalar, Array, Array]:
    """k, C and y of a row."""

    def log_prob(u):
        return chain.weigh(step, Particle(u, chain.empty()))[0]

    origin = jnp.zeros_like(chain.first)
    slope, curvature = jax.grad(log_prob)(origin), -jax.hessian(log_prob)(origin)
    size, axes = jnp.linalg.eigh(curvature)
    # Directions that the row says nothing on: their curvature is rounding.
    keep = size > len(size) * jnp.finfo(size.dtype).eps * size[-1]
    root = jnp.sqrt(jnp.where(keep, size, 1.0))
    y = jnp.where(keep, axes.T @ slope / root, 0.0)
    best = axes @ (y / root)
    level = log_prob(best) + 0.5 * len(size) * _LOG_2PI
    return level, jnp.where(keep[:, None], root[:, None] * axes.T, 0.0), y


def _steps(chain: LatentChain, step: Step) -> tuple[Affine, Affine]:
    """The row and the time after it as Gaussian steps."""
    origin = jnp.zeros_like(chain.first)
    eye = jnp.eye(len(origin), dtype=origin.dtype)

    def mean(u):
        return chain.mean(step, u)

    # A noise far below rounding keeps the smoother's gains finite where nothing is drawn and all but vanishes.
    floor = jnp.finfo(origin.dtype).tiny ** 0.4
    jump = Affine(jax.jacfwd(mean)(origin), mean(origin), jnp.maximum(step.jump, floor) * eye)
    noise = jnp.diag(jnp.maximum(jnp.sqrt(step.diffusion), floor))
    return jump, Affine(jnp.diag(step.flow), jnp.zeros_like(origin), noise)
