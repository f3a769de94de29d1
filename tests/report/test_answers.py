"""Decoded targets and classes on the page against the tasks themselves."""

import re
from functools import cache

import jax
import numpy as np
from report.written import charts
from trained import untrained, walk

import alternax as ax
from alternax.metrics import correlation, rmse
from alternax.report import answers, latent


def data(*, labels=("calm", "wild", None)):
    x = np.stack([walk(30, seed) for seed in range(3)])
    targets = x.cumsum(1)[..., :1]
    targets[1, 5:10] = np.nan
    return ax.Sequences.from_numpy(x, targets=targets, target_names=["<i>speed</i>"], labels=labels)


@cache
def fitted(classes=2):
    model = ax.Autoregressive(
        2, body="affine", width=3, depth=1, head="affine", target_dim=1, class_count=classes, key=jax.random.key(0)
    )
    return untrained(model, data().rows(0, 20))


def row(html, start):
    """Cells of a row of a table."""
    return re.findall(r"<td[^>]*>(.*?)</td>", html[html.index(start) :].split("</tr>")[0])


def test_targets_are_scored_after_training_and_classes_where_known():
    targets, classes = answers.sections(fitted(), data(), seed=0)
    text = "".join(block.html() for block in targets.blocks)
    decoded, truth = fitted().decode(data()), np.where(data().labelled, data().targets, np.nan)
    mean, truth = np.asarray(decoded.mean)[:, 20:], truth[:, 20:]
    error = rmse(mean, truth)
    assert row(text, "<td>&lt;i&gt;speed")[1] == "30" and "rows after the end of training" in text
    expected = error, np.nanstd(truth), 1 - (error / np.nanstd(truth)) ** 2, correlation(mean, truth)
    np.testing.assert_allclose([float(cell) for cell in row(text, "<td>&lt;i&gt;speed")[2:]], expected, rtol=1e-3)
    (figure,) = charts(text).values()
    np.testing.assert_allclose(figure["data"][2]["y"], np.asarray(decoded.mean)[0, :, 0], rtol=1e-6)

    told = fitted().classify(data())
    shown = "".join(block.html() for block in classes.blocks)
    table = [[int(cell) for cell in row(shown, f"<td>{name}</td>")[1:]] for name in told.classes]
    assert table == told.confusion.tolist() and f"{100 * told.accuracy:.1f} % of the 2 labelled series" in shown
    assert "always naming the most frequent class would give 50.0 %" in shown
    assert "3 of them bear names of series in training" in shown


def test_targets_of_training_rows_alone_are_called_so():
    targets, _ = answers.sections(fitted(), data().rows(0, 20), seed=0)
    assert "rows that WERE PART OF TRAINING" in targets.blocks[0].text


def test_series_without_classes_are_counted_by_what_they_were_taken_for():
    _, classes = answers.sections(fitted(), data(labels=None), seed=0)
    table = classes.blocks[1]
    numbers = np.argmax(fitted().classify(data()).probabilities, axis=1)
    assert [int(count) for _, count in table.rows] == np.bincount(numbers, minlength=2).tolist()
    assert "came without classes" in classes.blocks[0].text


def test_features_of_a_model_without_latent_are_not_called_latent():
    section = latent.section(fitted(), data(), seed=0)
    assert section.blocks[0].text.startswith("There is no latent variable in this model (Autoregressive)")
    figures = charts("".join(block.html() for block in section.blocks[1:]))
    features = np.asarray(fitted().filter(data()).mean)
    np.testing.assert_allclose(figures["h0"]["data"][2]["y"], features[2, :, 0], rtol=1e-5, atol=1e-6)
