"""Classes of whole series from labels to probabilities, and what is said where there is no class to tell."""

import jax
import numpy as np
import pandas as pd
import pytest
from trained import small, untrained, walk

import alternax as ax
from alternax.core.errors import InputError
from alternax.tasks.results import Classified

KINDS = ("fast", "slow")


def waves(count: int, seed: int) -> ax.Sequences:
    """Noisy sines of two frequencies, 8 to 20 rows long, with gaps; the kind has nothing to do with the length."""
    rng = np.random.default_rng(seed)
    series, labels = [], []
    for i in range(count):
        rows, kind = int(rng.integers(8, 21)), i % 2
        angle = (2.0, 0.5)[kind] * np.arange(rows) + rng.uniform(0, 6)
        x = np.stack([np.sin(angle), np.cos(angle)], 1) + 0.1 * rng.normal(size=(rows, 2))
        x[rng.random(x.shape) < 0.1] = np.nan
        series.append(x)
        labels.append(KINDS[kind])
    return ax.Sequences.from_numpy(series, labels=labels)


@pytest.fixture(scope="module")
def fitted() -> ax.Fitted:
    model = ax.Autoregressive(2, body="gru", width=8, depth=1, class_count=2, key=jax.random.key(0))
    settings = {"steps": 150, "every": 75, "batch": 16, "learning_rate": 2e-2}
    return ax.fit(model, waves(60, 0), objective=ax.Classify(), valid=0.2, **settings)


def test_new_series_are_told_apart(fitted):
    test = waves(40, 1)
    result = fitted.classify(test)
    assert result.accuracy >= 0.95
    assert result.predicted == [KINDS[i] for i in result.probabilities.argmax(1)]
    np.testing.assert_allclose(result.probabilities.sum(1), 1.0, rtol=1e-5)
    assert fitted.record.window == 20 and len(fitted.record.valid_loss) == 2


@pytest.mark.slow
def test_labels_padding_and_company_change_no_probability(fitted):
    test = waves(6, 2)
    result = fitted.classify(test)
    plain = fitted.classify(ax.Sequences.from_numpy([np.where(o, x, np.nan)[:n] for x, o, n in _parts(test)]))
    np.testing.assert_array_equal(plain.probabilities, result.probabilities)
    assert np.isnan(plain.accuracy) and plain.confusion.sum() == 0
    for i in range(2):
        alone = fitted.classify(test.take([i]).tail(30))
        np.testing.assert_allclose(alone.probabilities, result.probabilities[i : i + 1], atol=1e-5)


def _parts(data: ax.Sequences):
    return zip(data.x, data.observed, data.lengths, strict=True)


def test_a_single_series_gets_a_single_class(fitted):
    test = waves(2, 3)
    x = np.where(test.observed, test.x, np.nan)[1, : test.lengths[1]]
    result = fitted.classify(ax.Sequences.from_numpy(x, labels="slow"))
    assert result.probabilities.shape == (2,) and result.predicted == "slow" and result.accuracy == 1.0
    np.testing.assert_array_equal(result.confusion, [[0, 0], [0, 1]])
    assert list(result.to_frame()["predicted"]) == ["slow"]


def test_a_saved_classifier_is_the_same(fitted, tmp_path):
    fitted.save(tmp_path / "run")
    again, test = ax.load(tmp_path / "run"), waves(5, 4)
    np.testing.assert_array_equal(again.classify(test).probabilities, fitted.classify(test).probabilities)
    np.testing.assert_array_equal(again.tail.labels, fitted.tail.labels)
    assert again.schema.classes == KINDS


@pytest.mark.slow
def test_every_other_task_works_as_well(fitted):
    """With the default objective, by which a classifier is a forecaster too."""
    model = ax.Autoregressive(2, body="affine", width=4, class_count=2, key=jax.random.key(0))
    both = ax.fit(model, waves(20, 0), steps=4, every=2, batch=4)
    assert len(both.record.valid_loss) == 2
    one = waves(2, 5).take([0]).tail(20)
    for result in (both.forecast(one, horizon=3, samples=5), both.impute(one, samples=3), both.sample(length=4)):
        assert np.isfinite(result.samples).all()
    assert both.filter(one).mean.shape == (1, one.lengths[0], 4)
    assert np.isfinite(both.log_prob(one, particles=4).value).all()


def test_confusion_accuracy_and_frame_count_what_is_labelled():
    result = Classified(
        probabilities=np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4], [0.2, 0.3, 0.5], [0.6, 0.3, 0.1]]),
        labels=np.array([0, 2, 2, -1]),
        classes=(10, 20, 30),
        ids=("p", "q", "r", "s"),
        id_name="bird",
        batched=True,
    )
    assert result.accuracy == pytest.approx(2 / 3) and result.predicted == [10, 20, 30, 10]
    np.testing.assert_array_equal(result.confusion, [[1, 0, 0], [0, 0, 0], [0, 1, 1]])
    frame = result.to_frame()
    assert list(frame) == ["bird", "label", "predicted", "p_10", "p_20", "p_30"]
    assert frame["bird"].tolist() == ["p", "q", "r", "s"] and pd.isna(frame["label"][3])
    np.testing.assert_array_equal(frame["p_30"], result.probabilities[:, 2])
    assert repr(result) == "Classified(4 series, 3 classes, accuracy 0.667)"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: untrained(small(), ax.Sequences.from_numpy(walk(9))).classify(ax.Sequences.from_numpy(walk(9))),
            r"a Alternator does not classify: build a model with class_count, such as ax\.Autoregressive",
        ),
        (
            lambda: ax.fit(_model(0), waves(4, 0), objective=ax.Classify()),
            r"the data have 2, the model knows 0\. Give class_count=data\.class_count",
        ),
        (
            lambda: ax.fit(_model(3), waves(4, 0)),
            r"the data have class_count=2, the model was built with 3: give class_c",
        ),
        (
            lambda: ax.fit(_model(2), waves(4, 0), objective=ax.Classify(), window=8),
            r"window=8: the objective reads whole series",
        ),
        (
            lambda: untrained(_model(0), waves(4, 0)).classify(waves(4, 0)),
            r"built with class_count=0 and classifies nothing",
        ),
    ],
)
def test_where_there_is_no_class_to_tell_it_is_said(build, message):
    with pytest.raises(InputError, match=message):
        build()


def _model(classes: int) -> ax.Autoregressive:
    return ax.Autoregressive(2, body="affine", width=2, class_count=classes, key=jax.random.key(0))
