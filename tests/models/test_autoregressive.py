"""The autoregressive model against the exact law of a VAR, its equations written out, and its refusals."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from models.var import OBS, A, D, W, b, joint, var
from untyped import untyped

import alternax as ax
from alternax.core.errors import InputError
from alternax.core.sequence import Sequence
from alternax.models import Autoregressive

LENGTH, PATHS, KEY = 6, 4000, jax.random.key(3)
double = pytest.mark.float64


def simulated(rows: int, seed: int = 0) -> np.ndarray:
    rng, x = np.random.default_rng(seed), np.zeros((rows + 1, OBS))
    for t in range(rows):
        x[t + 1] = A @ x[t] + b + W @ rng.normal(size=1) + np.sqrt(D) * rng.normal(size=OBS)
    return x[1:]


@double
def test_likelihood_of_an_affine_model_is_that_of_the_var():
    x = np.random.default_rng(1).normal(size=(LENGTH, OBS))
    seq = Sequence.build(jnp.asarray(x))
    want = joint(LENGTH).log_density(x)
    assert float(eqx.filter_jit(var().unroll)(seq, key=KEY)[1].sum()) == pytest.approx(want, rel=1e-10)
    loss = eqx.filter_jit(lambda model: model.loss(seq, key=KEY))
    assert float(loss(var())) == pytest.approx(-want / x.size, rel=1e-10)
    # The same law with what the residual adds taken off the head.
    weight = lambda m: m.head.net.weight  # noqa: E731
    changed = eqx.tree_at(weight, var(residual="change"), weight(var()).at[:, :OBS].add(-jnp.eye(OBS)))
    assert float(loss(changed)) == pytest.approx(-want / x.size, rel=1e-10)


@pytest.mark.slow
@double
def test_gradient_of_the_likelihood_is_that_of_the_var():
    x, step = np.random.default_rng(1).normal(size=(LENGTH, OBS)), 1e-5
    seq, model = Sequence.build(jnp.asarray(x)), var()
    found = eqx.filter_grad(lambda m: m.unroll(seq, key=KEY)[1].sum())(model).head.net.bias

    def moved(shift):
        law = joint(LENGTH)
        maps = np.concatenate([sum(np.linalg.matrix_power(A, k) for k in range(t + 1)) @ shift for t in range(LENGTH)])
        return type(law)(law.mean + maps, law.covariance).log_density(x)

    want = [(moved(step * e) - moved(-step * e)) / (2 * step) for e in np.eye(OBS)]
    np.testing.assert_allclose(found, want, rtol=1e-7)


@pytest.mark.slow
@double
def test_paths_after_a_series_have_the_exact_mean_and_covariance():
    x = np.random.default_rng(1).normal(size=(LENGTH, OBS))
    model, law = var(), joint(LENGTH, start=x[-1])
    state = model.unroll(Sequence.build(jnp.asarray(x)), key=KEY)[2]
    controls, dts = jnp.zeros((LENGTH, 0)), jnp.ones(LENGTH)
    path = lambda key: model.rollout(state, LENGTH, controls=controls, dts=dts, key=key).ravel()  # noqa: E731
    found = np.asarray(jax.jit(jax.vmap(path))(jax.random.split(KEY, PATHS)))
    deviation = np.sqrt(np.diag(law.covariance))
    assert np.all(np.abs(found.mean(0) - law.mean) < 4 * deviation / np.sqrt(PATHS))
    error = np.sqrt((np.outer(deviation**2, deviation**2) + law.covariance**2) / PATHS)
    assert np.all(np.abs(np.cov(found.T) - law.covariance) < 4 * error)


@pytest.mark.slow
def test_training_finds_the_var():
    """Its forecasts have the exact law's mean and deviation, up to what 3,000 rows can tell."""
    data = ax.Sequences.from_numpy(simulated(3000))
    model = Autoregressive(OBS, body="affine", head="affine", width=OBS, law="lowrank", rank=1, key=KEY)
    settings = {"steps": 400, "every": 400, "batch": 16, "window": 64, "learning_rate": 2e-2, "valid": None}
    fitted = ax.fit(model, data, objective=ax.Elbo(), transform=ax.Identity(), **settings)
    forecast, law = fitted.forecast(horizon=4, samples=PATHS), joint(4, start=data.x[0, -1])
    deviation = np.sqrt(np.diag(law.covariance)).reshape(4, OBS)
    print(forecast.mean - law.mean.reshape(4, OBS), forecast.std / deviation)
    assert np.all(np.abs(forecast.mean - law.mean.reshape(4, OBS)) < 0.15 * deviation)
    assert np.all(np.abs(forecast.std / deviation - 1) < 0.08)


