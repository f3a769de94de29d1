"""Windows lie inside their series, equally likely; validation windows judge held-out rows alone."""

import jax
import numpy as np
import pytest

from alternax.core.errors import InputError
from alternax.data import Sequences
from alternax.fit.windows import training_windows, validation_batch, window_length

LENGTHS = np.array([20, 14])


def numbered():
    """Two series whose values are 100 * series + row."""
    return Sequences.from_numpy([100.0 * i + np.arange(n)[:, None] for i, n in enumerate(LENGTHS)]).arrays()


def rows(batch) -> np.ndarray:
    return np.asarray(batch.x[..., 0], int)


@pytest.mark.slow
def test_every_window_inside_the_training_rows_is_equally_likely():
    length, held_out, count = 6, 3, 6000
    windows = training_windows(numbered(), LENGTHS, held_out, length)
    found = rows(windows.draw(count, jax.random.key(0)))
    np.testing.assert_array_equal(found, found[:, :1] + np.arange(length))
    starts, times = np.unique(found[:, 0], return_counts=True)
    want = [*range(20 - 3 - 6 + 1), *(100 + np.arange(14 - 3 - 6 + 1))]
    np.testing.assert_array_equal(starts, want)
    share = 1 / len(want)
    assert np.abs(times - count * share).max() < 4.5 * np.sqrt(count * share * (1 - share))


@pytest.mark.parametrize(
    ("held_out", "length", "context"),
    [(5, 4, None), (3, 9, None), (5, 6, 2), (2, 9, 3), (2, 14, 12), (1, 3, None)],
)
def test_validation_judges_the_held_out_rows_alone(held_out, length, context):
    """Regression: a held-out part shorter than a window gave training rows, or with a context no window at all."""
    batch = validation_batch(numbered(), LENGTHS, held_out, length, context)
    found = rows(batch)
    series, row = found // 100, found % 100
    np.testing.assert_array_equal(row, row[:, :1] + np.arange(found.shape[1]))
    np.testing.assert_array_equal(series, np.broadcast_to(series[:, :1], series.shape))
    judged = row[:, context or 0 :]
    assert judged.shape[1] > 0
    assert (judged >= LENGTHS[series[:, context or 0 :]] - held_out).all()
    assert (row < LENGTHS[series]).all()
    assert set(series[:, 0]) == {0, 1}
    assert {LENGTHS[s] - 1 for s in (0, 1)} <= set(row[:, -1])


def test_whole_series_can_be_held_out():
    batch = validation_batch(numbered(), LENGTHS, LENGTHS, 15, None)
    np.testing.assert_array_equal(rows(batch)[:, 0], np.arange(6))


def test_no_more_than_32_validation_windows_spread_over_all():
    data = Sequences.from_numpy(np.arange(200.0)[:, None]).arrays()
    starts = rows(validation_batch(data, np.array([200]), 180, 10, None))[:, 0]
    assert len(starts) == 32 and starts[0] == 20 and starts[-1] == 190
    assert set(np.diff(starts)) <= {5, 6}


@pytest.mark.parametrize(
    ("given", "lengths", "context", "horizon", "want"),
    [
        (None, [1000, 900], None, 12, 256),
        (None, [100, 90], None, 12, 90),
        (None, [1000], 48, 12, 48 + 12 + 1 + 24),
        (None, [1000], 48, 30, 48 + 30 + 1 + 30),
        (None, [70], 48, 12, 70),
        (20, [70], None, 12, 20),
        (13, [13], None, 12, 13),
    ],
)
def test_window_length_is_what_fits(given, lengths, context, horizon, want):
    assert window_length(given, np.array(lengths), context, horizon) == want


@pytest.mark.parametrize(
    ("given", "lengths", "context", "horizon", "message"),
    [
        (None, [50, 10], None, 12, r"context and the objective's horizon, 13 rows; found 10 \(series 1 has 10 rows\)"),
        (None, [50], 45, 12, r"58 rows; found 50 \(series 0 has 50 rows\)\. Give longer series, or a shorter context"),
        (5, [50], None, 12, r"13 rows; found 5\. Give"),
        (30, [50, 20], None, 12, r"window=30 is longer than series 1, which has 20 rows: lower window"),
    ],
)
def test_windows_that_cannot_be_are_refused(given, lengths, context, horizon, message):
    with pytest.raises(InputError, match=message):
        window_length(given, np.array(lengths), context, horizon)
