"""Periodic signals with exact truth: a sine seen through bursts of noise, and correlated demand with seasons."""

import numpy as np

from alternax.core.errors import InputError
from alternax.data.simulators.simulation import Simulation, check_length


def noisy_sine(
    length: int = 775,
    *,
    channels: int = 10,
    period: float = 100.0,
    noise: float = 0.1,
    burst: float = 2.0,
    window: tuple[int, int] = (300, 500),
    stay: float = 0.9,
    seed: int = 0,
) -> Simulation:
    """One sine seen through several noisy channels; inside a window the noise comes in bursts.

        z_t = sin(2 pi t / period),  x_t = gain z_t + scale_t N(0, I)

    `scale_t` is `noise`, except during bursts, where it is `burst`. Bursts start with the window and switch off and on
    as a two-state Markov chain that stays as it is with probability `stay`. A model that knows when to distrust its
    input (arXiv 2502.04593) has the lower error inside the window.

    Args:
        length: Rows.
        channels: Number of noisy views of the sine.
        period: Rows a cycle.
        noise: Standard deviation of the noise outside bursts.
        burst: Standard deviation of the noise inside bursts.
        window: First row of the noisy window, and the row after its last.
        stay: Probability that a burst, or a calm spell in the window, goes on for another row.
        seed: Seed of every draw.

    Returns:
        `x` `(length, channels)`, `z` `(length, 1)` and the parameters `gain` `(channels,)`, `scale` `(length,)` and
        `window`.

    Raises:
        InputError: If the window does not lie inside the rows, or `stay` is no probability.

    Example:
        >>> noisy_sine().x.shape
        (775, 10)
    """
    check_length(length)
    first, stop = window
    if not 0 <= first <= stop <= length:
        raise InputError(f"window must lie inside the {length} rows, found rows {first} to {stop}")
    if not 0 <= stay <= 1:
        raise InputError(f"stay must be a probability, found {stay}")
    rng = np.random.default_rng(seed)
    gain = rng.uniform(0.5, 1.5, channels) * rng.choice([-1.0, 1.0], channels)
    switches = rng.random(length) >= stay
    switches[first : first + 1] = False
    scale = np.full(length, noise)
    scale[first:stop] = np.where(np.cumsum(switches[first:stop]) % 2 == 0, burst, noise)
    times = np.arange(float(length))
    z = np.sin(2 * np.pi * times / period)[:, None]
    x = z * gain + scale[:, None] * rng.normal(size=(length, channels))
    return Simulation(x=x, z=z, times=times, parameters={"gain": gain, "scale": scale, "window": np.array(window)})


def seasonal_demand(length: int = 730, *, products: int = 4, missing: float = 0.0, seed: int = 0) -> Simulation:
    """Daily demand for several products: trend, weekly and yearly season, and correlated noise with memory.

        log x_t = level + trend t + weekly[weekday] + yearly sin(2 pi t / 365.25 + phase) + u_t
        u_t = memory u_{t-1} + N(0, (1 - memory^2) S),  S = stationary covariance of u

    Args:
        length: Days, from Wednesday 2020-01-01 on.
        products: Columns.
        missing: Fraction of the entries hidden (NaN), independently.
        seed: Seed of every draw.

    Returns:
        `x` positive, with NaN where hidden; `z` the noise-free log-demand, both `(length, products)`; daily time
        stamps; the parameters `level`, `trend`, `yearly`, `phase` `(products,)`, `weekly` `(7, products)` from Monday
        on, `memory` and `stationary` `(products, products)`.

    Raises:
        InputError: If `missing` is no fraction below 1.

    Example:
        >>> seasonal_demand(products=2, missing=0.1).x.shape
        (730, 2)
    """
    check_length(length)
    if not 0 <= missing < 1:
        raise InputError(f"missing must be a fraction from 0 to below 1, found {missing}")
    rng = np.random.default_rng(seed)
    level, trend = rng.uniform(3, 5, products), rng.normal(0, 2e-4, products)
    weekly = rng.normal(0, 0.2, (7, products))
    weekly -= weekly.mean(0)
    yearly, phase = rng.uniform(0.1, 0.4, products), rng.uniform(0, 2 * np.pi, products)
    memory, stationary = 0.8, 0.15**2 * (0.5 * np.eye(products) + 0.5)
    day = np.arange(length)[:, None]
    weekday = (day[:, 0] + 2) % 7
    z = level + trend * day + weekly[weekday] + yearly * np.sin(2 * np.pi * day / 365.25 + phase)
    u = rng.multivariate_normal(np.zeros(products), stationary, length, method="cholesky")
    u[1:] *= np.sqrt(1 - memory**2)
    for t in range(1, length):
        u[t] += memory * u[t - 1]
    x = np.where(rng.random(z.shape) < missing, np.nan, np.exp(z + u))
    parameters = {"level": level, "trend": trend, "weekly": weekly, "yearly": yearly, "phase": phase}
    parameters |= {"memory": np.array(memory), "stationary": stationary}
    times = np.datetime64("2020-01-01", "ns") + np.timedelta64(1, "D") * np.arange(length)
    return Simulation(x=x, z=z, times=times, parameters=parameters)