def gappy(**columns) -> Sequence:
    """Uneven times, a wholly missing row, a partly missing one, padding and a reset."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(9, OBS))
    x[2] = x[4, 0] = np.nan
    valid, resets = np.arange(9) != 5, np.arange(9) == 6
    rows = {"dt": rng.uniform(0.3, 2, 9), "valid": valid, "resets": resets} | columns
    return Sequence.build(jnp.asarray(x), **{name: jnp.asarray(value) for name, value in rows.items()})


def by_hand(model: Autoregressive, seq: Sequence) -> tuple[np.ndarray, np.ndarray]:
    """Features after every row and means before it: h = [last, missing] B', flowing as exp(-rate dt) between rows."""
    body, head = (np.asarray(net.net.weight) for net in (model.body, model.head))
    rates = np.log1p(np.exp(np.asarray(model.decay)))
    h, last, age, features, means = np.zeros(OBS), np.zeros(OBS), np.zeros(OBS), [], []
    for t in range(seq.length):
        if not seq.valid[t]:
            features.append(h)
            means.append(np.full(OBS, np.nan))
            continue
        if seq.resets[t]:
            h, last, age = np.zeros(OBS), np.zeros(OBS), np.zeros(OBS)
        dt, seen = float(seq.dt[t]), np.asarray(seq.observed[t])
        h, age = np.exp(-rates * dt) * h, age + dt
        means.append(head @ np.concatenate([h, np.log(np.maximum(age, 1e-12))]) + np.asarray(model.head.net.bias))
        last, age = np.where(seen, seq.x[t], last), np.where(seen, 0.0, age)
        if seen.any():
            h = body @ np.concatenate([last, 1.0 - seen]) + np.asarray(model.body.net.bias)
        features.append(h)
    return np.array(features), np.array(means)


@double
def test_features_hold_over_gaps_flow_in_time_and_start_anew():
    model = var(flow="decay", law="constant")
    rng = np.random.default_rng(0)
    parts = (
        rng.normal(size=(OBS, 2 * OBS)),
        rng.normal(size=OBS),
        rng.normal(size=(OBS, 2 * OBS)),
        np.array([-1.0, 0.5]),
    )
    model = eqx.tree_at(
        lambda m: (m.body.net.weight, m.body.net.bias, m.head.net.weight, m.decay),
        model,
        tuple(jnp.asarray(part) for part in parts),
    )
    seq = gappy()
    features, means = by_hand(model, seq)
    mean, var_ = eqx.filter_jit(model.filter)(seq, key=KEY)
    np.testing.assert_allclose(mean, features, rtol=1e-12)
    assert not np.any(var_)
    valid = np.asarray(seq.valid)
    np.testing.assert_allclose(model.unroll(seq, key=KEY)[0]["loc"][valid], means[valid], rtol=1e-12)


