"""The training loop on objectives whose course is known: what is kept when training stops, and why it stopped."""

import re
import signal
import sys
from contextlib import contextmanager
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from trained import small

import alternax as ax
from alternax.core.errors import InputError
from alternax.fit.objectives import Objective

LIMIT = 0.055
ROWS = np.ones((40, 2))


def first(model) -> jnp.ndarray:
    return model.ftn.net.bias[0]


@dataclass(frozen=True)
class Climb(Objective):
    """Falls as one bias rises, until something there is not finite."""

    breaks: str

    def __call__(self, model, seq, *, key):
        over = first(model) > LIMIT
        if self.breaks == "loss":
            return jnp.where(over, jnp.nan, -first(model))
        return -first(model) + jnp.sqrt(jnp.where(over, 0.0 * first(model), 1.0))


@dataclass(frozen=True)
class Distance(Objective):
    """Squared distance of one bias to the data."""

    def __call__(self, model, seq, *, key):
        return jnp.mean((first(model) - seq.x) ** 2)


@dataclass(frozen=True)
class Squares(Objective):
    """Sum of all squared arrays of the model, trained or not."""

    def __call__(self, model, seq, *, key):
        floats = [leaf for leaf in jax.tree.leaves(model) if jnp.issubdtype(leaf.dtype, jnp.floating)]
        return sum(jnp.sum((leaf - 0.5) ** 2) for leaf in floats)


def start():
    model = small()
    return eqx.tree_at(lambda m: m.ftn.net.bias, model, jnp.zeros_like(model.ftn.net.bias))


def fit(objective, **settings):
    defaults = {"steps": 60, "every": 7, "batch": 2, "window": 8, "valid": None, "learning_rate": 0.01}
    defaults |= {"weight_decay": 0.0, "transform": ax.Identity()}
    data = ax.Sequences.from_numpy(ROWS)
    return ax.fit(start(), data, objective=objective, **(defaults | settings))


@pytest.mark.parametrize("every", [7, 1, 60])
@pytest.mark.parametrize("quantity", ["loss", "gradient"])
def test_what_is_not_finite_is_named_and_the_last_good_parameters_are_kept(quantity, every):
    """Regression: kept were the parameters after the last update, at which the loss is not finite."""
    with pytest.warns(RuntimeWarning, match=rf"training stopped: non-finite {quantity} at step \d+; .*Lower learning"):
        fitted = fit(Climb(quantity), every=every)
    record, kept = fitted.record, float(first(fitted.model))
    step = int(re.fullmatch(rf"non-finite {quantity} at step (\d+)", record.stopped)[1])
    assert 5 < step < 20
    assert record.steps == step - 1 and record.best_step == step - 2
    assert LIMIT - 0.011 < kept <= LIMIT
    assert np.isfinite(record.train_loss).all()


def test_a_huge_first_step_is_taken_back():
    with pytest.warns(RuntimeWarning, match="non-finite loss at step 2; the parameters of step 0 are kept"):
        fitted = fit(Climb("loss"), learning_rate=1e30)
    assert first(fitted.model) == 0.0


def test_parameters_with_the_best_validation_loss_are_kept_and_patience_ends_the_training():
    valid = ax.Sequences.from_numpy(np.full((20, 2), 0.1))
    fitted = fit(Distance(), valid=valid, every=2, patience=3, steps=80)
    record = fitted.record
    assert record.stopped == "early stop"
    best = int(np.argmin(record.valid_loss))
    assert 0 < best < len(record.valid_loss) - 1
    assert record.best_step == record.checked_at[best] == record.steps - 3 * 2
    assert abs(float(first(fitted.model)) - 0.1) < 0.02
    assert min(record.valid_loss) == pytest.approx((float(first(fitted.model)) - 0.1) ** 2, rel=1e-3)
    assert record.train_loss[-1] < record.train_loss[0]


def test_without_patience_training_goes_on_and_still_keeps_the_best():
    valid = ax.Sequences.from_numpy(np.full((20, 2), 0.1))
    fitted = fit(Distance(), valid=valid, every=2, patience=None, steps=40)
    assert fitted.record.stopped == "finished" and fitted.record.steps == 40
    assert abs(float(first(fitted.model)) - 0.1) < 0.02


def test_averaged_parameters_are_the_moving_average_of_the_ones_trained(monkeypatch):
    valid, module = ax.Sequences.from_numpy(np.full((20, 2), 0.1)), sys.modules["alternax.fit.train"]
    judge, course = module._judge, []
    monkeypatch.setattr(
        module, "_judge", lambda o, r, p, *rest: course.append(float(first(p))) or judge(o, r, p, *rest)
    )
    fit(Distance(), valid=valid, every=1, steps=30, patience=None)
    trained, mean = [0.0, *course], 0.0
    course.clear()
    averaged = fit(Distance(), valid=valid, every=1, steps=30, patience=None, average=0.8)
    for step, found in enumerate(course):
        kept = min(0.8, (1 + step) / (10 + step))
        mean = kept * mean + (1 - kept) * trained[step]
        assert found == pytest.approx(mean, abs=1e-6)
    assert float(first(averaged.model)) == pytest.approx(course[averaged.record.best_step - 1], abs=1e-6)


