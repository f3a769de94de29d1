"""The attractor distance against divergences and biases that are known, and what falls outside the range."""

import numpy as np
import pytest

from alternax.core.errors import InputError
from alternax.metrics import attractor_distance

TRUTH = np.random.default_rng(0).normal(size=(4000, 2))


def test_two_samples_of_one_law_are_apart_by_the_known_bias():
    """(K - 1) / 2 (1 / n + 1 / m) in the mean; of K = 9 cells that outside is empty, which leaves 8."""
    rng = np.random.default_rng(1)
    found = [attractor_distance(rng.random((1000, 1)), rng.random((3000, 1)), bins=8) for _ in range(400)]
    error = np.std(found) / np.sqrt(len(found))
    assert error < 1.4e-4
    assert np.mean(found) == pytest.approx(7 / 2 * (1 / 1000 + 1 / 3000), abs=3 * error)


def test_two_gaussians_are_apart_by_their_divergence():
    """The truth N(0, I) against N((.5, 0), diag(1.2, .9)^2): cells of a seventh of a deviation lose less than 1 %."""
    rng = np.random.default_rng(2)
    truth = rng.normal(size=(400_000, 2))
    generated = rng.normal(size=(400_000, 2)) * [1.2, 0.9] + [0.5, 0.0]
    scale, shift = np.array([1.2, 0.9]), np.array([0.5, 0.0])
    exact = (np.log(scale) + (1 + shift**2) / (2 * scale**2) - 0.5).sum()
    assert exact == pytest.approx(0.1283, abs=1e-4)
    assert attractor_distance(generated, truth, bins=16) == pytest.approx(exact, abs=0.006)
    assert attractor_distance(truth, generated, bins=16) > 1.2 * exact


@pytest.mark.parametrize("lost", [1e9, -np.inf, np.nan])
def test_points_outside_the_range_count_wherever_they_are(lost):
    """Half of the points gone leave every other cell half of its share: log 2."""
    truth = np.tile(np.random.default_rng(4).random((1000, 2)), (2, 1))
    half = np.where(np.arange(2000)[:, None] < 1000, truth, lost)
    assert attractor_distance(half, truth, bins=4) == pytest.approx(np.log(2), abs=1e-5)
    gone = attractor_distance(np.full_like(truth, lost), truth, bins=4)
    assert np.isfinite(gone)
    assert gone > np.log(len(truth) / 1e-5) - np.log(4**2)


def test_every_cell_enters_in_all_dimensions():
    """By hand on a histogram of four columns, the cell outside with it."""
    rng = np.random.default_rng(3)
    truth, generated = rng.normal(size=(5000, 4)), 1.1 * rng.normal(size=(3000, 4))
    margin = 0.1 * truth.std(0)
    edges = [np.linspace(a, b, 4) for a, b in zip(truth.min(0) - margin, truth.max(0) + margin, strict=True)]
    p, q = (np.append(np.histogramdd(a, edges)[0], 0.0) for a in (truth, generated))
    q[-1] = len(generated) - q.sum()
    p, q = ((a + 0.1) / (a.sum() + 0.1 * a.size) for a in (p, q))
    found = attractor_distance(generated, truth, bins=3, smoothing=0.1)
    assert found == pytest.approx((p * np.log(p / q)).sum(), rel=1e-9)


def test_paths_are_pooled_and_their_order_is_left_out():
    paths = TRUTH.reshape(4, 1000, 2)
    assert attractor_distance(paths, TRUTH[::-1]) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("generated", "truth", "settings", "message"),
    [
        (TRUTH[:, 0], TRUTH, {}, r"generated must be \(time, dim\) or .* found shape \(4000,\)"),
        (TRUTH, TRUTH[:0], {}, r"truth must be .* not empty, found shape \(0, 2\)"),
        (TRUTH[:, :1], TRUTH, {}, "generated has 1 columns, the truth 2"),
        (TRUTH, np.where(TRUTH > 3, np.nan, TRUTH), {}, r"truth must be finite, .* at path, row and column \(0, "),
        (TRUTH, TRUTH * [1, 0], {}, "column 1 of the truth does not vary"),
        (TRUTH, TRUTH, {"bins": 1}, "bins must be an integer of at least 2, found 1"),
        (TRUTH, TRUTH, {"smoothing": 0.0}, r"smoothing must be a positive number, found 0\.0"),
        (TRUTH, TRUTH, {"bins": 30, "smoothing": 1.0}, r"901 cells, whose smoothing weighs 901 beside 4000 points"),
        (np.tile(TRUTH, 10), np.tile(TRUTH, 10), {}, r"3.49e\+29 cells, .* fewer bins, less smoothing"),
    ],
)
def test_refuses_what_it_cannot_compare(generated, truth, settings, message):
    with pytest.raises(InputError, match=message):
        attractor_distance(generated, truth, **settings)
