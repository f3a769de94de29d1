"""Rows of mixed columns: each column is its own family's, in its own units; and what the door refuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from untyped import untyped

import alternax as ax
from alternax.core.emission import complete, observed_log_prob
from alternax.nets.context_scale import ContextScale
from alternax.nets.families.door import check_kinds, warn_of_unseen
from alternax.nets.past import Past
from alternax.nets.residual import Residual

families = ax.families
MIXED = [families.Normal(), families.Poisson(), families.Categorical(3), families.Normal(), families.LogNormal()]
KINDS = ["real", "count", "category", "real", "positive"]
ROW = jnp.array([0.4, 7.0, 2.0, -1.0, 1.3])


def past(last, age=1.0) -> Past:
    return Past(jnp.asarray(last), jnp.full(len(last), age), jnp.asarray(age), None)


def test_every_column_has_the_law_of_its_own_family():
    laws = families.ColumnLaws(MIXED, levels=[1.0, 4.0, 1.0, 1.0, 1.0])
    raw = jax.random.normal(jax.random.key(0), (laws.asked_dim,))

    def row(raw, seen):
        law = laws.emission(**laws.params(raw, past(ROW), Residual("change", 5), None))
        return observed_log_prob(law, ROW, seen), complete(law, ROW, seen, jax.random.key(1))

    def alone(raw):
        # By family: Normal of columns 0 and 3, then the others in their order.
        own = {0: raw[:2], 3: raw[2:4], 1: raw[4:5], 2: raw[5:8], 4: raw[8:10]}
        last = {0: 0.4, 3: -1.0, 4: np.log(1.3)}
        level = {1: 4.0}
        law = lambda c: MIXED[c].law(own[c], *(jnp.asarray(v) for v in (last.get(c, 0.0), 0.0, level.get(c, 1.0))))  # noqa: E731
        return jnp.stack([law(c).log_prob(ROW[c].astype(int) if c == 1 else ROW[c]) for c in range(5)])

    each, run = np.asarray(jax.jit(alone)(raw)), jax.jit(row)
    for seen in (np.ones(5, bool), np.array([True, False, False, True, False]), np.zeros(5, bool)):
        value, filled = run(raw, jnp.asarray(seen))
        assert float(value) == pytest.approx(each[seen].sum(), rel=1e-5, abs=1e-6)
        np.testing.assert_array_equal(np.asarray(filled)[seen], np.asarray(ROW)[seen])
    assert filled[1] == round(float(filled[1])) and filled[1] >= 0 and float(filled[2]) in (0, 1, 2) and filled[4] > 0


def test_units_come_from_the_context_where_there_is_one():
    laws, scaling = families.ColumnLaws([families.Normal(), families.Poisson()]), ContextScale(2, 4)
    state = scaling.init()
    for row in ([1.0, 3.0], [2.0, 5.0], [3.0, 10.0]):
        state = scaling.step(state, jnp.array(row), jnp.ones(2, bool))
    params = laws.params(
        jnp.zeros(laws.asked_dim),
        Past(jnp.array([3.0, 10.0]), jnp.ones(2), jnp.ones(()), state),
        Residual(None, 2),
        scaling,
    )
    np.testing.assert_allclose(params["location"], [2.0, 0.0])
    # A standard deviation with one square of 1 beside three observed; a mean with the level 1 beside three counts.
    np.testing.assert_allclose(params["gain"], [np.sqrt((1 + 2) / 4), (1 + 18) / 4], rtol=1e-6)
    assert float(laws.emission(**params).mean[1]) == pytest.approx(4.75, rel=1e-3)


def test_families_of_data_follow_the_kinds_and_measure_levels_and_categories():
    x = np.array([[0.1, 3.0, 5.0, 1.0, 2.0], [0.2, 9.0, 2.0, 0.0, 4.0], [np.nan, 0.0, 5.0, 1.0, 1.0]])
    data = ax.Sequences.from_numpy(x, kinds=["real", "count", "category", "binary", "positive"])
    laws = families.of(data)
    assert laws.families == (
        families.Normal(), families.NegativeBinomial(), families.Categorical((2, 5)), families.Bernoulli(),
        families.LogNormal(),
    )  # fmt: skip
    np.testing.assert_allclose(laws.levels.value, [1, 4, 1, 1, 1])
    other = families.of(data, count=families.Poisson(), real=families.Mixture(2))
    assert other.families[:2] == (families.Mixture(2), families.Poisson())
    with pytest.raises(ax.InputError, match="Bernoulli does not describe columns of kind 'count'"):
        families.of(data, count=families.Bernoulli())
    with pytest.raises(ax.InputError, match=r"unknown kind 'counts'; choose real, positive, count, binary or category"):
        families.of(data, counts=families.Poisson())
    late = ax.Sequences.from_numpy(np.array([[1.0, np.nan], [2.0, np.nan], [0.0, 3.0]]), kinds=["real", "category"])
    empty, _ = late.split(2)
    with pytest.raises(ax.InputError, match="of kind category and has no observed entry"):
        families.of(empty)


def alternator(noise, **settings):
    return ax.Alternator(2, **{"latent_dim": 2, "ftn": "affine", "otn": "affine"} | settings, noise=noise, key=KEY)


KEY = jax.random.key(0)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: families.ColumnLaws(["poisson"]), "expected a family for each column.*'poisson' for column 0"),
        (lambda: families.ColumnLaws([families.Poisson()], [0.0]), "positive level for each of 1 columns"),
        (lambda: alternator([families.Poisson()]), "the families are for 1 columns, the model for obs_dim = 2"),
        (
            lambda: alternator(families.ColumnLaws(MIXED[:2]), operator=ax.Operator(jnp.eye(2))),
            "an observation operator mixes real columns",
        ),
    ],
)
def test_what_does_not_fit_a_model_is_refused(build, message):
    with untyped(), pytest.raises(ax.InputError, match=message):
        build()


def test_columns_of_another_kind_and_unseen_categories_are_named():
    model = alternator([families.Poisson(), families.Categorical((1, 4))])
    wrong = ax.Sequences.from_numpy(np.ones((4, 2)), names=["sales", "shop"])
    with pytest.raises(ax.InputError, match="column 'sales' is of kind 'real', its family in the model is Poisson"):
        check_kinds(model, wrong.schema)
    x = np.array([[0.0, 1.0], [2.0, 9.0], [1.0, np.nan]])
    data = ax.Sequences.from_numpy(x, names=["sales", "shop"], kinds=["count", "category"])
    check_kinds(model, data.schema)
    with pytest.warns(UserWarning, match=r"column 'shop' has 1 categories that were not there in training \(9\)"):
        warn_of_unseen(model, data)


@pytest.mark.parametrize("objective", [ax.RolloutScore(), ax.CrossEntropy()])
def test_objectives_that_cannot_train_it_are_refused(objective):
    model = alternator([families.Poisson(), families.Normal()])
    data = ax.Sequences.from_numpy(np.ones((4, 2)), kinds=["count", "real"])
    with pytest.raises(
        ax.InputError, match="draws that are differentiable|CrossEntropy compares means of real columns"
    ):
        objective.check(model, data.schema)
