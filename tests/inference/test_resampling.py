"""Resampling copies in proportion to weight, by the scheme asked for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cuthbertlib.resampling import killing, systematic

from alternax.inference.resampling import SCHEMES, ancestors, effective_size, pick, pick_many

LOGITS = jnp.array([-1.0, 2.0, -jnp.inf, 0.5, 1.5, -4.0, 2.0, 0.0])
WEIGHTS = np.exp(LOGITS) / np.exp(LOGITS).sum()
COUNT, RUNS = len(WEIGHTS), 4000
KEYS = jax.random.split(jax.random.key(0), RUNS)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_is_copied_in_proportion_to_its_weight(scheme):
    orders = np.asarray(jax.jit(jax.vmap(lambda key: ancestors(scheme, LOGITS, key=key)))(KEYS))
    copies = (orders[..., None] == np.arange(COUNT)).sum(1)
    error = copies.std(0, ddof=1) / np.sqrt(RUNS)
    assert np.all(np.abs(copies.mean(0) - COUNT * WEIGHTS) < 4 * error + 1e-12)
    around = np.abs(copies - COUNT * WEIGHTS).max()
    assert {"systematic": around < 1, "stratified": 1 <= around < 2}.get(scheme, around >= 2)
    if scheme == "killing":
        assert np.all(orders[:, [1, 6]] == [1, 6])


@pytest.mark.slow
def test_the_schemes_have_the_variance_of_those_of_an_outside_library():
    for scheme, other in (("systematic", systematic), ("killing", killing)):
        want = np.stack([other.resampling(key, LOGITS, jnp.zeros(COUNT), COUNT)[0] for key in KEYS[:400]])
        found = np.asarray(jax.jit(jax.vmap(lambda key, s=scheme: ancestors(s, LOGITS, key=key)))(KEYS))
        copies = [(orders[..., None] == np.arange(COUNT)).sum(1) for orders in (found, want)]
        error = copies[1].var(0) * np.sqrt(2 / 400) + 0.03
        assert np.all(np.abs(copies[0].var(0) - copies[1].var(0)) < 5 * error)


def test_effective_number_of_particles():
    assert float(effective_size(jnp.zeros(7))) == pytest.approx(7, rel=1e-5)
    assert float(effective_size(LOGITS)) == pytest.approx(1 / (WEIGHTS**2).sum(), rel=1e-5)
    assert float(effective_size(jnp.array([-1e30, 0.0]))) == pytest.approx(1)
    assert float(effective_size(jnp.full(4, -jnp.inf))) == 0


def test_picks_follow_the_weights():
    many = np.bincount(pick_many(LOGITS, 20000, key=KEYS[0]), minlength=COUNT) / 20000
    rows = np.bincount(pick(jnp.tile(LOGITS - 50, (20000, 1)), key=KEYS[1]), minlength=COUNT) / 20000
    error = np.sqrt(WEIGHTS * (1 - WEIGHTS) / 20000)
    assert np.all(np.abs(many - WEIGHTS) <= 4 * error) and np.all(np.abs(rows - WEIGHTS) <= 4 * error)
