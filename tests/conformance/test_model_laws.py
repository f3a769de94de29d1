"""The laws of every model: the parallel form, the loop, the masks and the random draws agree with their definition."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from conformance.layer_runs import assert_close
from conformance.layers import mostly_slow
from conformance.model_runs import HALF, HORIZON, KEY, LENGTH, Compiled, at, compiled, masked, series, take
from conformance.models import BY_STEP, DRAWN_GAPS, ESSENTIAL, MODELS, NOISY_FLOW, NOT_LATENT, OBS
from scipy import stats

from alternax.core.emission import Columns

TOLERANCE = 1e-11
PATHS = 2000
every_model = pytest.mark.parametrize("name", mostly_slow(MODELS, always=ESSENTIAL))
# Laws that compile a function of their own run for a few models in `make test`, for all in `make test-all`.
some_models = pytest.mark.parametrize("name", mostly_slow(MODELS, always=("default", "draw")))
double = pytest.mark.float64


def predictions(out, rows):
    """Params and log-weights at the rows, which may be a mask."""
    params, log_weights, _ = out
    return at((params, log_weights), np.asarray(rows))


@double
@every_model
def test_unroll_equals_the_loop_in_values_and_gradients(name):
    seq, shared = series(0), compiled(name)
    (found, *learnt), (want, *wanted) = shared.learn["run"](seq), shared.learn["loop"](seq)
    assert_close(predictions(found, seq.valid), predictions(want, seq.valid), TOLERANCE)
    assert_close(found[2], want[2], TOLERANCE)
    assert_close(learnt, wanted, TOLERANCE)
    assert not np.any(found[1][~seq.valid])


@double
@pytest.mark.parametrize("name", mostly_slow(MODELS, always=("default", "draw")))
def test_two_halves_with_carried_state_equal_the_whole_in_values_and_gradients(name):
    seq, shared = series(1), compiled(name)
    (found, *learnt), (want, *wanted) = shared.learn["halves"](seq), shared.learn["run"](seq)
    assert_close(predictions(found, seq.valid), predictions(want, seq.valid), TOLERANCE)
    assert_close(found[2], want[2], TOLERANCE)
    assert_close(learnt, wanted, TOLERANCE)


@double
@pytest.mark.parametrize("name", mostly_slow(MODELS, always=("student",)))
def test_not_compiled_and_with_any_rows_to_keep_it_is_the_same(name):
    seq, shared, rows = series(1), compiled(name), jnp.array([7, 0, 7])
    params, log_weights, states = shared.model.unroll(seq, key=KEY, keep=rows)
    want = shared.learn["run"](seq)[0]
    assert_close((params, log_weights), want[:2], TOLERANCE)
    assert_close(states, at(want[2], rows), TOLERANCE)


@double
@every_model
def test_resets_equal_separate_sequences(name):
    """The second sequence starts as `init` does, but goes on counting steps."""
    seq, shared = series(2), compiled(name)
    whole, cut = shared.learn["run"](seq)[0], int(np.argmax(seq.resets))
    for rows, steps in ((np.arange(cut), 0), (np.arange(cut, LENGTH), int(seq.valid[:cut].sum()))):
        alone = eqx.tree_at(lambda s: s.resets, take(seq, rows), jnp.zeros(LENGTH, bool))
        state = eqx.tree_at(lambda s: s.step, shared.start, jnp.asarray(steps, shared.start.step.dtype))
        part = shared.learn["run"](alone, state=state)[0]
        valid = np.asarray(alone.valid[: len(rows)])
        assert_close(predictions(part, np.flatnonzero(valid)), predictions(whole, rows[valid]), TOLERANCE)
        assert_close(at(part[2], -1), at(whole[2], rows[-1]), TOLERANCE)


@double
@every_model
def test_a_reset_acts_on_a_row_with_nothing_observed(name):
    seq, shared = series(3), compiled(name)
    seq = eqx.tree_at(lambda s: s.observed, seq, seq.observed & ~seq.resets[:, None])
    found, want = shared.learn["run"](seq)[0], shared.learn["loop"](seq)[0]
    assert_close(predictions(found, seq.valid), predictions(want, seq.valid), TOLERANCE)
    assert_close(found[2], want[2], TOLERANCE)


@double
@every_model
def test_padding_changes_nothing(name):
    """Rows that are not valid, at the end or in the middle, may hold anything and may as well not be there."""
    seq, shared = masked(series(4), np.arange(LENGTH) < LENGTH - 2), compiled(name)
    want = shared.learn["run"](seq)[0]
    blank = ~seq.valid
    junk = lambda v, value: jnp.where(blank.reshape(-1, *[1] * (v.ndim - 1)), value, v)  # noqa: E731
    dirty = eqx.tree_at(
        lambda s: (s.x, s.observed, s.dt, s.controls, s.resets),
        seq,
        (junk(seq.x, 1e6), junk(seq.observed, True), junk(seq.dt, 9.0), junk(seq.controls, -1e6), seq.resets | blank),
    )
    found, total, gradients = shared.learn["run"](dirty)
    assert_close(predictions(found, seq.valid), predictions(want, seq.valid), TOLERANCE)
    assert_close(at(found[2], -1), at(want[2], -1), TOLERANCE)
    assert not np.any(np.asarray(found[1])[blank])
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((found, total, gradients)))
    assert not np.any(np.asarray(gradients[1])[blank])
    rows = np.flatnonzero(seq.valid)
    packed = shared.learn["run"](take(seq, rows))[0]
    assert_close(predictions(packed, np.arange(len(rows))), predictions(want, rows), TOLERANCE)
    assert_close(at(packed[2], -1), at(want[2], -1), TOLERANCE)


@double
@pytest.mark.parametrize("name", mostly_slow(MODELS, always=("default",)))
def test_ragged_batch_equals_one_by_one(name):
    """Padded to one length they are as they would be alone, unpadded."""
    long, short = series(5), take(series(6, clean=True), np.arange(HALF))
    keys, shared = jax.random.split(KEY, 4), compiled(name)
    together = shared.many([long, short, short, long], keys)
    alone = shared.learn["run"](long, keys[0])[0]
    assert_close(predictions(at(together, 0), long.valid), predictions(alone, long.valid), TOLERANCE)
    alone = shared.run(short.rows(0, HALF), keys[1])
    assert_close(predictions(at(together, 1), np.arange(HALF)), predictions(alone, np.arange(HALF)), TOLERANCE)
    assert_close(at(together[2], (1, -1)), at(alone[2], -1), TOLERANCE)


@double
@some_models
def test_batch_order_does_not_matter(name):
    sequences, keys, shared = [series(seed) for seed in range(4)], jax.random.split(KEY, 4), compiled(name)
    order = np.array([2, 0, 3, 1])
    whole = shared.many(sequences, keys)
    assert_close(shared.many([sequences[i] for i in order], keys[order]), at(whole, order), TOLERANCE)


@double
@pytest.mark.parametrize("name", mostly_slow(MODELS.keys() - BY_STEP - DRAWN_GAPS - NOISY_FLOW, always=ESSENTIAL))
def test_an_unobserved_instant_changes_no_prediction(name):
    """The time up to a row is cut in two by a row with nothing observed; there is no latent noise after the first row.

    With noise the law is the same, but its draws are indexed by rows.
    """
    seq, shared = take(series(8, clean=True), np.arange(LENGTH - 1)), Compiled(MODELS[name](KEY, sigma_z=0.0))
    seq = eqx.tree_at(lambda s: s.observed, seq, seq.observed.at[4].set(False).at[6, :2].set(False))
    everything = [seq, *(_cut_in_two(seq, place) for place in range(LENGTH - 1))]
    whole = shared.many(everything)
    want = at(whole, 0)
    for place in range(LENGTH - 1):
        rows = np.delete(np.arange(LENGTH), place)
        found = at(whole, place + 1)
        assert_close(predictions(found, rows), predictions(want, np.arange(LENGTH - 1)), TOLERANCE)
        clockless = [eqx.tree_at(lambda s: s.step, at(out[2], -1), 0) for out in (found, want)]
        assert_close(*clockless, TOLERANCE)


def _cut_in_two(seq, place):
    rows = np.insert(np.arange(LENGTH - 1), place, place)
    longer = take(seq, rows)
    share = longer.dt[place] * jnp.array([0.3, 0.7])
    return eqx.tree_at(
        lambda s: (s.observed, s.dt),
        longer,
        (longer.observed.at[place].set(False), longer.dt.at[place].set(share[0]).at[place + 1].set(share[1])),
    )


@double
@every_model
def test_log_weight_of_a_partly_observed_row_is_the_marginal_density(name):
    """Against scipy's density of the observed entries, past the rows of the context."""
    seq, shared = series(0), compiled(name)
    params, log_weights, _ = shared.learn["run"](seq)[0]
    counted = np.asarray(seq.observed & seq.valid[:, None])
    first = shared.model.context or 0
    rows = [t for t in range(LENGTH) if counted[t].any() and first + 1 < t < int(np.argmax(seq.resets))]
    assert any(not counted[t].all() for t in rows)
    for t in rows:
        law = shared.model.emission(at(params, t))
        assert float(log_weights[t]) == pytest.approx(_density(law, seq.x[t], counted[t]), rel=1e-9)


