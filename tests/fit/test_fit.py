"""`fit` from door to result: repeatable, honest about gaps, and clear about what does not fit together."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from trained import SETTINGS, ragged, small, trained, walk

import alternax as ax
from alternax.core.errors import InputError


def leaves(fitted) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(fitted.model)]


def same(a, b) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(leaves(a), leaves(b), strict=True))


def test_same_seed_gives_the_same_result_bit_for_bit_and_another_seed_another():
    again = ax.fit(small(control_dim=2), ragged(), **SETTINGS)
    other = ax.fit(small(control_dim=2), ragged(), **SETTINGS, seed=1)
    assert same(trained(), again)
    assert not same(trained(), other)
    assert again.record.train_loss == trained().record.train_loss
    assert (trained().record.seed, other.record.seed) == (0, 1)


def test_training_lowers_the_validation_loss_and_the_record_says_what_was_done():
    record = trained().record
    assert record.stopped == "finished" and record.steps == 20 and record.window == 12
    assert record.checked_at == (10, 20)
    assert record.valid_loss[1] < record.valid_loss[0]
    assert record.best_step == 20 and record.note == ""


def test_fitted_goes_on_from_the_end_of_every_series():
    tail = trained().tail
    np.testing.assert_array_equal(tail.lengths, [60, 50])
    np.testing.assert_array_equal(tail.last_times, ragged().last_times)


def test_other_sequences_can_judge_and_too_short_ones_are_left_out():
    judge = ragged(lengths=(40, 2))
    fitted = ax.fit(small(control_dim=2), ragged(), **SETTINGS, valid=judge)
    with_more = ax.fit(small(control_dim=2), ragged(), **SETTINGS, valid=ragged(lengths=(40, 3)))
    assert len(fitted.record.valid_loss) == 2
    assert (
        fitted.record.valid_loss
        == ax.fit(small(control_dim=2), ragged(), **SETTINGS, valid=judge.take([0])).record.valid_loss
    )
    assert with_more.record.train_loss == fitted.record.train_loss


def test_too_little_to_hold_out_is_said_in_the_record():
    fitted = ax.fit(small(control_dim=2), ragged(), **SETTINGS, valid=0.02)
    assert fitted.record.valid_loss == ()
    assert fitted.record.note == "no validation: 0.02 of 50 rows is too little for windows of 12 rows"
    assert ax.fit(small(control_dim=2), ragged(), **SETTINGS, valid=None).record.note == ""


def test_a_model_of_the_other_precision_is_refused():
    model = small(control_dim=2)
    with ax.set_precision("float64"), pytest.raises(InputError, match="made in float32, and float64 is set: build it"):
        ax.fit(model, ragged(), **SETTINGS)


def test_learning_nothing_is_said():
    """Every window ends within the context, whose rows only set the scale."""
    sparse = np.full((60, 2), np.nan)
    sparse[::20] = np.random.default_rng(0).normal(size=(3, 2))
    model, data = small(context=3), ax.Sequences.from_numpy(sparse)
    with pytest.warns(RuntimeWarning, match=r"nothing was learnt: the loss was 0 at every step\. No observed entry"):
        fitted = ax.fit(model, data, **SETTINGS, valid=None)
    assert fitted.record.note == "nothing was learnt: the loss was 0 at every step"


def test_what_is_hidden_does_not_matter():
    """Values under the mask are never read: not by the transform, not by the loss."""
    data = ragged(gap=slice(10, 20))
    filled = replace(data, x=np.where(data.observed, data.x, 1e6))
    assert same(ax.fit(small(control_dim=2), data, **SETTINGS), ax.fit(small(control_dim=2), filled, **SETTINGS))


@pytest.mark.slow
def test_training_with_hidden_entries_beats_filling_them_with_zeros():
    truth = ax.simulators.linear_gaussian(700, seed=3).x
    hidden = np.random.default_rng(4).random((500, 3)) < 0.3
    model = small(3, latent_dim=4, residual="carry")
    settings = {"objective": ax.Elbo(), "steps": 400, "every": 100, "batch": 8, "window": 50, "learning_rate": 1e-2}
    settings |= {"valid": None, "transform": ax.Identity()}
    scores = {}
    for name, fill in (("hidden", np.nan), ("zeros", 0.0)):
        data = ax.Sequences.from_numpy(np.where(hidden, fill, truth[:500]))
        fitted = ax.fit(model, data, **settings)
        test = fitted.backtest(ax.Sequences.from_numpy(truth), horizon=3, start=500, stride=2, samples=50)
        scores[name] = np.array([test.table["rmse"], test.table["crps"]])
    print(scores)
    # The mean of these data is zero, so zeros are the mildest of fillings.
    assert (scores["hidden"].mean(1) < 0.985 * scores["zeros"].mean(1)).all()


@pytest.mark.parametrize(
    ("build", "kind", "message"),
    [
        (lambda: ax.fit("lru", ragged()), TypeError, r"expected an alternax Model, found str"),
        (lambda: ax.fit(small(), walk(60)), TypeError, r"found ndarray: make them with Sequences\.from_frame"),
        (lambda: ax.fit(small(3, control_dim=2), ragged()), InputError, r"the data have obs_dim=2, the model.*with 3"),
        (
            lambda: ax.fit(small(), ragged()),
            InputError,
            r"have control_dim=2.*with 0: give control_dim=data\.control_dim",
        ),
        (
            lambda: ax.fit(small(control_dim=2, target_dim=1), ragged()),
            InputError,
            r"the data have target_dim=0, the model was built with 1: give target_dim=data\.target_dim",
        ),
        (
            lambda: ax.fit(small(control_dim=2), ragged(), objective=ax.Supervised()),
            InputError,
            r"Supervised needs a model that decodes the data's targets",
        ),
        (
            lambda: ax.fit(small(control_dim=2, context=40), ragged(), objective=ax.RolloutScore(horizon=20)),
            InputError,
            r"the context and the objective's horizon, 61 rows; found 50 \(series 1 has 50 rows\)",
        ),
        (
            lambda: ax.fit(small(control_dim=2), ragged(), **SETTINGS, valid=ragged(lengths=(1, 1))),
            InputError,
            r"valid: a series must hold the context and the objective's horizon, 2 rows; the longest has 1",
        ),
        (
            lambda: ax.fit(small(control_dim=2), ragged(), valid=ax.Sequences.from_numpy(walk(30))),
            InputError,
            r"times: the model was fitted on times of kind datetime, found index",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(build, kind, message):
    with pytest.raises(kind, match=message):
        build()
