import numpy as np
import pandas as pd
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from alternax.core.errors import InputError
from alternax.data.simulators import (
    linear_gaussian,
    lorenz63,
    noisy_sine,
    rk4,
    seasonal_demand,
    stationary_covariance,
)

A = np.array([[0.8, 0.3], [-0.2, 0.6]])
C = np.array([[1.0, 0.0], [0.5, -1.0], [0.0, 2.0]])
Q = np.array([[0.5, 0.2], [0.2, 0.4]])
R = np.array([[0.3, 0.1, 0.0], [0.1, 0.2, 0.0], [0.0, 0.0, 0.1]])


@pytest.fixture(scope="module")
def ensemble():
    return linear_gaussian(
        4, transition=A, observation=C, transition_noise=Q, observation_noise=R, series=20_000, seed=1
    )


def covariance_and_error(a, b):
    """Covariance of two samples of mean zero, and the standard error of every entry."""
    products = a[:, :, None] * b[:, None, :]
    return products.mean(0), products.std(0) / np.sqrt(len(a))


def test_rk4_is_of_fourth_order_on_a_linear_flow():
    generator = np.array([[-0.3, 2.0], [-1.0, 0.1]])
    exact = expm(generator) @ [1.0, -0.5]
    errors = [np.abs(rk4(lambda y: generator @ y, [1.0, -0.5], 1 / n, n)[-1] - exact).max() for n in (8, 16, 32)]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    np.testing.assert_allclose(orders, 4, atol=0.15)


def test_lorenz_agrees_with_an_outside_integrator():
    def flow(t, s):
        return [10 * (s[1] - s[0]), s[0] * (28 - s[2]) - s[1], s[0] * s[1] - 8 / 3 * s[2]]

    times = 0.05 * np.arange(41)
    outside = solve_ivp(flow, (0, 2), [1.0, 2.0, 20.0], "DOP853", times, rtol=1e-12, atol=1e-12).y.T
    simulated = lorenz63(41, dt=0.05, start=[1.0, 2.0, 20.0], substeps=40)
    np.testing.assert_allclose(simulated.z, outside, atol=1e-5)


def test_lorenz_stays_at_its_fixed_points():
    wing = np.sqrt(8 / 3 * 27)
    for sign in (-1, 1):
        point = [sign * wing, sign * wing, 27.0]
        np.testing.assert_allclose(lorenz63(20, start=point).z, np.tile(point, (20, 1)), atol=1e-9)


def test_lorenz_contracts_volumes_at_the_constant_rate():
    start, small = np.array([3.0, 5.0, 21.0]), 1e-4
    ends = [[lorenz63(2, dt=0.1, start=start + s * e, substeps=40).z[-1] for s in (-small, small)] for e in np.eye(3)]
    jacobian = np.array([(plus - minus) / (2 * small) for minus, plus in ends])
    assert np.linalg.det(jacobian) == pytest.approx(np.exp(-(10 + 1 + 8 / 3) * 0.1), rel=1e-6)


def test_lorenz_noise_is_white_with_the_level_asked_for_and_the_path_does_not_depend_on_it():
    simulated, clean = (lorenz63(500, noise=noise, seed=3, transient=1.0, substeps=2) for noise in (0.7, 0.0))
    np.testing.assert_array_equal(simulated.z, clean.x)
    residual = (simulated.x - simulated.z) / 0.7
    assert residual.var() == pytest.approx(1, abs=4 * np.sqrt(2 / residual.size))
    assert (residual[1:] * residual[:-1]).mean() == pytest.approx(0, abs=4 / np.sqrt(residual.size))
    np.testing.assert_allclose(np.diff(simulated.times), 0.05)


def test_stationary_covariance_equals_the_sum_over_all_past_shocks():
    series, power = np.zeros((2, 2)), np.eye(2)
    for _ in range(200):
        series += power @ Q @ power.T
        power = A @ power
    np.testing.assert_allclose(stationary_covariance(A, Q), series, rtol=1e-12)


def test_linear_gaussian_is_stationary_from_the_first_row(ensemble):
    exact = C @ ensemble.parameters["stationary"] @ C.T + R
    for t in (0, 3):
        sample, error = covariance_and_error(ensemble.x[:, t], ensemble.x[:, t])
        assert (np.abs(sample - exact) < 4 * error).all()


def test_linear_gaussian_has_its_exact_autocovariance(ensemble):
    exact = C @ A @ A @ ensemble.parameters["stationary"] @ C.T
    sample, error = covariance_and_error(ensemble.x[:, 3], ensemble.x[:, 1])
    assert (np.abs(sample - exact) < 4 * error).all()


def test_linear_gaussian_returns_the_states_behind_the_observations(ensemble):
    noise = ensemble.x - ensemble.z @ C.T
    sample, error = covariance_and_error(noise[:, 2], noise[:, 2])
    assert (np.abs(sample - R) < 4 * error + 1e-12).all()
    shock = ensemble.z[:, 2] - ensemble.z[:, 1] @ A.T
    sample, error = covariance_and_error(shock, shock)
    assert (np.abs(sample - Q) < 4 * error).all()