def _density(law, x, seen):
    """Log density of the entries seen: by family, of Student-t or a mixture of them, of a Gaussian otherwise."""
    if isinstance(law, Columns):
        each = [own.log_prob(x[np.array(at)])[seen[list(at)]] for at, own in zip(law.indices, law.laws, strict=True)]
        return float(sum(value.sum() for value in each))
    if isinstance(law, dist.MixtureSameFamily):
        weights = np.exp(law.mixing_distribution.logits) / np.exp(law.mixing_distribution.logits).sum()
        return np.log(weights @ np.exp(_student(law.component_distribution, x, seen)))
    if isinstance(law, dist.Independent) and isinstance(law.base_dist, dist.StudentT):
        return _student(law, x, seen)
    joint = law.covariance_matrix if hasattr(law, "covariance_matrix") else np.diag(law.variance)
    return stats.multivariate_normal.logpdf(x[seen], law.mean[seen], np.asarray(joint)[np.ix_(seen, seen)])


def _student(law, x, seen):
    t = law.base_dist
    return stats.t.logpdf(x[seen], *(np.asarray(v)[..., seen] for v in (t.df, t.loc, t.scale))).sum(-1)


@double
@every_model
def test_rollout_draws_follow_predict_and_no_two_steps_share_a_draw(name):
    """First rows, standardised by the law given the same latent noise, have mean 0 and standard deviation 1."""
    seq, shared = series(9, clean=True), compiled(name)
    flat = eqx.tree_at(lambda s: (s.controls, s.dt), seq, (0 * seq.controls + 1.0, 0 * seq.dt + 1.0))
    state = at(shared.learn["run"](seq)[0][2], HALF)
    mean, deviation, paths = shared.paths(flat, jax.random.split(KEY, PATHS), state)
    scores = np.asarray((paths[:, 0] - mean) / deviation)
    assert np.all(np.abs(scores.mean(0)) < 4 / np.sqrt(PATHS))
    assert np.all(np.abs(scores.std(0) - 1) < 4 / np.sqrt(2 * PATHS))
    assert paths.shape == (PATHS, HORIZON, OBS)
    # One noise for two steps would make them all but proportional.
    together = [np.corrcoef(paths[:, 0, column], paths[:, 1, column])[0, 1] for column in range(OBS)]
    assert np.all(np.abs(together) < 0.9)


