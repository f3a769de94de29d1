"""alpha by the Vendi score of the last rows: its definition row by row, its parallel form, its door."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from untyped import untyped

from alternax.core.errors import InputError
from alternax.core.model import latent_key, scan_unroll
from alternax.core.sequence import Sequence
from alternax.fit.noise_matching import NoiseMatching
from alternax.fit.objectives import CrossEntropy
from alternax.metrics import vendi_score
from alternax.models import Alternator, AlternatorPlusPlus, Vendi
from alternax.models.alternator.vendi import JITTER

LENGTH, OBS, WINDOW, KEY = 14, 2, 4, jax.random.key(1)


def model(**settings) -> Alternator:
    spec = Vendi(**({"window": WINDOW, "length_scale": 0.7, "base": "learned"} | settings))
    built = Alternator(OBS, latent_dim=3, ftn="affine", otn="affine", alpha=spec, sigma_z=0.2, key=KEY)
    return eqx.tree_at(lambda m: (m.alpha.weight, m.alpha.bias), built, (jnp.array([-0.8]), jnp.array([1.1])))


def gappy() -> Sequence:
    """A wholly and a partly missing row, padding, and a reset."""
    x = np.random.default_rng(0).normal(size=(LENGTH, OBS))
    x[2], x[5, 1] = np.nan, np.nan
    return Sequence.build(x, valid=np.arange(LENGTH) != 4, resets=np.arange(LENGTH) == 8)


def similarity(rows: np.ndarray, kernel: str) -> np.ndarray:
    if kernel == "rbf":
        return np.exp(-((rows[:, None] - rows[None]) ** 2).sum(-1) / (2 * 0.7**2 * OBS))
    unit = rows / np.sqrt((rows**2).sum(1, keepdims=True) + JITTER)
    return np.where(np.eye(len(rows), dtype=bool), 1.0, unit @ unit.T)


@pytest.mark.float64
@pytest.mark.parametrize(("kernel", "order"), [("rbf", 1.0), ("cosine", 2.0)])
def test_latent_mean_follows_the_definition_row_by_row(kernel, order):
    net, seq = model(kernel=kernel, order=order), gappy()
    mean = eqx.filter_jit(net.filter)(seq, key=KEY)[0]
    rows, last, m = [], np.zeros(OBS), np.zeros(3)
    g = net.ftn.net
    for t in range(LENGTH):
        if not seq.valid[t]:
            continue
        if seq.resets[t]:
            rows, last, m = [], np.zeros(OBS), np.zeros(3)
        seen = np.asarray(seq.observed[t])
        if seen.any():
            last = np.where(seen, seq.x[t], last)
            rows = [*rows, last][-WINDOW:]
            K = (similarity(np.array(rows), kernel) + JITTER * np.eye(len(rows))) / (1 + JITTER)
            a = (1 - 0.2**2) / (1 + np.exp(0.8 * vendi_score(K, order) - 1.1))
            taken = np.concatenate([last, 1.0 - seen])
            m = np.sqrt(a) * (g.weight @ taken + g.bias) + np.sqrt(1 - a - 0.2**2) * m
        np.testing.assert_allclose(mean[t], m, rtol=1e-8, atol=1e-10)


@pytest.mark.float64
def test_parallel_form_equals_the_loop_also_from_a_carried_state():
    net, seq, keep = model(), gappy(), jnp.arange(LENGTH)
    parallel = eqx.filter_jit(lambda seq, state: net.unroll(seq, key=KEY, state=state, keep=jnp.arange(seq.length)))
    params, log_weights, states = parallel(seq, net.init(key=KEY))
    _, want_weights, want = eqx.filter_jit(lambda: scan_unroll(net, seq, key=KEY, keep=keep))()
    np.testing.assert_allclose(log_weights, want_weights, rtol=1e-11, atol=1e-11)
    valid = np.asarray(seq.valid)
    for found, expected in zip(jax.tree.leaves(states), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(np.asarray(found)[valid], np.asarray(expected)[valid], rtol=1e-11, atol=1e-11)
    half = LENGTH // 2
    early = parallel(seq.rows(0, half), net.init(key=KEY))[2]
    late = parallel(seq.rows(half, LENGTH), jax.tree.map(lambda v: v[-1], early))
    np.testing.assert_allclose(late[0]["loc"], params["loc"][half:], rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(late[1], log_weights[half:], rtol=1e-11, atol=1e-11)


@pytest.mark.float64
def test_over_latents_follows_the_definition_along_a_drawn_path():
    net, seq = model(over="latents"), gappy()
    path = eqx.filter_jit(net.unroll)(seq, key=KEY, keep=jnp.arange(LENGTH))[2].z
    rows, last, z, spread = [], np.zeros(OBS), np.zeros(3), 1.0
    g, step = net.ftn.net, 0
    for t in range(LENGTH):
        if not seq.valid[t]:
            continue
        if seq.resets[t]:
            rows, last, z, spread = [], np.zeros(OBS), np.zeros(3), 1.0
        z = z + spread * np.asarray(jax.random.normal(latent_key(KEY, jnp.asarray(step)), (3,)))
        spread, step = 0.0, step + 1
        seen = np.asarray(seq.observed[t])
        if seen.any():
            last, spread = np.where(seen, seq.x[t], last), 0.2
            rows = [*rows, z][-WINDOW:]
            apart = np.array([[((p - q) ** 2).sum() for p in rows] for q in rows])
            K = (np.exp(-apart / (2 * 0.7**2 * 3)) + JITTER * np.eye(len(rows))) / (1 + JITTER)
            a = (1 - 0.2**2) / (1 + np.exp(0.8 * vendi_score(K, 1.0) - 1.1))
            z = np.sqrt(a) * (g.weight @ np.concatenate([last, 1.0 - seen]) + g.bias) + np.sqrt(1 - a - 0.2**2) * z
        np.testing.assert_allclose(path[t], z, rtol=1e-8, atol=1e-10)


def test_moments_over_latents_are_the_closed_form_where_the_score_does_not_matter():
    net, seq = model(over="latents"), gappy()
    net, plain = (eqx.tree_at(lambda m: m.alpha.weight, m, jnp.zeros(1)) for m in (net, model()))
    mean, var = eqx.filter_jit(eqx.filter_vmap(lambda key: net.filter(seq, key=key)))(jax.random.split(KEY, 8))
    want_mean, want_var = eqx.filter_jit(plain.filter)(seq, key=KEY)
    valid = np.asarray(seq.valid)
    error = np.sqrt(np.asarray(want_var) / (8 * 16))
    assert np.abs((mean.mean(0) - want_mean) / error)[valid].max() < 4.0
    np.testing.assert_allclose((var.mean(0) / want_var)[valid], 1.0, atol=4 * np.sqrt(2 / (8 * 15)))


def test_over_latents_refuses_what_needs_a_chain_or_a_parallel_form():
    net, seq = model(over="latents"), gappy()
    assert net.chain_kind is None
    with pytest.raises(InputError, match="a jump of the latent depends on those before it"):
        net.chain(seq, key=KEY)
    with pytest.raises(InputError, match="no loop for an alpha over latents"):
        CrossEntropy().check(net, None)
    plus = AlternatorPlusPlus(OBS, latent_dim=3, alpha=Vendi(over="latents"), key=KEY)
    with pytest.raises(InputError, match="no loop for an alpha over latents"):
        NoiseMatching().check(plus, None)


def test_starts_as_a_constant_and_learns_what_variety_means():
    small = {"latent_dim": 3, "ftn": "affine", "otn": "affine", "key": KEY}
    net, plain = (Alternator(OBS, alpha=alpha, **small) for alpha in ("vendi", "multiscale"))
    window = net.init(key=KEY).window.take(jnp.ones(OBS)).take(jnp.zeros(OBS))
    assert float(net.alpha.score(net.init(key=KEY).window)) == pytest.approx(1.0)
    assert 1.0 < float(net.alpha.score(window)) < 2.0
    first = jnp.zeros((), int)
    np.testing.assert_allclose(net.alpha(first, window), plain.alpha(first), rtol=1e-6)
    slope = eqx.filter_jit(eqx.filter_grad(lambda net, seq: net.loss(seq, key=KEY)))
    gradient = slope(net, gappy())
    assert np.isfinite(gradient.alpha.weight).all() and np.all(gradient.alpha.weight != 0.0)
    # Rows that are all the same: the eigenvalues repeat.
    same = Sequence.build(np.ones((LENGTH, OBS)))
    gradient = slope(net, same)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 1}, "window must be an integer of at least 2; found 1"),
        ({"order": 0.0}, "order of a Vendi score must be above 0; found 0"),
        ({"kernel": "distance"}, "kernel='distance' is not known: choose 'rbf' or 'cosine'"),
        ({"length_scale": 0.0}, "length_scale must be above 0 and finite; found 0"),
        ({"base": 0.3}, "base=0.3 is not known: choose 'learned' or 'multiscale'"),
        ({"over": "z"}, "over='z' is not known: choose 'rows' or 'latents'"),
    ],
)
def test_refuses_what_is_no_window_or_kernel(settings, message):
    with untyped(), pytest.raises(InputError, match=message):
        Vendi(**settings)
