"""S5 against the equations of its paper, against s5-pytorch, and against the real system it starts as."""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from compiled import call
from safetensors.numpy import load_file
from untyped import untyped

from alternax.core.errors import InputError
from alternax.layers import S5
from alternax.ops.hippo import hippo

GOLDEN = Path(__file__).parents[1] / "golden" / "layers" / "s5.safetensors"
both = pytest.mark.parametrize("discretisation", ["zoh", "bilinear"])


@both
def test_outputs_equal_the_paper_equations(discretisation):
    layer = S5(3, state_dim=4, step_min=0.05, discretisation=discretisation, key=jax.random.key(0))
    rng = np.random.default_rng(0)
    x, dt = rng.normal(size=(9, 3)), rng.uniform(0.5, 2.0, 9)
    rates = -np.exp(layer.rate_log) + 1j * np.asarray(layer.frequency)
    b, c = layer.B[0] + 1j * layer.B[1], layer.C[0] + 1j * layer.C[1]
    h, want = np.zeros(4, complex), []
    for x_t, dt_t in zip(x, dt, strict=True):
        step = np.exp(layer.step_log) * dt_t
        if discretisation == "zoh":
            h = np.exp(rates * step) * h + (np.exp(rates * step) - 1) / rates * (b @ x_t)
        else:
            h = ((1 + step / 2 * rates) * h + step * (b @ x_t)) / (1 - step / 2 * rates)
        want.append(2 * (c @ h).real + layer.D * x_t)
    y, state = call(layer, jnp.asarray(x, jnp.float32), dt=jnp.asarray(dt, jnp.float32))
    np.testing.assert_allclose(y, want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(state, [h.real, h.imag], rtol=1e-4, atol=1e-5)


@both
def test_equals_s5_pytorch_on_the_same_weights(discretisation):
    """There a mode has no conjugate, so C is twice ours."""
    golden = {name: jnp.asarray(v) for name, v in load_file(GOLDEN).items()}
    layer = S5(3, state_dim=4, discretisation=discretisation, key=jax.random.key(0))
    names = ("rate_log", "frequency", "step_log", "B", "C", "D")
    weights = [golden[n] for n in ("frequency", "step_log", "B", "C", "D")]
    weights = [jnp.log(golden["rate"]), weights[0], weights[1].reshape(-1), weights[2], weights[3] / 2, weights[4]]
    layer = eqx.tree_at(lambda layer: [getattr(layer, name) for name in names], layer, weights)
    y, last = call(layer, golden["x"], golden["state"], dt=golden["dt"])
    np.testing.assert_allclose(y, golden[f"{discretisation}.y"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(last, golden[f"{discretisation}.last"], rtol=1e-5, atol=1e-5)


def test_starts_as_the_normal_part_of_hippo_in_every_block():
    layer = S5(2, state_dim=6, blocks=2, key=jax.random.key(1))
    A, _ = hippo("legs", 6)
    half_root = np.sqrt(np.arange(6) + 0.5)
    eigenvalues = np.linalg.eigvals(A + np.outer(half_root, half_root))
    wanted = np.sort(eigenvalues.imag)[3:]
    for block in (slice(0, 3), slice(3, 6)):
        np.testing.assert_allclose(np.sort(layer.frequency[block]), wanted, rtol=1e-5)
        np.testing.assert_allclose(layer.rate_log[block], np.log(0.5), rtol=1e-5)
    assert np.all((layer.step_log >= np.log(1e-3)) & (layer.step_log <= np.log(1e-1)))


@pytest.mark.slow
def test_starts_as_a_real_system_with_independent_entries():
    """With one step for all modes y is that of x' = A x + B u with A real: its impulse response is C e^{A t} B."""
    layer = S5(2, state_dim=3, step_min=0.1, step_max=0.1, key=jax.random.key(2))
    A, _ = hippo("legs", 6)
    half_root = np.sqrt(np.arange(6) + 0.5)
    normal = A + np.outer(half_root, half_root)
    _, vectors = np.linalg.eigh(-1j * (normal + 0.5 * np.eye(6)))
    vectors = vectors[:, 3:]
    b = 2 * (vectors @ (layer.B[0] + 1j * layer.B[1])).real
    c = 2 * ((layer.C[0] + 1j * layer.C[1]) @ vectors.conj().T).real
    response = np.linalg.solve(normal, scipy.linalg.expm(0.1 * normal) - np.eye(6)) @ b
    y, _ = call(layer, jnp.zeros((5, 2)).at[0, 1].set(1.0))
    for t in range(5):
        want = c @ np.linalg.matrix_power(scipy.linalg.expm(0.1 * normal), t) @ response[:, 1]
        want = want + layer.D * np.eye(2)[1] * (t == 0)
        np.testing.assert_allclose(y[t], want, rtol=1e-4, atol=1e-6)


def test_zoh_is_exact_for_a_constant_input():
    """One step of three is three steps of one with the same input."""
    layer = S5(3, state_dim=4, key=jax.random.key(3))
    x = jnp.asarray(np.random.default_rng(1).normal(size=(1, 3)), jnp.float32)
    _, once = call(layer, x, dt=jnp.array([3.0]))
    _, thrice = call(layer, jnp.tile(x, (3, 1)))
    np.testing.assert_allclose(thrice, once, rtol=1e-5, atol=1e-7)


@both
@pytest.mark.parametrize("dt", [1e-6, 1e3])
def test_extreme_times_stay_finite_and_small_ones_exact(dt, discretisation):
    layer = S5(3, state_dim=4, discretisation=discretisation, key=jax.random.key(4))
    x, times = jnp.ones((32, 3)), jnp.full(32, dt)

    @eqx.filter_jit
    def run(layer):
        learn = eqx.filter_jit(eqx.filter_value_and_grad(lambda layer: jnp.mean(layer(x, dt=times)[0] ** 2)))
        return learn(layer), call(layer, x, dt=times)

    (_, slope), (_, state) = run(layer)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((slope, state)))
    if dt == 1e-6:
        summed = 32 * dt * np.exp(layer.step_log) * np.sum(layer.B, axis=-1)
        np.testing.assert_allclose(state, summed, rtol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "S5: dim must be at least 1, found 0"),
        ({"state_dim": 0}, "S5: state_dim must be at least 1, found 0"),
        ({"blocks": 0}, "S5: blocks must be at least 1, found 0"),
        ({"state_dim": 4, "blocks": 3}, "blocks to divide state_dim=4, found 3"),
        ({"step_min": 0.2}, "step sizes 0 < smallest <= largest, found 0.2 and 0.1"),
        ({"step_min": 0.0}, "found 0.0 and"),
        ({"discretisation": "euler"}, "unknown discretisation 'euler'; choose from 'zoh', 'bilinear'"),
    ],
)
def test_refuses_what_does_not_fit(options, message):
    with untyped(), pytest.raises(InputError, match=message):
        S5(options.pop("dim", 3), **options, key=jax.random.key(0))
