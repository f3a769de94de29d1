"""HiPPO operators against direct projection, closed forms and scipy; refusals."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
from untyped import untyped

from alternax.core.errors import InputError
from alternax.ops.hippo import discretise, hippo, hippo_basis, legs_scan, normal_plus_low_rank

MEASURES = ("legs", "legt", "fout")
every_measure = pytest.mark.parametrize("measure", MEASURES)


@every_measure
def test_functions_are_orthonormal(measure):
    points, weights = np.polynomial.legendre.leggauss(64)
    phi = hippo_basis(measure, 10, (points + 1) / 2)
    want = np.eye(10)
    want[1, 1] = 0.0 if measure == "fout" else 1.0  # the sine of frequency zero
    np.testing.assert_allclose((phi * weights[:, None] / 2).T @ phi, want, atol=1e-12)


def test_small_operators_are_those_of_the_papers():
    """LegS of theorem 2, LegT of theorem 1 with orthonormal functions, entry by entry."""
    A, B = hippo("legs", 3)
    np.testing.assert_allclose(A, -np.array([[1, 0, 0], [3**0.5, 2, 0], [5**0.5, 15**0.5, 3]]))
    np.testing.assert_allclose(B, [1, 3**0.5, 5**0.5])
    A, B = hippo("legt", 3, window=2.0)
    root = np.sqrt([1, 3, 5])
    sign = np.array([[1, -1, 1], [1, 1, -1], [1, 1, 1]])
    np.testing.assert_allclose(A, -root[:, None] * sign * root / 2)
    np.testing.assert_allclose(B, root / 2)
    A, B = hippo("fout", 4)
    s, w = 2 * 2**0.5, 2 * np.pi
    np.testing.assert_allclose(A, [[-2, 0, -s, 0], [0, 0, 0, 0], [-s, 0, -4, -w], [0, 0, w, 0]])
    np.testing.assert_allclose(B, [2, 0, s, 0])


@every_measure
def test_operators_are_normal_up_to_the_low_rank_given(measure):
    A, B = hippo(measure, 16, window=1.5)
    parts = normal_plus_low_rank(measure, 16, window=1.5)
    V = np.concatenate([parts.vectors, parts.vectors.conj()], axis=1)
    np.testing.assert_allclose(V.conj().T @ V, np.eye(16), atol=1e-12)
    full = lambda half: np.concatenate([half, half.conj()], axis=-1)  # noqa: E731
    P = full(parts.low_rank)
    rebuilt = V @ (np.diag(full(parts.rates)) - P.T @ P.conj()) @ V.conj().T
    np.testing.assert_allclose(rebuilt, A, atol=1e-10 * np.abs(A).max())
    np.testing.assert_allclose(V @ full(parts.inputs), B, atol=1e-12)


def test_legs_eigenvalues_have_real_part_one_half_and_grow_as_an_inverse_law():
    """Real part -1/2, and largest frequency near N^2 / pi (arXiv 2206.11893, conjecture 5)."""
    rates = normal_plus_low_rank("legs", 128).rates
    np.testing.assert_allclose(rates.real, -0.5, atol=1e-12)
    assert rates.imag.max() == pytest.approx(128**2 / np.pi, rel=0.01)


@every_measure
def test_zoh_is_exact_for_a_constant_input_and_bilinear_is_its_formula(measure):
    A, B = hippo(measure, 6)
    A_bar, B_bar = discretise(A, B, 0.1)
    np.testing.assert_allclose(A_bar, scipy.linalg.expm(0.1 * A), rtol=1e-12, atol=1e-13)
    flow = scipy.integrate.solve_ivp(lambda t, x: A @ x + 2.0 * B, (0, 0.1), np.ones(6), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(A_bar @ np.ones(6) + 2.0 * B_bar, flow.y[:, -1], rtol=1e-8)
    A_bar, B_bar = discretise(A, B, 0.1, "bilinear")
    inverse = np.linalg.inv(np.eye(6) - 0.05 * A)
    np.testing.assert_allclose(A_bar, inverse @ (np.eye(6) + 0.05 * A), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(B_bar, inverse @ (0.1 * B), rtol=1e-11, atol=1e-12)


def signal(s):
    """Smooth, of period 2 and of no polynomial or window of the tests."""
    return np.sin(np.pi * s + 0.4) + 0.3 * np.cos(2 * np.pi * s)


def window_error(measure, order, window, steps=4000):
    """Root mean square error of the last window remembered, after the signal ran through the discretised system."""
    step = window / steps
    A_bar, B_bar = discretise(*hippo(measure, order, window=window), step, "bilinear")
    x, u = np.zeros(order), signal(np.arange(3 * steps) * step)
    for u_k in (u[1:] + u[:-1]) / 2:
        x = A_bar @ x + B_bar * u_k
    positions = np.linspace(0, 1, 201)
    want = signal((3 * steps - 1) * step - window * (1 - positions))
    return np.sqrt(np.mean((hippo_basis(measure, order, positions) @ x - want) ** 2))


def test_legt_remembers_the_last_window_with_spectral_accuracy():
    errors = [window_error("legt", order, 1.0) for order in (4, 8, 12)]
    assert errors[1] < errors[0] / 20 and errors[2] < 2e-5


def test_fout_remembers_the_last_window():
    """Exactly for what is periodic in the window, and at the rate of a Fourier series otherwise."""
    assert window_error("fout", 8, 2.0) < 5e-3
    errors = [window_error("fout", order, 1.0) for order in (8, 32)]
    assert errors[1] < 0.7 * errors[0]


def projection(u, order):
    """Coefficients of the function that is u_k on [k, k + 1), by integrating Legendre polynomials exactly."""
    edges = np.linspace(0, 1, len(u) + 1)
    out = np.zeros(order)
    for n in range(order):
        integral = np.polynomial.legendre.Legendre.basis(n, domain=[0, 1]).integ()
        out[n] = np.sqrt(2 * n + 1) * np.sum(u * np.diff(integral(edges)))
    return out


def test_legs_scan_is_the_projection_of_the_whole_history():
    u = np.random.default_rng(0).normal(size=40).astype(np.float32)
    x = legs_scan(jnp.asarray(u), 6, "zoh")
    for row in (0, 1, 10, 39):
        np.testing.assert_allclose(x[row], projection(u[: row + 1], 6), rtol=1e-3, atol=2e-5)


def test_legs_scan_has_no_time_scale():
    """Twice as many rows of the same signal give the same coefficients, up to the order of the method."""
    s = lambda rows: jnp.asarray(signal((np.arange(rows) + 0.5) / rows), jnp.float32)  # noqa: E731
    want = projection(signal((np.arange(20_000) + 0.5) / 20_000), 8)
    errors = {m: [np.abs(legs_scan(s(n), 8, m)[-1] - want).max() for n in (200, 800)] for m in ("bilinear", "euler")}
    assert errors["euler"][1] < errors["euler"][0] / 3 and errors["euler"][1] < 0.05  # first order
    assert errors["bilinear"][1] < errors["bilinear"][0] / 3 and errors["bilinear"][1] < 0.005


@pytest.mark.parametrize("orders", [(8, 16, 32)])
def test_legs_error_falls_at_the_known_rate(orders):
    """A kink, Lipschitz: the mean square error falls at least as N^{-1/2} (proposition 6); a smooth signal, faster."""
    points = (np.arange(20_000) + 0.5) / 20_000

    def error(u, order):
        return np.sqrt(np.mean((hippo_basis("legs", order, points) @ projection(u, order) - u) ** 2))

    kink = [error(np.abs(points - 0.37), order) for order in orders]
    assert all(b < a / 2**0.5 for a, b in itertools.pairwise(kink))
    assert error(signal(points), 16) < 1e-6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: hippo("legx", 4), "unknown measure 'legx'; choose from .*'legs'"),
        (lambda: hippo("legs", 0), "order must be at least 1, found 0"),
        (lambda: hippo("fout", 3), "even order, found 3"),
        (lambda: hippo("legt", 4, window=0.0), "positive window, found 0.0"),
        (lambda: normal_plus_low_rank("legs", 3), "conjugate pairs need an even order, found 3"),
        (lambda: discretise(*hippo("legs", 2), 0.0), "positive step, found 0.0"),
        (lambda: discretise(*hippo("legs", 2), 0.1, "euler"), "unknown method 'euler'; choose from"),
        (lambda: hippo_basis("legs", 2, np.array([0.0, 1.5])), r"positions in \[0, 1\], found 0.0 to 1.5"),
        (lambda: legs_scan(jnp.ones(3), 2, "exact"), "unknown method 'exact'; choose from"),
        (lambda: legs_scan(jnp.ones(0), 2), "at least one row"),
    ],
)
def test_refuses_what_does_not_fit(call, message):
    with untyped(), pytest.raises(InputError, match=message):
        call()
