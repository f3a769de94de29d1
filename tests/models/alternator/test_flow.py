"""Time between rows: an unobserved instant anywhere changes no law, with the noise of the latent on."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from models.alternator.linear_gaussian import ALPHA, LATENT, OBS, SIGMA_Z, G, affine, g

from alternax.core.model import sample_rollout, scan_unroll
from alternax.core.sequence import Sequence
from alternax.models.alternator import Alternator
from alternax.nets.flow import flow_factor, flow_variance

LENGTH, DRAWS = 8, 4000
RATES = np.array([0.3, 1.4])


def flowing(kind: str) -> Alternator:
    model = affine(flow=kind)
    return eqx.tree_at(lambda m: m.decay, model, jnp.asarray(np.log(np.expm1(RATES)), dtype=float))


def uneven(seed: int = 0) -> Sequence:
    rng = np.random.default_rng(seed)
    return Sequence.build(jnp.asarray(rng.normal(size=(LENGTH, OBS))), dt=jnp.asarray(rng.uniform(0.3, 2, LENGTH)))


def cut(seq: Sequence, place: int) -> Sequence:
    """The time before a row cut in two by an instant with nothing observed."""
    x, dt = (np.insert(np.asarray(v), place, v[place], axis=0) for v in (seq.x, seq.dt))
    x[place] = np.nan
    dt[place], dt[place + 1] = 0.3 * dt[place], 0.7 * dt[place]
    return Sequence.build(jnp.asarray(x), dt=jnp.asarray(dt))


@pytest.mark.float64
@pytest.mark.parametrize("kind", ["decay", "ou"])
def test_an_unobserved_instant_changes_no_moment(kind):
    model, seq = flowing(kind), uneven()
    run = eqx.filter_jit(lambda seq: model.filter(seq, key=jax.random.key(0)))
    want = run(seq)
    for place in range(LENGTH):
        for found, moment in zip(run(cut(seq, place)), want, strict=True):
            np.testing.assert_allclose(np.delete(found, place, axis=0), moment, rtol=1e-12, atol=1e-14)


@pytest.mark.float64
def test_moments_under_noise_equal_the_recurrence():
    """v <- exp(-2 lam dt) v + 1 - exp(-2 lam dt) between rows."""
    model, seq = flowing("ou"), uneven(1)
    m, v, carry = np.zeros(LATENT), np.ones(LATENT), np.sqrt(1 - ALPHA - SIGMA_Z**2)
    mean, var = eqx.filter_jit(model.filter)(seq, key=jax.random.key(0))
    for t in range(LENGTH):
        flow = np.exp(-RATES * float(seq.dt[t]))
        m, v = flow * m, flow**2 * v + 1 - flow**2
        m, v = carry * m + np.sqrt(ALPHA) * (G @ np.asarray(seq.x[t]) + g), carry**2 * v + SIGMA_Z**2
        np.testing.assert_allclose(mean[t], m, rtol=1e-10)
        np.testing.assert_allclose(var[t], v, rtol=1e-10)


@pytest.mark.float64
def test_the_parallel_form_is_the_loop_with_gaps_padding_and_resets():
    model, seq = flowing("ou"), uneven(2)
    seq = eqx.tree_at(
        lambda s: (s.observed, s.valid, s.resets),
        seq,
        (seq.observed.at[2].set(False), seq.valid.at[4].set(False), seq.starts.at[6].set(True)),
        is_leaf=lambda leaf: leaf is None,
    )
    key, keep = jax.random.key(1), jnp.arange(LENGTH)
    fast = eqx.filter_jit(lambda seq: model.unroll(seq, key=key, keep=keep))(seq)
    slow = eqx.filter_jit(lambda seq: scan_unroll(model, seq, key=key, keep=keep))(seq)
    real = np.asarray(seq.valid)
    for a, b in zip(jax.tree.leaves(fast), jax.tree.leaves(slow), strict=True):
        np.testing.assert_allclose(np.asarray(a)[real], np.asarray(b)[real], rtol=1e-10, atol=1e-12)
    gradient = jax.jit(jax.grad(lambda dt: model.unroll(eqx.tree_at(lambda s: s.dt, seq, dt), key=key)[1].sum()))(
        seq.dt
    )
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("kind", ["decay", "ou"])
def test_paths_over_two_steps_have_the_law_of_those_over_one(kind):
    """Drawn with an instant in between at which nothing is observed, and without."""
    model = flowing(kind)
    seen = eqx.filter_jit(lambda m: m.unroll(uneven(3), key=jax.random.key(5))[2])(model)

    def whole(key):
        return sample_rollout(model, seen, controls=jnp.zeros((1, 0)), dts=jnp.array([1.6]), key=key)[0]

    def halves(key):
        state = model.advance(seen, jnp.array(0.6), control=jnp.zeros(0), key=key)
        state, _ = model.update(state, jnp.zeros(OBS), jnp.zeros(OBS, bool), control=jnp.zeros(0), key=key)
        return sample_rollout(model, state, controls=jnp.zeros((1, 0)), dts=jnp.array([1.0]), key=key)[0]

    one, two = (
        np.asarray(jax.jit(jax.vmap(path))(jax.random.split(jax.random.key(seed), DRAWS)))
        for seed, path in enumerate((whole, halves))
    )
    error = np.sqrt((one.var(0) + two.var(0)) / DRAWS)
    assert np.all(np.abs(one.mean(0) - two.mean(0)) < 4 * error)
    assert np.all(np.abs(np.log(two.var(0) / one.var(0))) < 4 * np.sqrt(4 / DRAWS))


@pytest.mark.float64
def test_noise_keeps_the_variance_of_a_standard_normal():
    rates, dt = jnp.asarray(RATES), jnp.array([0.0, 1e-9, 0.4, 50.0])
    kept = flow_factor(rates, dt, 2) ** 2 + flow_variance(rates, dt, 2)
    np.testing.assert_allclose(kept, np.ones((4, 2)), rtol=1e-14)
    assert np.all(np.asarray(flow_variance(rates, dt[1], 2)) > 0)
