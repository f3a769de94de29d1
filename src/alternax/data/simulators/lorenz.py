"""The Lorenz (1963) system, integrated by the classical fourth-order Runge-Kutta method in float64.

dx/dt = sigma (y - x),  dy/dt = x (rho - z) - y,  dz/dt = x y - beta z
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from alternax.core.errors import InputError
from alternax.data.simulators.simulation import Simulation, check_length


def lorenz63(
    length: int,
    *,
    dt: float = 0.05,
    noise: float = 0.0,
    seed: int = 0,
    start: Sequence[float] | np.ndarray | None = None,
    transient: float = 20.0,
    substeps: int = 10,
    sigma: float = 10.0,
    rho: float = 28.0,
    beta: float = 8 / 3,
) -> Simulation:
    """The Lorenz system sampled every `dt`, seen through independent Gaussian noise.

    Args:
        length: Rows returned.
        dt: Time between rows.
        noise: Standard deviation of the observation noise, in the units of the state.
        seed: Seed of the start and of the noise.
        start: State at the first row; None draws one and forgets it over the time `transient`.
        transient: Time integrated and thrown away when `start` is None.
        substeps: Integration steps from row to row.
        sigma: Prandtl number.
        rho: Rayleigh number over its critical value.
        beta: Geometry of the convection cell.

    Returns:
        `x` the noisy observations and `z` the trajectory, both `(length, 3)`.

    Raises:
        InputError: If a length, step or noise level is out of range, or `start` does not have three numbers.

    Example:
        >>> lorenz63(100, noise=0.5).z.shape
        (100, 3)
    """
    check_length(length)
    if not (dt > 0 and substeps >= 1 and noise >= 0 and transient >= 0):
        raise InputError(
            f"lorenz63 needs dt > 0, substeps >= 1, noise >= 0 and transient >= 0, found dt={dt}, "
            f"substeps={substeps}, noise={noise}, transient={transient}"
        )

    def flow(state):
        x, y, z = state
        return np.array([sigma * (y - x), x * (rho - z) - y, x * y - beta * z])

    rng = np.random.default_rng(seed)
    step = dt / substeps
    if start is None:
        start = rk4(flow, rng.normal((0.0, 0.0, rho - 1)), step, round(transient / step))[-1]
    elif np.shape(start) != (3,):
        raise InputError(f"start must be the three numbers x, y, z, found shape {np.shape(start)}")
    z = rk4(flow, start, step, (length - 1) * substeps)[::substeps]
    parameters = {"sigma": sigma, "rho": rho, "beta": beta, "noise": noise, "dt": dt}
    return Simulation(
        x=z + noise * rng.normal(size=z.shape),
        z=z,
        times=dt * np.arange(length),
        parameters={name: np.asarray(value, float) for name, value in parameters.items()},
    )


def rk4(
    flow: Callable[[np.ndarray], np.ndarray], start: Sequence[float] | np.ndarray, step: float, count: int
) -> Float[np.ndarray, "rows *state"]:
    """`start` and the `count` states after it of dy/dt = flow(y), each `step` apart; the error is O(step^4)."""
    path = np.empty((count + 1, *np.shape(start)))
    path[0] = start
    for i in range(count):
        y = path[i]
        k1 = flow(y)
        k2 = flow(y + step / 2 * k1)
        k3 = flow(y + step / 2 * k2)
        k4 = flow(y + step * k3)
        path[i + 1] = y + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return path
