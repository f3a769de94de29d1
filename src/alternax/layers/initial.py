"""Starting values of the state-space layers of the field, as plain functions.

Eigenvalues come as one of each conjugate pair, the half with non-negative imaginary part, in double precision.
"""

import math
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, PRNGKeyArray

from alternax.core.errors import InputError
from alternax.layers.inputs import check_size
from alternax.ops.hippo import Measure, NormalPlusLowRank, hippo, normal_plus_low_rank


def s4d_lin(pairs: int) -> Complex[np.ndarray, "pairs"]:
    """lambda_n = -1/2 + i pi n: the frequencies of a Fourier series (arXiv 2206.11893, section 4).

    Example:
        >>> s4d_lin(2)
        array([-0.5+0.j        , -0.5+3.14159265j])
    """
    check_size("s4d_lin", pairs=pairs)
    return -0.5 + 1j * math.pi * np.arange(pairs)


def s4d_inv(pairs: int) -> Complex[np.ndarray, "pairs"]:
    """lambda_n = -1/2 + i (N/pi) (N / (2n+1) - 1), N = 2 pairs: an inverse law (arXiv 2206.11893, section 4).

    It is near the eigenvalues of the normal part of HiPPO-LegS, which `s4d_legs` has exactly.
    """
    check_size("s4d_inv", pairs=pairs)
    order = 2 * pairs
    return -0.5 + 1j * order / math.pi * (order / (2 * np.arange(pairs) + 1) - 1)


def s4d_legs(pairs: int) -> Complex[np.ndarray, "pairs"]:
    """The eigenvalues of the normal part of HiPPO-LegS of order 2 `pairs` (arXiv 2206.11893, section 4)."""
    check_size("s4d_legs", pairs=pairs)
    return normal_plus_low_rank("legs", 2 * pairs).rates


def dplr(measure: Measure, pairs: int) -> NormalPlusLowRank:
    """Diagonal plus low rank form of a HiPPO operator of order 2 `pairs` (arXiv 2111.00396, theorem 1).

    Args:
        measure: "legs", "legt" or "fout".
        pairs: Number of conjugate pairs.
    """
    check_size("dplr", pairs=pairs)
    return normal_plus_low_rank(measure, 2 * pairs)


class PerturbedDiagonal(NamedTuple):
    """A + E = V diag(rates) V^{-1}: all eigenvalues, of which some are real and the others come in pairs.

    Attributes:
        rates: Eigenvalues.
        inputs: V^{-1} B.
        vectors: V, columns of length one; a row vector C of outputs becomes C V.
    """

    rates: Complex[np.ndarray, "order"]
    inputs: Complex[np.ndarray, "order"]
    vectors: Complex[np.ndarray, "order order"]


def perturb_then_diagonalise(
    measure: Measure, order: int, *, size: float = 0.1, key: PRNGKeyArray
) -> PerturbedDiagonal:
    """A diagonal system near a HiPPO operator as it is, low rank part included (PTD, arXiv 2310.01698).

    HiPPO-LegS cannot be diagonalised in floating point (its eigenvectors have entries near 2^N); a small random E makes
    it possible. What comes out is the exact system of A + E, close to that of A in its transfer function, whereas
    leaving out the low rank part (`s4d_legs`) is not. A + A^T is at most -1 for "legs", so that `size` below 1/2 never
    makes the system unstable.

    Args:
        measure: As in `hippo`.
        order: Order of the system.
        size: Spectral norm of E.
        key: JAX random key of E, which is normal.

    Raises:
        InputError: `size` not positive, or as `hippo`.
    """
    if not 0 < size < math.inf:
        raise InputError(f"perturb_then_diagonalise: expected a positive size, found {size}.")
    A, B = hippo(measure, order)
    noise = np.asarray(jax.random.normal(key, (order, order)), np.float64)
    rates, V = np.linalg.eig((A + size / np.linalg.norm(noise, 2) * noise).astype(complex))
    return PerturbedDiagonal(rates, np.linalg.solve(V, B.astype(complex)), V)


Reparameterisation = Literal["exp", "softplus", "best"]