def test_linear_gaussian_serves_states_without_noise_of_their_own():
    shift = np.array([[0.5, 0.0], [1.0, 0.0]])
    z = linear_gaussian(50, transition=shift, observation=np.eye(2), transition_noise=np.diag([1.0, 0.0])).z
    np.testing.assert_allclose(z[1:, 1], z[:-1, 0], atol=1e-7)


def test_the_noisy_sine_is_its_parameters_plus_white_noise_of_the_scale_returned():
    simulated = noisy_sine(noise=0.1, burst=2.0, window=(300, 500))
    gain, scale = simulated.parameters["gain"], simulated.parameters["scale"]
    np.testing.assert_allclose(simulated.z[:, 0], np.sin(2 * np.pi * np.arange(775) / 100), atol=1e-12)
    white = (simulated.x - simulated.z * gain) / scale[:, None]
    for rows in (scale == 0.1, scale == 2.0):
        assert white[rows].var() == pytest.approx(1, abs=4 * np.sqrt(2 / white[rows].size))
    outside = np.r_[0:300, 500:775]
    assert (scale[outside] == 0.1).all()


def test_every_noisy_window_starts_with_a_burst():
    assert all(noisy_sine(20, window=(5, 9), seed=seed).parameters["scale"][5] == 2.0 for seed in range(50))


def test_bursts_last_as_long_as_their_chain_says():
    scale = noisy_sine(20_000, window=(0, 20_000), stay=0.9).parameters["scale"]
    switched = (np.diff(scale) != 0).mean()
    assert switched == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / 20_000))


def test_seasonal_demand_is_its_parameters_around_the_calendar():
    simulated = seasonal_demand(800, seed=2)
    p, dates = simulated.parameters, pd.DatetimeIndex(simulated.times)
    day = np.asarray((dates - dates[0]).days)[:, None]
    season = p["yearly"] * np.sin(2 * np.pi * day / 365.25 + p["phase"])
    expected = p["level"] + p["trend"] * day + p["weekly"][dates.day_of_week] + season
    np.testing.assert_allclose(simulated.z, expected, atol=1e-12)


def test_the_noise_of_seasonal_demand_has_the_covariance_and_memory_returned():
    simulated = seasonal_demand(20_000, products=2, seed=4)
    u, p = np.log(simulated.x) - simulated.z, simulated.parameters
    memory = p["memory"]
    shock = (u[1:] - memory * u[:-1]) / np.sqrt(1 - memory**2)
    sample, error = covariance_and_error(shock, shock)
    assert (np.abs(sample - p["stationary"]) < 4 * error).all()
    sample, error = covariance_and_error(shock, u[:-1])
    assert (np.abs(sample) < 4 * error).all()
    first = np.stack([np.log((s := seasonal_demand(1, products=2, seed=i)).x[0]) - s.z[0] for i in range(2000)])
    sample, error = covariance_and_error(first, first)
    assert (np.abs(sample - p["stationary"]) < 4 * error).all()


def test_seasonal_demand_hides_the_fraction_asked_for():
    hidden = np.isnan(seasonal_demand(2000, missing=0.3).x)
    assert hidden.mean() == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / hidden.size))


@pytest.mark.parametrize("simulate", [lorenz63, linear_gaussian, noisy_sine, seasonal_demand])
def test_the_seed_alone_decides_the_draws(simulate):
    options = {"transient": 1.0, "substeps": 1} if simulate is lorenz63 else {}
    draws = [simulate(600, seed=seed, **options).x for seed in (5, 5, 6)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


@pytest.mark.parametrize(
    ("simulate", "message"),
    [
        (lambda: lorenz63(0), "length must be at least 1 row, found 0"),
        (lambda: lorenz63(5, dt=-1.0), "dt > 0.*found dt=-1.0"),
        (lambda: lorenz63(5, start=[1.0, 2.0]), r"three numbers x, y, z, found shape \(2,\)"),
        (lambda: linear_gaussian(5, transition=1.1 * np.eye(2)), "spectral radius 1.1"),
        (lambda: linear_gaussian(5, observation=np.eye(3)), r"found \(2, 2\) and \(3, 3\)"),
        (lambda: linear_gaussian(5, transition_noise=np.eye(3)), r"transition_noise must be \(2, 2\), found \(3, 3\)"),
        (lambda: linear_gaussian(5, transition_noise=np.diag([1.0, -1.0])), "transition_noise must be a covariance"),
        (lambda: noisy_sine(100), "inside the 100 rows, found rows 300 to 500"),
        (lambda: noisy_sine(stay=1.5), "stay must be a probability, found 1.5"),
        (lambda: seasonal_demand(missing=1.0), "fraction from 0 to below 1, found 1.0"),
    ],
)
def test_impossible_settings_are_refused(simulate, message):
    with pytest.raises(InputError, match=message):
        simulate()