def _location(params) -> np.ndarray:
    """What says where the next row will be: means, outputs for families, or those of every mode."""
    own = params.get("each", params)
    return np.asarray(own["loc"] if "loc" in own else own["raw"])


@double
@every_model
def test_noise_differs_by_step_and_key_and_repeats_for_one_key(name):
    """With equal rows, all that differs between steps is the noise."""
    shared = compiled(name)
    once, again, other = (shared.learn["run"](series(0), key)[0] for key in (KEY, KEY, jax.random.key(8)))
    for first, second in zip(jax.tree.leaves(once), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(first, second)
    valid = np.flatnonzero(series(0).valid)
    differ = _location(once[0])[valid] != _location(other[0])[valid]
    assert np.all(differ) if name not in NOT_LATENT else not np.any(differ)


@double
@every_model
def test_gradients_equal_finite_differences(name):
    """Along a random direction in every array of weights."""
    seq, shared, step = series(0), compiled(name), 1e-5
    leaves, structure = jax.tree.flatten(shared.weights)
    gradient = jax.tree.leaves(shared.learn["run"](seq)[2][0])
    rng = np.random.default_rng(2)
    for place, leaf in enumerate(leaves):
        direction = rng.normal(size=leaf.shape)
        moved = [
            [*leaves[:place], np.asarray(leaf) + sign * step * direction, *leaves[place + 1 :]] for sign in (1, -1)
        ]
        above, below = (shared.learn["run"](seq, weights=jax.tree.unflatten(structure, point))[1] for point in moved)
        slope = float(np.sum(gradient[place] * direction))
        assert slope == pytest.approx(float(above - below) / (2 * step), rel=1e-6, abs=1e-6)


@double
@pytest.mark.parametrize("name", mostly_slow(MODELS, always=("default",)))
def test_single_precision_is_near_double(name, monkeypatch):
    """With the same noise, which jax draws differently in the two."""
    normal = jax.random.normal
    monkeypatch.setattr(
        jax.random, "normal", lambda key, shape=(), dtype=float: normal(key, shape, jnp.float32).astype(dtype)
    )
    single = lambda tree: jax.tree.map(lambda v: v.astype("float32") if eqx.is_inexact_array(v) else v, tree)  # noqa: E731
    model, seq = MODELS[name](jax.random.key(1)), series(0)
    want = Compiled(model).run(seq)
    with jax.enable_x64(False):
        found = Compiled(single(model)).run(single(seq))
    assert found[1].dtype == jnp.float32
    assert_close(predictions(found, seq.valid), predictions(want, seq.valid), 2e-4)
    assert_close(found[2], want[2], 2e-4)


@pytest.mark.parametrize("name", mostly_slow(MODELS, always=("default", "student")))
@pytest.mark.parametrize("size", [1.0, 1e6])
def test_large_inputs_stay_finite(name, size):
    """In the precision of the process, values and gradients."""
    seq = series(0)
    scaled = eqx.tree_at(lambda s: (s.x, s.controls), seq, (size * seq.x, size * seq.controls))
    for leaf in jax.tree.leaves(compiled(name).learn["run"](scaled)):
        assert np.isfinite(leaf).all()


@pytest.mark.parametrize("name", mostly_slow(MODELS, always=("default", "student")))
def test_nothing_observed_at_all_is_finite_and_weighs_nothing(name):
    seq = eqx.tree_at(
        lambda s: (s.observed, s.x), series(0), (jnp.zeros((LENGTH, OBS), bool), jnp.zeros((LENGTH, OBS)))
    )
    out, total, gradients = compiled(name).learn["run"](seq)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((out, total, gradients)))
    assert not np.any(out[1])
