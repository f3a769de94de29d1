"""S4, S4D and DSS kernels against dense matrix powers, and S4's operator against HiPPO, in double precision."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from alternax.layers import DSS, S4, S4D
from alternax.ops.hippo import discretise, hippo, normal_plus_low_rank

pytestmark = pytest.mark.float64

LENGTH = 40


def dense_kernel(A, B, C):
    """C A^l B by matrix products."""
    rows = []
    for _ in range(LENGTH):
        rows.append(np.sum(C * B).real)
        B = A @ B
    return np.array(rows)


@pytest.mark.parametrize("measure", ["legs", "legt", "fout"])
def test_s4_kernel_is_that_of_the_dense_hippo_matrix(measure):
    """By chunks (Krylov vectors) and by Cauchy sums at the roots of unity, from the real N x N matrix of HiPPO."""
    layer = S4(2, state_dim=6, measure=measure, key=jax.random.key(0))
    A, B = hippo(measure, 6)
    V = normal_plus_low_rank(measure, 6).vectors
    if measure != "legs":
        A = A - 1e-4 * np.eye(6)  # the least decay that the layer starts from
    by_chunks, by_cauchy = layer.bank().chunk_maps(LENGTH).taps, layer.bank().kernel(LENGTH)
    for channel in range(2):
        C = 2 * ((layer.C[0] + 1j * layer.C[1])[channel] @ V.conj().T).real
        want = dense_kernel(*discretise(A, B, float(jnp.exp(layer.step_log[channel])), "bilinear"), C)
        np.testing.assert_allclose(by_chunks[channel], want, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(by_cauchy[:, channel], want, rtol=1e-8, atol=1e-10)


def test_s4_at_any_elapsed_time_is_the_bilinear_rule_of_that_step():
    layer = S4(1, state_dim=6, step_max=0.5, key=jax.random.key(1))
    A, B = hippo("legs", 6)
    V = normal_plus_low_rank("legs", 6).vectors
    rng = np.random.default_rng(0)
    x, dt, h = rng.normal(size=7), rng.uniform(0.1, 5.0, 7), np.zeros(6)
    for x_t, dt_t in zip(x, dt, strict=True):
        A_bar, B_bar = discretise(A, B, dt_t * float(jnp.exp(layer.step_log[0])), "bilinear")
        h = A_bar @ h + B_bar * x_t
    _, state = layer(jnp.asarray(x)[:, None], dt=jnp.asarray(dt))
    found = np.asarray(state[0, 0] + 1j * state[1, 0])
    np.testing.assert_allclose(2 * (V @ found).real, h, rtol=1e-10)


@pytest.mark.parametrize("discretisation", ["zoh", "bilinear"])
def test_s4d_kernel_equals_dense_matrix_powers(discretisation):
    layer = S4D(2, state_dim=6, discretisation=discretisation, key=jax.random.key(2))
    bank = layer.bank()
    for channel in range(2):
        rates, step = np.asarray(bank.rates[channel]), float(bank.step[channel])
        full, C = np.diag(np.concatenate([rates, rates.conj()])), np.asarray(bank.outputs[channel]) / 2
        if discretisation == "zoh":
            A = scipy.linalg.expm(step * full)
            B = np.linalg.solve(full, (A - np.eye(6)) @ np.ones(6))
        else:
            A, B = (v.astype(complex) for v in discretise_complex(full, step))
        want = dense_kernel(A, B, np.concatenate([C, C.conj()]))
        np.testing.assert_allclose(bank.kernel(LENGTH)[:, channel], want, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(bank.chunk_maps(LENGTH).taps[channel], want, rtol=1e-10, atol=1e-12)


def discretise_complex(A, step):
    inverse = np.linalg.inv(np.eye(len(A)) - step / 2 * A)
    return inverse @ (np.eye(len(A)) + step / 2 * A), inverse @ (step * np.ones(len(A)))


@pytest.mark.parametrize("growing", [False, True])
def test_dss_softmax_kernel_is_the_softmax_of_the_paper(growing):
    """Proposition 1: w / lambda times a softmax over the rows; with a positive real part too."""
    layer = DSS(2, state_dim=3, kernel="softmax", length=LENGTH, step_min=0.05, key=jax.random.key(3))
    rate = layer.rate.at[1].set(0.7) if growing else layer.rate
    layer = eqx.tree_at(lambda layer: layer.rate, layer, rate)
    rates = np.asarray(rate + 1j * layer.frequency)
    w, step = np.asarray(layer.w[0] + 1j * layer.w[1]), np.exp(layer.step_log)
    for channel in range(2):
        exponent = np.exp(np.outer(rates, np.arange(LENGTH)) * step[channel])
        softmax = exponent / exponent.sum(axis=1, keepdims=True)
        want = ((w[channel] / rates) @ softmax).real
        np.testing.assert_allclose(layer.bank().kernel(LENGTH)[:, channel], want, rtol=1e-4, atol=1e-6)


def test_dss_exp_kernel_is_that_of_the_paper():
    layer = DSS(2, state_dim=3, key=jax.random.key(4))
    rates = np.asarray(-jnp.exp(layer.rate) + 1j * layer.frequency)
    w, step = np.asarray(layer.w[0] + 1j * layer.w[1]), np.exp(layer.step_log)
    for channel in range(2):
        weight = w[channel] / rates * (np.exp(rates * step[channel]) - 1)
        want = (weight @ np.exp(np.outer(rates, np.arange(LENGTH)) * step[channel])).real
        np.testing.assert_allclose(layer.bank().kernel(LENGTH)[:, channel], want, rtol=1e-10, atol=1e-12)
