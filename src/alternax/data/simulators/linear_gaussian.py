"""The linear-Gaussian state-space model, started in its stationary law.

z_0 ~ N(0, P),  z_t = A z_{t-1} + N(0, Q),  x_t = C z_t + N(0, R),  P = A P A' + Q
"""

import numpy as np
from jaxtyping import Float

from alternax.core.errors import InputError
from alternax.data.simulators.simulation import Simulation, check_length


def linear_gaussian(
    length: int,
    *,
    transition: Float[np.ndarray, "state_dim state_dim"] | None = None,
    observation: Float[np.ndarray, "obs_dim state_dim"] | None = None,
    transition_noise: Float[np.ndarray, "state_dim state_dim"] | None = None,
    observation_noise: Float[np.ndarray, "obs_dim obs_dim"] | None = None,
    series: int | None = None,
    seed: int = 0,
) -> Simulation:
    """Draws from a linear-Gaussian state-space model; everything about it is known in closed form.

    The autocovariance of x at lag k >= 0 is `C A^k P C'`, plus `R` at lag 0.

    Args:
        length: Rows of a series.
        transition: A, of spectral radius below 1; default a damped rotation of period 24 steps.
        observation: C; default three fixed views of the two state coordinates.
        transition_noise: Q, a covariance; default identity times 0.1.
        observation_noise: R, a covariance; default identity times 0.1.
        series: Number of independent series; None returns one, unbatched.
        seed: Seed of every draw.

    Returns:
        `x`, `z` and the parameters `transition`, `observation`, `transition_noise`, `observation_noise` and
        `stationary` (P). `z[t]` is the state that `x[t]` observes.

    Raises:
        InputError: If the matrices do not fit together, are no covariances, or the state has no stationary law.

    Example:
        >>> linear_gaussian(200, series=4).x.shape
        (4, 200, 3)
    """
    check_length(length)
    a = np.asarray(_damped_rotation() if transition is None else transition, float)
    c = np.asarray(_three_views() if observation is None else observation, float)
    if a.ndim != 2 or a.shape[0] != a.shape[1] or c.ndim != 2 or c.shape[1] != len(a):
        raise InputError(
            "transition must be (state_dim, state_dim) and observation (obs_dim, state_dim), found "
            f"{a.shape} and {c.shape}"
        )
    q = _covariance("transition_noise", transition_noise, len(a))
    r = _covariance("observation_noise", observation_noise, len(c))
    p = stationary_covariance(a, q)
    rng = np.random.default_rng(seed)
    count = 1 if series is None else series
    z = np.empty((count, length, len(a)))
    z[:, 0] = _draw(rng, p, (count,))
    shocks = _draw(rng, q, (count, length - 1))
    for t in range(1, length):
        z[:, t] = z[:, t - 1] @ a.T + shocks[:, t - 1]
    x = z @ c.T + _draw(rng, r, (count, length))
    parameters = {"transition": a, "observation": c, "transition_noise": q, "observation_noise": r, "stationary": p}
    if series is None:
        x, z = x[0], z[0]
    return Simulation(x=x, z=z, times=np.arange(float(length)), parameters=parameters)


def stationary_covariance(
    transition: Float[np.ndarray, "state_dim state_dim"], noise: Float[np.ndarray, "state_dim state_dim"]
) -> Float[np.ndarray, "state_dim state_dim"]:
    """P = A P A' + Q, the covariance that the state settles to (discrete Lyapunov equation)."""
    radius = np.abs(np.linalg.eigvals(transition)).max()
    if radius >= 1:
        raise InputError(
            f"transition has spectral radius {radius:.6g}, so the state never settles; scale it to lie below 1"
        )
    a = np.asarray(transition)
    flat = np.linalg.solve(np.eye(a.size) - np.kron(a, a), np.ravel(noise))
    return flat.reshape(a.shape)


def _covariance(name: str, given: np.ndarray | None, size: int) -> np.ndarray:
    matrix = 0.1 * np.eye(size) if given is None else np.asarray(given, float)
    if matrix.shape != (size, size):
        raise InputError(f"{name} must be ({size}, {size}), found {matrix.shape}")
    smallest = np.linalg.eigvalsh((matrix + matrix.T) / 2).min()
    if not np.allclose(matrix, matrix.T) or smallest < -1e-10 * np.abs(matrix).max():
        raise InputError(f"{name} must be a covariance: symmetric, no negative eigenvalue (smallest {smallest:.3g})")
    return matrix


def _draw(rng: np.random.Generator, covariance: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    # By eigenvalues, so that singular covariances (states without noise) are served too.
    return rng.multivariate_normal(np.zeros(len(covariance)), covariance, shape, method="eigh")


def _damped_rotation() -> np.ndarray:
    angle = 2 * np.pi / 24
    return 0.95 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _three_views() -> np.ndarray:
    return np.array([[1.0, 0.0], [0.0, 1.0], [0.7, -0.7]])
