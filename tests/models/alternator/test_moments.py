"""Closed-form filtering moments: against a loop in NumPy, against the spread of sampled latents, and in the limit."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from models.alternator.linear_gaussian import ALPHA, LATENT, OBS, SIGMA_Z, G, affine, g

from alternax.core.errors import InputError
from alternax.core.sequence import Sequence
from alternax.models.alternator import Alternator

LENGTH, DRAWS = 10, 4000


def gappy(seed: int = 0) -> Sequence:
    """Uneven times, a wholly missing row, padding and a reset."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(LENGTH, OBS))
    x[3] = np.nan
    valid, resets = np.arange(LENGTH) != 5, np.arange(LENGTH) == 7
    return Sequence.build(
        jnp.asarray(x),
        dt=jnp.asarray(rng.uniform(0.3, 2, LENGTH)),
        valid=jnp.asarray(valid),
        resets=jnp.asarray(resets),
    )


@pytest.mark.float64
def test_moments_equal_the_recurrence():
    """m_t = c m_{t-1} + sqrt(a) g(x_t), v_t = c^2 v_{t-1} + sz^2 after a decay exp(-lam dt); nothing if unobserved."""
    seq, model = gappy(), eqx.tree_at(lambda m: m.decay, affine(flow="decay"), jnp.array([-1.0, 0.5]))
    rates, carry = np.log1p(np.exp(np.array([-1.0, 0.5]))), math.sqrt(1 - ALPHA - SIGMA_Z**2)
    m, v = np.zeros(LATENT), np.ones(LATENT)
    mean, var = eqx.filter_jit(model.filter)(seq, key=jax.random.key(0))
    for t in range(LENGTH):
        if not seq.valid[t]:
            continue
        if seq.resets[t]:
            m, v = np.zeros(LATENT), np.ones(LATENT)
        flow = np.exp(-rates * float(seq.dt[t]))
        m, v = flow * m, flow**2 * v
        if seq.observed[t].any():
            m, v = carry * m + math.sqrt(ALPHA) * (G @ np.asarray(seq.x[t]) + g), carry**2 * v + SIGMA_Z**2
        # The library keeps 1e-12 under its square root.
        np.testing.assert_allclose(mean[t], m, rtol=1e-10)
        np.testing.assert_allclose(var[t], v, rtol=1e-10)


@pytest.mark.parametrize("gap", ["hold", "draw"])
def test_moments_are_those_of_the_sampled_latents(gap):
    """A learned alpha per dimension, a decay and gaps; a partly missing row under "draw" would differ by its draw."""
    model = affine(alpha="multiscale", flow="decay", gap=gap)
    model = eqx.tree_at(lambda m: m.decay, model, jnp.array([-2.0, -0.5]))
    seq = gappy(1)
    if gap == "draw":
        seq = eqx.tree_at(lambda s: s.observed, seq, jnp.ones_like(seq.observed))
    mean, var = eqx.filter_jit(model.filter)(seq, key=jax.random.key(0))
    states = jax.jit(jax.vmap(lambda key: model.unroll(seq, key=key, keep=jnp.arange(LENGTH))[2]))(
        jax.random.split(jax.random.key(1), DRAWS)
    )
    assert np.allclose(states.spread, states.spread[:1])
    drawn = np.asarray(states.z)
    pending = np.asarray(states.spread[0, :, None] ** 2)
    assert np.all(np.abs(drawn.mean(0) - mean) < 4 * np.sqrt(drawn.var(0) / DRAWS) + 1e-6)
    error = drawn.var(0) * math.sqrt(2 / DRAWS)
    assert np.all(np.abs(drawn.var(0) + pending - var) < 4 * error + 1e-6)


@pytest.mark.float64
def test_variance_tends_to_its_limit_and_noise_of_different_rows_is_independent():
    model = affine()
    seq = Sequence.build(jnp.zeros((60, OBS)))
    _, var = eqx.filter_jit(model.filter)(seq, key=jax.random.key(0))
    np.testing.assert_allclose(var[-1], SIGMA_Z**2 / (ALPHA + SIGMA_Z**2), rtol=1e-9)
    rows = jnp.array([20, 21, 23])
    run = jax.jit(jax.vmap(lambda key: model.unroll(seq, key=key, keep=rows)[2].z[..., 0]))
    found = np.cov(np.asarray(run(jax.random.split(jax.random.key(2), DRAWS))).T)
    # The noise of row t is still pending in the state after it, so that its z has variance c^2 v.
    carry, limit = math.sqrt(1 - ALPHA - SIGMA_Z**2), SIGMA_Z**2 / (ALPHA + SIGMA_Z**2)
    want = carry ** (2 + np.abs(np.subtract.outer(rows, rows))) * limit
    error = np.sqrt((np.outer(np.diag(want), np.diag(want)) + want**2) / DRAWS)
    assert np.all(np.abs(found - want) < 4 * error)


def test_targets_are_the_first_coordinates_of_a_latent_that_never_sees_them():
    settings = {"latent_dim": 3, "target_dim": 2, "decode": "latent", "ftn": "affine", "otn": "affine"}
    model = Alternator(OBS, **settings, key=jax.random.key(0))
    x, targets = jnp.ones((5, OBS)), jnp.arange(10.0).reshape(5, 2)
    run = eqx.filter_jit(lambda seq, key: model.filter(seq, key=key))
    mean, var = run(Sequence.build(x, targets=targets), jax.random.key(1))
    other = run(Sequence.build(x, targets=jnp.full((5, 2), jnp.nan)), jax.random.key(9))
    np.testing.assert_array_equal(mean, other[0])
    decoded, scale = model.decode(mean, var)
    np.testing.assert_array_equal(decoded, mean[:, :2])
    assert scale.shape == decoded.shape and np.all(scale > 0)


def test_a_head_reads_the_targets_off_the_mean():
    model = Alternator(OBS, latent_dim=2, target_dim=3, ftn="affine", otn="affine", width=4, key=jax.random.key(0))
    mean = jnp.array([[0.3, -1.0]])
    first, second = model.head.net.layers
    want = second(jax.nn.gelu(first(mean[0])))
    np.testing.assert_allclose(model.decode(mean, mean)[0][0], want, rtol=1e-6)
    with pytest.raises(InputError, match=r"built with target_dim=0 and decodes nothing.*data.target_dim"):
        affine().decode(mean, mean)


def test_the_gap_rule_can_be_changed_after_training():
    model = Alternator(2, latent_dim=2, ftn="affine", otn="affine", key=jax.random.key(0))
    drawn = model.with_gap("draw")
    assert (model.gap, drawn.gap) == ("hold", "draw")
    assert jax.tree.leaves(drawn) == jax.tree.leaves(model)
    with pytest.raises(InputError, match="gap='zero' is not known"):
        model.with_gap("zero")
