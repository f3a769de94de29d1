"""Objectives against a re-computation in NumPy, closed forms, and their refusals."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from models.alternator.linear_gaussian import ALPHA, LATENT, OBS, SIGMA_X, SIGMA_Z, F, G, affine, f, g
from scipy.stats import norm
from untyped import untyped

from alternax.core.errors import InputError
from alternax.core.model import draw_key, latent_key
from alternax.core.sequence import Sequence
from alternax.data.schema import Schema
from alternax.fit.objectives import (
    Classify,
    CrossEntropy,
    Elbo,
    Masked,
    ModelLoss,
    Objective,
    RolloutScore,
    Supervised,
    default_objective,
)
from alternax.models import Alternator, Autoregressive

LENGTH, KEY = 8, jax.random.key(3)
FACTOR, CARRY = np.sqrt(1 - SIGMA_X**2), np.sqrt(1 - ALPHA - SIGMA_Z**2)
RATIO = (SIGMA_Z / SIGMA_X) ** 2
double = pytest.mark.float64


def labelled_series() -> tuple[np.ndarray, np.ndarray, Sequence]:
    rng = np.random.default_rng(0)
    x, targets = rng.normal(size=(LENGTH, OBS)), rng.normal(size=(LENGTH, 1))
    targets[2] = np.nan
    return x, targets, Sequence.build(jnp.asarray(x), targets=jnp.asarray(targets))


def decoder(**settings) -> Alternator:
    return affine(target_dim=1, decode="latent", **settings)


def classifier() -> Autoregressive:
    return Autoregressive(OBS, body="affine", width=2, class_count=3, key=KEY)


def described(targets: int = 0, classes: int = 0) -> Schema:
    names = tuple(f"target{i}" for i in range(targets))
    return Schema(values=("a", "b"), kinds=("real",) * 2, targets=names, classes=tuple(range(classes)))


def latent_noise(step: int) -> np.ndarray:
    return np.asarray(jax.random.normal(latent_key(KEY, jnp.asarray(step)), (LATENT,)))


def free_running(x: np.ndarray) -> np.ndarray:
    """m_t given the rows up to t."""
    m, path = np.zeros(LATENT), []
    for row in x:
        m = np.sqrt(ALPHA) * (G @ row + g) + CARRY * m
        path.append(m)
    return np.array(path)


@double
def test_cross_entropy_fed_by_data_is_the_papers_loss():
    x, targets, seq = labelled_series()
    z, drawn, given = latent_noise(0), [], []
    for t, row in enumerate(x):
        known = z.copy()
        if t and not np.isnan(targets[t - 1, 0]):
            known[0] = targets[t - 1, 0]
        drawn.append(row - FACTOR * (F @ z + f))
        given.append(row - FACTOR * (F @ known + f))
        z = np.sqrt(ALPHA) * (G @ row + g) + CARRY * z + SIGMA_Z * latent_noise(t + 1)
    decoded = (free_running(x)[:, :1] - targets)[~np.isnan(targets)]
    want = np.mean(decoded**2) + RATIO * np.mean(np.square(given))
    assert float(eqx.filter_jit(CrossEntropy())(decoder(), seq, key=KEY)) == pytest.approx(want, rel=1e-9)
    unlabelled = Sequence.build(jnp.asarray(x))
    assert float(eqx.filter_jit(CrossEntropy())(affine(), unlabelled, key=KEY)) == pytest.approx(
        RATIO * np.mean(np.square(drawn))
    )


@double
def test_cross_entropy_fed_by_own_samples_reads_the_data_in_the_error_alone():
    """The gradient in x is that of a squared error around a path that Algorithm 1 draws without x."""
    x, _, seq = labelled_series()
    z, means = latent_noise(0), []
    for t in range(LENGTH):
        means.append(FACTOR * (F @ z + f))
        own = means[-1] + SIGMA_X * np.asarray(jax.random.normal(draw_key(KEY, jnp.asarray(t)), (OBS,)))
        z = np.sqrt(ALPHA) * (G @ own + g) + CARRY * z + SIGMA_Z * latent_noise(t + 1)
    model, objective = affine(), CrossEntropy(feed="own")
    slope = jax.jit(jax.grad(lambda x: objective(model, eqx.tree_at(lambda s: s.x, seq, x), key=KEY)))
    for data in (x, 3 * x - 1):
        np.testing.assert_allclose(slope(jnp.asarray(data)), 2 * RATIO * (data - means) / x.size, rtol=1e-9)


@double
def test_cross_entropy_fed_by_own_samples_starts_anew_at_resets_and_skips_padding():
    x, _, _ = labelled_series()
    model, objective = affine(), CrossEntropy(feed="own")
    padded = Sequence.build(jnp.asarray(x), valid=jnp.asarray(np.arange(LENGTH) != 2))
    shorter = Sequence.build(jnp.asarray(np.delete(x, 2, axis=0)))
    packed = Sequence.build(jnp.asarray(x), resets=jnp.asarray(np.arange(LENGTH) == 4))

    slope = jax.jit(jax.grad(lambda v, seq: objective(model, eqx.tree_at(lambda s: s.x, seq, v), key=KEY)))

    def mean(seq):
        return np.asarray(seq.x - slope(seq.x, seq) * seq.valid.sum() * OBS / (2 * RATIO))

    np.testing.assert_allclose(np.delete(mean(padded), 2, axis=0), mean(shorter), rtol=1e-9)
    np.testing.assert_allclose(mean(packed)[4], FACTOR * (F @ latent_noise(4) + f), rtol=1e-9)


@double
def test_supervision_is_the_squared_error_and_fits_the_scale_beside_it():
    x, targets, seq = labelled_series()
    model = eqx.tree_at(lambda m: m.target_log_scale, decoder(), jnp.array([0.3]))
    rest = (free_running(x)[:, :1] - targets)[~np.isnan(targets)]
    scale = np.exp(0.3)
    learn = eqx.filter_jit(eqx.filter_value_and_grad(lambda m: Supervised(weight=2.0)(m, seq, key=KEY)))
    value, slope = learn(model)
    want = 2 * np.mean(rest**2 + np.log(scale) + 0.5 * rest**2 / scale**2)
    assert float(value) == pytest.approx(want, rel=1e-9)
    assert float(slope.target_log_scale[0]) == pytest.approx(2 * np.mean(1 - rest**2 / scale**2), rel=1e-9)
    # d m_t / d g = sqrt(a) (1 + c + ... + c^(t-1)): the scale has no say in how the mean learns.
    memory = np.sqrt(ALPHA) * (1 - CARRY ** np.arange(1, LENGTH + 1)) / (1 - CARRY)
    want = 2 * np.mean(2 * rest * memory[~np.isnan(targets[:, 0])])
    assert float(slope.ftn.net.bias[0]) == pytest.approx(want, rel=1e-9)


@double
def test_evidence_bound_is_a_mean_over_the_entries_past_the_context():
    """Rows count towards the context of their own packed sequence once anything in them is observed."""
    rng, context = np.random.default_rng(1), 2
    x, valid, resets = rng.normal(size=(12, OBS)), np.arange(12) != 4, np.isin(np.arange(12), [6])
    x[1] = x[5, 0] = x[9] = np.nan
    model = affine(noise="learned", context=context)
    seq = Sequence.build(jnp.asarray(x), valid=jnp.asarray(valid), resets=jnp.asarray(resets))
    count = seen = 0
    for t in range(12):
        seen = 0 if resets[t] else seen
        entries = int((~np.isnan(x[t])).sum()) if valid[t] else 0
        count += entries if seen >= context else 0
        seen += entries > 0
    assert 0 < count < 12
    unrolled = eqx.filter_jit(lambda key: model.unroll(seq, key=key)[1])
    log_weights = unrolled(jax.random.split(KEY, 1)[0])
    found = eqx.filter_jit(Elbo())(model, seq, key=KEY)
    assert float(found) == pytest.approx(-float(log_weights.sum()) / count, rel=1e-9)
    again = unrolled(KEY).sum()
    assert float(eqx.filter_jit(ModelLoss())(model, seq, key=KEY)) == pytest.approx(-float(again) / count, rel=1e-9)


def toy() -> Alternator:
    """Rows independent of everything, x ~ N(f, (0.601)^2)."""
    model = affine("learned")
    return eqx.tree_at(lambda m: m.otn.net.weight, model, jnp.zeros_like(model.otn.net.weight))


def gaussian_crps(x: np.ndarray) -> np.ndarray:
    """Gneiting and Raftery (2007), equation 21."""
    scale = SIGMA_X + 1e-3
    w = (x - f) / scale
    return scale * (w * (2 * norm.cdf(w) - 1) + 2 * norm.pdf(w) - 1 / np.sqrt(np.pi))


@pytest.mark.parametrize(
    ("kind", "scored"), [("crps", [True, True]), ("crps", [False, True]), ("energy", [True, False])]
)
def test_rollout_score_of_independent_gaussian_rows_is_their_closed_form_crps(kind, scored):
    """Averaged over all origins; of one column the energy score is the CRPS."""
    x, horizon, replicates = np.random.default_rng(2).normal(size=(LENGTH, OBS)), 3, 400
    seq = Sequence.build(jnp.asarray(x), scored=jnp.asarray(scored))
    objective, model = RolloutScore(kind, horizon=horizon, samples=3, origins=2), toy()
    score = jax.jit(jax.vmap(lambda key: objective(model, seq, key=key)))
    found = np.asarray(score(jax.random.split(KEY, replicates)))
    each = gaussian_crps(x)[:, scored]
    want = np.mean([each[origin + 1 : origin + 1 + horizon].mean() for origin in range(LENGTH - horizon)])
    error = found.std() / np.sqrt(replicates)
    print(f"{kind} {scored}: {found.mean():.4f} +- {error:.4f}, closed form {want:.4f}")
    assert abs(found.mean() - want) < 4 * error


def test_rollout_score_reads_no_missing_entry_and_no_padding():
    x = np.random.default_rng(2).normal(size=(LENGTH, OBS))
    observed, valid = np.ones((LENGTH, OBS), bool), np.arange(LENGTH) < 6
    observed[4, 0] = observed[5] = False
    hidden = ~observed | ~valid[:, None]
    model, objective = affine(), RolloutScore("crps", horizon=3, samples=2, origins=5)
    seq = Sequence.build(jnp.asarray(x), jnp.asarray(observed), valid=jnp.asarray(valid))
    other = eqx.tree_at(lambda s: s.x, seq, jnp.where(jnp.asarray(hidden), 77.0, seq.x))
    score = jax.jit(lambda s: objective(model, s, key=KEY))
    assert float(score(seq)) == float(score(other)) != 0.0


def test_objectives_add_and_scale():
    _, _, seq = labelled_series()
    one, combined = Supervised(), 2 * Supervised() + Supervised(weight=3.0) * 0.5 + Supervised()
    both = eqx.filter_jit(lambda model, seq: [objective(model, seq, key=KEY) for objective in (one, combined)])
    first, second = both(decoder(), seq)
    assert float(second) == pytest.approx(4.5 * float(first), rel=1e-5)
    assert (Elbo() + RolloutScore(horizon=7) + RolloutScore(horizon=5)).horizon == 7
    with pytest.raises(TypeError):
        Elbo() + 1.0
    # Every term has noise of its own.
    twice = float(eqx.filter_jit(Elbo() + -1.0 * Elbo())(affine(), seq, key=KEY))
    assert twice != 0.0


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (Elbo(particles=0), r"Elbo needs particles >= 1; found 0"),
        (Supervised(), r"the data have 3, the model decodes 0"),
        (CrossEntropy(feed="noise"), r"feeds 'data' or 'own'; found 'noise'"),
        (Elbo() + 0.5 * CrossEntropy(feed="noise"), r"found 'noise'"),
        (Classify(), r"Classify needs data with at least 2 classes, found 1: give labels= to Sequences\.from_numpy"),
    ],
)
def test_what_an_objective_cannot_train_is_refused(objective, message):
    with pytest.raises(InputError, match=message):
        objective.check(affine(), described(targets=3, classes=1))


def test_a_rollout_score_of_unknown_kind_or_too_few_rows_is_refused_when_it_is_made():
    with pytest.raises(InputError, match=r"RolloutScore knows 'crps' and 'energy'; found 'crsp'"):
        RolloutScore("crsp", horizon=3)
    for name, least in (("horizon", 1), ("samples", 2), ("origins", 1)):
        with pytest.raises(InputError, match=rf"RolloutScore needs {name} >= {least}; found {least - 1}"):
            RolloutScore(**{name: least - 1})


def test_classes_that_the_model_does_not_know_are_refused():
    for model, known in ((affine(), 0), (classifier(), 3)):
        with pytest.raises(InputError, match=rf"have 4, the model knows {known}\. Give class_count=data\.class_count"):
            Classify().check(model, described(classes=4))
    Classify().check(classifier(), described(classes=3))


def test_classification_is_the_cross_entropy_of_labelled_series_alone():
    x, _, _ = labelled_series()
    model = classifier()
    logits = np.asarray(model.classify(Sequence.build(jnp.asarray(x)), key=KEY), float)
    probabilities = np.exp(logits) / np.exp(logits).sum()
    for label in range(3):
        seq = Sequence.build(jnp.asarray(x), label=label)
        assert float(Classify(weight=2.0)(model, seq, key=KEY)) == pytest.approx(
            -2 * np.log(probabilities[label]), 1e-5
        )
    assert float(Classify()(model, Sequence.build(jnp.asarray(x)), key=KEY)) == 0.0
    assert Classify().whole and (Elbo() + 0.5 * Classify()).whole and Masked(Classify()).whole
    assert not (Elbo() + Supervised()).whole and not Masked(Elbo()).whole


def test_cross_entropy_is_refused_for_other_models():
    with pytest.raises(InputError, match=r"the Alternator's objective; found a object\. Use ModelLoss"):
        CrossEntropy().check(object(), described())


def test_default_objective_follows_what_the_model_can_do():
    assert default_objective(decoder(), 5) == Elbo() + Supervised()
    assert default_objective(affine(), 5) == Elbo() + RolloutScore("crps", horizon=5)
    assert default_objective(object(), 5) == ModelLoss()
    assert default_objective(classifier(), 5) == Elbo() + Classify()
    both = Autoregressive(OBS, body="affine", width=2, class_count=3, target_dim=1, key=KEY)
    assert default_objective(both, 5).terms == ((1.0, Elbo()), (1.0, Supervised()), (1.0, Classify()))


@double
def test_masking_hides_its_share_and_passes_the_rest_on():
    _, _, seq = labelled_series()

    class Count(Objective):
        def __call__(self, model, seq, *, key):
            return seq.observed.mean() + 0.0 * seq.x.sum()

    shares = jax.vmap(lambda key: Masked(Count(), 0.3)(affine(), seq, key=key))(jax.random.split(KEY, 400))
    se = np.sqrt(0.3 * 0.7 / (400 * LENGTH * OBS))
    assert abs(float(shares.mean()) - 0.7) < 4 * se
    with untyped(), pytest.raises(InputError, match="Masked hides a share of at least 0 and below 1; found 1"):
        Masked(Count(), 1.0).check(affine(), described())