def test_averaging_survives_what_is_not_finite():
    with pytest.warns(RuntimeWarning, match="non-finite loss"):
        fitted = fit(Climb("loss"), average=0.5)
    assert 0 < float(first(fitted.model)) <= LIMIT


def test_validation_loss_that_is_not_finite_stops_the_training():
    """Regression: training went on to the end and handed back the first parameters without a word."""
    valid = ax.Sequences.from_numpy(np.full((20, 2), 3e30))
    with pytest.warns(RuntimeWarning, match="non-finite validation loss at step 7; the parameters of step 0 are kept"):
        fitted = fit(Distance(), valid=valid)
    assert first(fitted.model) == 0.0


@pytest.mark.parametrize("valid", [None, 0.3])
def test_interrupt_keeps_what_was_reached(monkeypatch, valid):
    @contextmanager
    def bar(steps, shown, first):
        def report(step, loss, valid):
            if step >= 14:
                signal.raise_signal(signal.SIGINT)

        yield report

    monkeypatch.setattr(sys.modules["alternax.fit.fit"], "progress_bar", bar)
    fitted = fit(Distance(), valid=valid)
    assert fitted.record.stopped == "interrupted"
    assert fitted.record.steps == fitted.record.best_step == 14
    assert 0.05 < float(first(fitted.model)) < 0.2
    assert len(fitted.record.train_loss) == 2


def test_what_is_fixed_is_not_trained():
    operator = ax.Operator(jnp.array([[0.6, -0.5, 0.4], [0.3, 0.8, 0.2]]))
    schedule = np.array([0.1, 0.2, 0.3])
    model = small(3, operator=operator, noise="lowrank", residual="carry", alpha=schedule)
    data = ax.Sequences.from_numpy(np.ones((40, 3)))
    fitted = ax.fit(model, data, objective=Squares(), steps=5, batch=2, window=8, weight_decay=1.0, valid=None)
    after = fitted.model
    np.testing.assert_array_equal(after.operator.basis.value, operator.basis.value)
    np.testing.assert_array_equal(after.operator.analysis.value, operator.analysis.value)
    np.testing.assert_array_equal(after.alpha.schedule.value, np.asarray(schedule, np.float32))
    np.testing.assert_array_equal(after.noise.patterns.value, model.noise.patterns.value)
    for moved in (lambda m: m.ftn.net.weight, lambda m: m.residual.logit, lambda m: m.noise.log_scale):
        assert np.all(moved(after) != moved(model))


def test_objective_that_cannot_be_a_key_is_refused():
    @dataclass
    class Loose(Objective):
        weight: float = 1.0

    with pytest.raises(TypeError, match=r"objective Loose cannot be hashed: make it a dataclass\(frozen=True\)"):
        fit(Loose())


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"steps": 0}, InputError, r"steps must be an integer of at least 1; found 0"),
        ({"batch": 0}, InputError, r"batch must be an integer of at least 1; found 0"),
        ({"every": 2.5}, InputError, r"every must be an integer of at least 1; found 2\.5"),
        ({"patience": 0}, InputError, r"patience must be an integer of at least 1, or None; found 0"),
        ({"learning_rate": -1.0}, InputError, r"learning_rate must be a positive number; found -1\.0"),
        ({"learning_rate": float("nan")}, InputError, r"learning_rate must be a positive number; found nan"),
        ({"average": 1.0}, InputError, r"average must be a factor between 0 and 1, or None; found 1\.0"),
        ({"valid": 1.0}, InputError, r"valid must be a fraction from 0 to below 1, Sequences, or None; found 1\.0"),
        ({"valid": -0.1}, InputError, r"valid must be a fraction.*found -0\.1"),
        ({"valid": ROWS}, InputError, r"valid must be a fraction.*found ndarray"),
        ({"transform": ax.Scale}, TypeError, r"transform must be an alternax Transform, found Scale"),
        ({"target_transform": 3}, TypeError, r"target_transform must be an alternax Transform, found int"),
        ({"objective": ax.Elbo}, TypeError, r"objective must be an alternax Objective, found Elbo"),
        ({"window": 41}, InputError, r"window=41 is longer than series 0, which has 40 rows"),
        ({"objective": ax.Elbo(particles=0)}, InputError, r"Elbo needs particles >= 1"),
    ],
)
def test_settings_out_of_range_are_refused(settings, kind, message):
    with pytest.raises(kind, match=message):
        fit(**({"objective": Distance()} | settings))