@double
@pytest.mark.parametrize("pool", ["mean", "last"])
def test_the_class_is_read_off_the_features_of_the_rows_seen_since_the_last_reset(pool):
    model = Autoregressive(OBS, body="gru", width=4, depth=1, class_count=3, pool=pool, key=KEY)
    seq = gappy()
    seq = eqx.tree_at(lambda s: s.observed, seq, seq.observed.at[7].set(False))
    features = np.asarray(eqx.filter_jit(model.filter)(seq, key=KEY)[0])
    pooled = features[[6, 8]].mean(0) if pool == "mean" else features[8]
    first, second = model.classifier.net.layers
    want = second(jax.nn.gelu(first(jnp.asarray(pooled))))
    np.testing.assert_allclose(model.classify(seq, key=KEY), want, rtol=1e-12)
    longer = Sequence.build(
        jnp.concatenate([seq.x, jnp.full((3, OBS), 7.0)]),
        jnp.concatenate([seq.observed, jnp.ones((3, OBS), bool)]),
        valid=jnp.concatenate([seq.valid, jnp.zeros(3, bool)]),
        resets=jnp.concatenate([seq.resets, jnp.ones(3, bool)]),
    )
    np.testing.assert_array_equal(model.classify(longer, key=KEY), model.classify(seq, key=KEY))


def test_nothing_observed_is_classified_by_the_bias_alone():
    model = Autoregressive(OBS, body="gru", width=4, depth=1, class_count=3, key=KEY)
    seq = Sequence.build(jnp.full((4, OBS), jnp.nan))
    assert np.isfinite(model.classify(seq, key=KEY)).all()


def test_targets_are_read_off_the_features_of_their_own_row():
    model = Autoregressive(OBS, body="affine", width=3, target_dim=2, key=KEY)
    seq = gappy()
    first, second = model.decoder.net.layers
    features, none = model.filter(seq, key=KEY)
    mean, scale = model.decode(features, none)
    np.testing.assert_allclose(mean[3], second(jax.nn.gelu(first(features[3]))), rtol=1e-5)
    np.testing.assert_array_equal(scale, np.ones_like(mean))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"obs_dim": 0}, r"obs_dim must be an integer of at least 1; found 0"),
        ({"width": 0}, r"width must be an integer of at least 1; found 0"),
        ({"depth": 1.5}, r"depth must be an integer of at least 1; found 1\.5"),
        ({"context": 0}, r"context must be an integer of at least 1; found 0"),
        ({"target_dim": -1}, r"target_dim must be an integer of at least 0; found -1"),
        ({"class_count": -1}, r"class_count must be an integer of at least 0; found -1"),
        ({"head": "gru"}, r"head='gru' is not known: choose 'mlp' or 'affine'"),
        ({"law": "laplace"}, r"law='laplace' is not known: choose 'normal', 'student', 'lowrank' or 'constant'"),
        ({"pool": "max"}, r"pool='max' is not known: choose 'mean' or 'last'"),
        ({"flow": "ou"}, r"flow='ou' is not known: choose None or 'decay'"),
        ({"residual": "skip"}, r"residual='skip' is not known: choose None, 'change' or 'carry'"),
        ({"sigma_x": 0.0}, r"sigma_x must be positive; found 0"),
        ({"law": "lowrank", "rank": 4}, r"needs 1 <= rank <= obs_dim = 3; found rank = 4"),
        ({"body": "s9"}, r"unknown kind 's9'; choose affine, mlp"),
        ({"operator": ax.Operator(np.eye(2, 4))}, r"the operator is for 4 columns, the model for obs_dim = 3"),
    ],
)
def test_setting_out_of_its_bounds_is_refused(settings, message):
    settings = {"obs_dim": 3, "body": "affine", "width": 2} | settings
    with untyped(), pytest.raises(InputError, match=message):
        Autoregressive(settings.pop("obs_dim"), **settings, key=KEY)


def test_what_the_model_was_not_built_for_is_refused():
    model, seq = var(), Sequence.build(jnp.ones((4, OBS + 1)))
    with (
        untyped(),
        pytest.raises(InputError, match=r"obs_dim=2, the data have 3: build it with ax.Autoregressive\(data"),
    ):
        model.unroll(seq, key=KEY)
    with pytest.raises(InputError, match="this Autoregressive was built with target_dim=0 and decodes nothing"):
        model.decode(jnp.ones((4, OBS)), jnp.ones((4, OBS)))
    with pytest.raises(InputError, match="was built with class_count=0 and classifies nothing: give class_count=data"):
        model.classify(gappy(), key=KEY)
