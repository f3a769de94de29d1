"""Starting values against their definitions and the properties their papers claim."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from untyped import untyped

from alternax.core.errors import InputError
from alternax.layers import initial
from alternax.ops.hippo import hippo


def test_s4d_eigenvalues_are_those_of_the_paper():
    np.testing.assert_allclose(initial.s4d_lin(3), [-0.5, -0.5 + 1j * np.pi, -0.5 + 2j * np.pi])
    np.testing.assert_allclose(initial.s4d_inv(2), [-0.5 + 1j * 12 / np.pi, -0.5 + 1j * (4 / 3) / np.pi])
    A, _ = hippo("legs", 8)
    normal = A + np.outer(*[np.sqrt(np.arange(8) + 0.5)] * 2)
    want = np.linalg.eigvals(normal)
    np.testing.assert_allclose(np.sort(initial.s4d_legs(4).imag), np.sort(want.imag)[4:], rtol=1e-9)
    np.testing.assert_allclose(initial.s4d_legs(4).real, -0.5, rtol=1e-9)


def test_the_inverse_law_is_near_the_legs_eigenvalues():
    """The largest ones, which are what the law is about."""
    legs, inverse = (np.sort(f(64).imag)[::-1] for f in (initial.s4d_legs, initial.s4d_inv))
    np.testing.assert_allclose(legs[:3], inverse[:3], rtol=0.04)


@pytest.mark.parametrize("measure", ["legs", "legt", "fout"])
def test_dplr_has_the_transfer_function_of_the_operator(measure):
    """G(s) = C (s - A)^{-1} B by the dense matrix, and in the basis of the pairs with both halves written out."""
    A, B = hippo(measure, 8)
    parts = initial.dplr(measure, 4)
    C = np.random.default_rng(0).normal(size=8)
    full = lambda half: np.concatenate([half, half.conj()], axis=-1)  # noqa: E731
    P = full(parts.low_rank)
    rotated = np.diag(full(parts.rates)) - P.T @ P.conj()
    outputs = C @ np.concatenate([parts.vectors, parts.vectors.conj()], axis=1)
    for s in (0.3, 2j, 1 + 30j):
        want = C @ np.linalg.solve(s * np.eye(8) - A, B)
        found = outputs @ np.linalg.solve(s * np.eye(8) - rotated, full(parts.inputs))
        np.testing.assert_allclose(found, want, rtol=1e-9)


def transfer_error(parts, C, A, B, points):
    """Largest difference of the transfer functions on the imaginary axis, over the largest value."""
    want = np.array([C @ np.linalg.solve(s * np.eye(len(A)) - A, B) for s in points])
    found = np.array([np.sum((C @ parts.vectors) * parts.inputs / (s - parts.rates)) for s in points])
    return np.abs(found - want).max() / np.abs(want).max()


def test_ptd_is_the_system_of_a_matrix_nearby_and_close_in_its_transfer_function():
    """Backward stable, stable, and converging with the perturbation; S4D-LegS has another transfer function."""
    A, B = hippo("legs", 32)
    C, points = np.random.default_rng(1).normal(size=32), 1j * np.linspace(0, 200, 200)
    errors = []
    for size in (1e-1, 1e-3):
        parts = initial.perturb_then_diagonalise("legs", 32, size=size, key=jax.random.key(0))
        nearby = (parts.vectors * parts.rates) @ np.linalg.inv(parts.vectors)
        assert np.linalg.norm(nearby - A, 2) == pytest.approx(size, rel=1e-3)
        assert parts.rates.real.max() < 0
        errors.append(transfer_error(parts, C, A, B, points))
    assert errors[1] < errors[0] / 20 and errors[1] < 1e-2
    half = initial.dplr("legs", 16)
    both = [np.concatenate([v, v.conj()], axis=-1) for v in (half.rates, half.inputs / 2, half.vectors)]
    assert transfer_error(initial.PerturbedDiagonal(*both), C, A, B, points) > 5 * errors[0]


@pytest.mark.parametrize("kind", ["exp", "softplus", "best"])
def test_stable_rates_are_negative_and_can_be_undone(kind):
    w = np.linspace(0.0, 5.0, 11)
    rate = initial.stable_rate(jnp.asarray(w, jnp.float32), kind)
    assert (rate < 0).all()
    np.testing.assert_allclose(initial.stable_weight(np.asarray(rate), kind), w, rtol=1e-3, atol=1e-5)


def test_the_best_map_has_a_slope_in_proportion_to_the_weight():
    """|f'| / f^2 = 2 a |w| (StableSSM), which for exp grows as e^{-w} instead."""
    w = jnp.linspace(-3.0, 3.0, 13)
    slope = jax.vmap(jax.grad(lambda w: initial.stable_rate(w, "best", a=2.0, b=0.3)))(w)
    rate = initial.stable_rate(w, "best", a=2.0, b=0.3)
    np.testing.assert_allclose(jnp.abs(slope) / rate**2, 4.0 * jnp.abs(w), rtol=1e-4, atol=1e-6)


def test_steps_are_uniform_in_their_logarithm():
    steps = np.exp(initial.log_uniform_step(20_000, 1e-3, 1e-1, key=jax.random.key(0)))
    assert steps.min() >= 0.999e-3 and steps.max() <= 1.001e-1
    assert np.mean(steps < 1e-2) == pytest.approx(0.5, abs=4 * 0.5 / 20_000**0.5)


def test_complex_normal_has_unit_variance():
    draws = initial.complex_normal((20_000,), key=jax.random.key(0))
    assert np.mean(np.sum(draws**2, axis=0)) == pytest.approx(1.0, abs=4 / 20_000**0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: initial.s4d_lin(0), "s4d_lin: pairs must be at least 1, found 0"),
        (lambda: initial.s4d_inv(0), "s4d_inv: pairs"),
        (lambda: initial.s4d_legs(0), "s4d_legs: pairs"),
        (lambda: initial.dplr("legs", 0), "dplr: pairs"),
        (lambda: initial.log_uniform_step(2, 0.1, 0.01, key=jax.random.key(0)), "found 0.1 and 0.01"),
        (
            lambda: initial.perturb_then_diagonalise("legs", 4, size=0.0, key=jax.random.key(0)),
            "positive size, found 0",
        ),
        (lambda: initial.stable_rate(jnp.ones(2), "tanh"), "unknown reparameterisation 'tanh'; choose from"),
        (lambda: initial.stable_rate(jnp.ones(2), "best", b=0.0), "a and b above 0, found 1.0 and 0.0"),
        (lambda: initial.stable_weight(np.array([-3.0]), "best"), r"rates in \[-2.0, 0\), found -3.0"),
    ],
)
def test_refuses_what_does_not_fit(call, message):
    with untyped(), pytest.raises(InputError, match=message):
        call()