def stable_rate(
    w: Float[Array, "*shape"], kind: Reparameterisation = "best", *, a: float = 1.0, b: float = 0.5
) -> Float[Array, "*shape"]:
    """Negative decay rates from free weights: -e^w, -log(1 + e^w) or -1 / (a w^2 + b) (StableSSM, arXiv 2311.14495).

    With such maps the weights need not approach a border of stability to remember for long. The last is the paper's
    best: its slope over the squared rate, which is what the gradient of a loss is bounded by, is 2 a |w|, in proportion
    to the weight.

    Args:
        w: Free weights.
        kind: Which map.
        a: Of "best", above 0.
        b: Of "best", above 0; the fastest rate is -1 / b.

    Raises:
        InputError: an unknown kind, `a` or `b` not above 0.

    Example:
        >>> stable_rate(jnp.array([0.0, 1.0]))
        Array([-2.        , -0.6666667], dtype=float32)
    """
    _check_reparameterisation(kind, a, b)
    if kind == "exp":
        return -jnp.exp(w)
    return -jax.nn.softplus(w) if kind == "softplus" else -1 / (a * w**2 + b)


def stable_weight(
    rate: Float[np.ndarray, "*shape"], kind: Reparameterisation = "best", *, a: float = 1.0, b: float = 0.5
) -> Float[np.ndarray, "*shape"]:
    """The weights (not negative for "best") that `stable_rate` turns into `rate`: where to start from given decays.

    Raises:
        InputError: as `stable_rate`, or rates that the map does not reach.
    """
    _check_reparameterisation(kind, a, b)
    rate = np.asarray(rate, float)
    slowest = -math.inf if kind != "best" else -1 / b
    if not ((rate < 0) & (rate >= slowest)).all():
        raise InputError(f"stable_weight: expected rates in [{slowest}, 0), found {rate.min()} to {rate.max()}.")
    if kind == "exp":
        return np.log(-rate)
    # log(e^r - 1) without overflow, for softplus.
    return -rate + np.log(-np.expm1(rate)) if kind == "softplus" else np.sqrt((-1 / rate - b).clip(0) / a)


def log_uniform_step(dim: int, smallest: float, largest: float, *, key: PRNGKeyArray) -> Float[Array, "dim"]:
    """Logarithms of step sizes, uniform between those of `smallest` and `largest` (arXiv 2206.12037).

    A step of Delta makes a state of unit time scale remember about 1 / Delta rows.

    Raises:
        InputError: not 0 < smallest <= largest.

    Example:
        >>> step = jnp.exp(log_uniform_step(4, 0.001, 0.1, key=jax.random.key(0)))
    """
    if not 0 < smallest <= largest < math.inf:
        raise InputError(f"expected step sizes 0 < smallest <= largest, found {smallest} and {largest}.")
    return jax.random.uniform(key, (dim,), minval=math.log(smallest), maxval=math.log(largest))


def step_bias(
    count: int, step_min: float = 1e-3, step_max: float = 1e-1, *, key: PRNGKeyArray
) -> Float[Array, "count"]:
    """Inverse softplus of log-uniform steps: where the step sizes of selective layers start (arXiv 2312.00752)."""
    step = jnp.exp(log_uniform_step(count, step_min, step_max, key=key))
    return step + jnp.log(-jnp.expm1(-step))


def uniform(shape: tuple[int, ...], fan_in: int, *, key: PRNGKeyArray) -> Float[Array, "..."]:
    """Weights uniform within 1 / sqrt(fan_in), as most recurrent layers of the field start."""
    bound = 1 / math.sqrt(fan_in)
    return jax.random.uniform(key, shape, minval=-bound, maxval=bound)


def normal(shape: tuple[int, ...], fan_in: int, *, key: PRNGKeyArray) -> Float[Array, "..."]:
    """Normal weights of variance 1 / fan_in, so that products with rows of unit variance have unit variance."""
    return jax.random.normal(key, shape) / math.sqrt(fan_in)


def rate_log(count: int, *, key: PRNGKeyArray) -> Float[Array, "count"]:
    """Logarithms of decay rates uniform between 1 and 16, as those of Mamba-2's heads start (arXiv 2405.21060)."""
    return jnp.log(jax.random.uniform(key, (count,), minval=1.0, maxval=16.0))


def complex_normal(shape: tuple[int, ...], *, key: PRNGKeyArray) -> Float[Array, "2 ..."]:
    """Complex normal numbers of unit variance, as real and imaginary parts."""
    return jax.random.normal(key, (2, *shape)) * math.sqrt(0.5)


def _check_reparameterisation(kind: str, a: float, b: float) -> None:
    if kind not in ("exp", "softplus", "best"):
        raise InputError(f"unknown reparameterisation {kind!r}; choose from ['exp', 'softplus', 'best'].")
    if not (a > 0 and b > 0):
        raise InputError(f"expected a and b above 0, found {a} and {b}.")
