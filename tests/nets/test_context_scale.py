"""Causal scaling against a NumPy loop over the rows seen so far."""

import jax
import jax.numpy as jnp
import numpy as np

from alternax.nets.context_scale import ContextScale

LENGTH, OBS, ROWS = 9, 2, 3


def series(seed: int):
    rng = np.random.default_rng(seed)
    x = rng.normal(2.0, 3.0, size=(LENGTH, OBS)).astype(np.float32)
    observed = rng.random((LENGTH, OBS)) < 0.7
    observed[1] = False
    resets = np.arange(LENGTH) == 5
    return x, observed, resets


def naive(x, observed, resets):
    """Location and scale before and after every row: one squared deviation of 1 counts beside the first ROWS."""
    before, after = [], []
    for t in range(LENGTH):
        start = max([s for s in range(t + 1) if resets[s]], default=0)
        for stop, out in ((t, before), (t + 1, after)):
            rows = [s for s in range(start, stop) if observed[s].any()][:ROWS]
            columns = []
            for d in range(OBS):
                values = np.array([x[s, d] for s in rows if observed[s, d]], float)
                mean = values.mean() if len(values) else 0.0
                columns.append((mean, np.sqrt((((values - mean) ** 2).sum() + 1) / (len(values) + 1))))
            out.append(np.array(columns).T)
    return np.array(before), np.array(after)


def test_sums_before_and_after_every_row_give_the_naive_scale():
    scaling, (x, observed, resets) = ContextScale(OBS, ROWS), series(0)
    states = scaling.unroll(scaling.init(), *(jnp.asarray(v) for v in (np.where(observed, x, 0), observed, resets)))
    for state, want in zip(states, naive(x, observed, resets), strict=True):
        location, scale = scaling.location_scale(state)
        np.testing.assert_allclose(location, want[:, 0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(scale, want[:, 1], rtol=1e-4)


def test_row_by_row_equals_all_at_once_and_it_freezes_after_its_rows():
    scaling, (x, observed, _) = ContextScale(OBS, ROWS), series(1)
    x, observed = jnp.where(jnp.asarray(observed), jnp.asarray(x), 0.0), jnp.asarray(observed)
    before, after = scaling.unroll(scaling.init(), x, observed, jnp.zeros(LENGTH, bool))
    state, warm = scaling.init(), []
    for t in range(LENGTH):
        warm.append(bool(scaling.warmed(state)))
        assert warm[-1] == bool(scaling.warmed(before)[t])
        new = scaling.step(state, x[t], observed[t])
        if warm[-1]:
            for name in ("count", "anchor", "total", "squares"):
                np.testing.assert_array_equal(getattr(new, name), getattr(state, name))
        state = new
        for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(after), strict=True):
            np.testing.assert_allclose(a, b[t], rtol=1e-5)
    assert warm.index(True) == int(np.flatnonzero(np.cumsum(np.asarray(observed).any(1)) == ROWS)[0]) + 1


def test_constant_and_never_observed_columns_have_a_positive_scale():
    scaling = ContextScale(OBS, ROWS)
    x = jnp.stack([jnp.full(LENGTH, 1e4), jnp.zeros(LENGTH)], axis=1)
    observed = jnp.array([True, False]) & jnp.ones((LENGTH, 1), bool)
    _, after = scaling.unroll(scaling.init(), x, observed, jnp.zeros(LENGTH, bool))
    location, scale = scaling.location_scale(after)
    assert np.isfinite(location).all() and np.all(np.asarray(scale) > 0)
    np.testing.assert_allclose(location[:, 1], 0.0)
    np.testing.assert_allclose(scale[:, 1], 1.0)


def test_a_level_far_from_zero_costs_no_digits():
    scaling, rng = ContextScale(1, 100), np.random.default_rng(0)
    x = (1e5 + rng.normal(size=(100, 1))).astype(np.float32)
    _, after = scaling.unroll(scaling.init(), jnp.asarray(x), jnp.ones((100, 1), bool), jnp.zeros(100, bool))
    location, scale = scaling.location_scale(after)
    values = x.astype(float)
    np.testing.assert_allclose(location[-1], values.mean(0), rtol=1e-6)
    np.testing.assert_allclose(scale[-1], np.sqrt((((values - values.mean(0)) ** 2).sum(0) + 1) / 101), rtol=1e-3)
