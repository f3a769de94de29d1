"""Whole series as windows: which are held out, and what is said when none can be."""

import jax
import numpy as np
import pytest

from alternax.core.errors import InputError
from alternax.data import Sequences
from alternax.fit.split import by_series

LABELS = ["a"] * 10 + ["b"] * 4 + ["c"] + [None] * 5


def data() -> Sequences:
    """Twenty series of 3 to 7 rows whose values are their numbers."""
    return Sequences.from_numpy([np.full((3 + i % 5, 1), float(i)) for i in range(20)], labels=LABELS)


def numbers(batch) -> list[int]:
    return sorted(int(v) for v in batch.x[:, 0, 0])


def test_every_class_gives_its_share_and_keeps_one():
    split = by_series(data(), 0.3, window=None, least=2, seed=0)
    held, kept = numbers(split.validation), numbers(split.windows.series)
    assert sorted(held + kept) == list(range(20))
    assert [LABELS[i] for i in held] == ["a"] * 3 + ["b"]
    assert held != numbers(by_series(data(), 0.3, window=None, least=2, seed=1).validation)
    assert held == numbers(by_series(data(), 0.3, window=None, least=2, seed=0).validation)
    assert split.note == ""


@pytest.mark.slow
def test_windows_are_whole_series_padded_to_the_longest_and_equally_likely():
    split, count = by_series(data(), None, window=None, least=2, seed=0), 4000
    assert split.validation is None and split.note == "" and split.windows.length == 7
    batch = split.windows.draw(count, jax.random.key(0))
    series = np.asarray(batch.x[:, 0, 0], int)
    np.testing.assert_array_equal(batch.valid.sum(1), 3 + series % 5)
    np.testing.assert_array_equal(batch.label, data().labels[series])
    times = np.bincount(series, minlength=20)
    assert np.abs(times - count / 20).max() < 4.5 * np.sqrt(count / 20)


def test_what_cannot_be_held_out_is_said():
    few = data().take([0, 10, 14])
    split = by_series(few, 0.1, window=None, least=2, seed=0)
    assert split.validation is None and split.windows.starts.shape == (3, 2)
    assert split.note == "no validation: no class has a series to spare at a share of 0.1"
    assert numbers(by_series(few, few, window=None, least=2, seed=0).validation) == [0, 10, 14]


def test_a_window_of_rows_is_refused():
    with pytest.raises(InputError, match=r"window=5: the objective reads whole series, so leave window out"):
        by_series(data(), None, window=5, least=2, seed=0)


def test_series_all_too_short_for_the_objective_are_refused():
    with pytest.raises(
        InputError, match=r"context and the objective's horizon, 8 rows; the longest has 7\. Give longer"
    ):
        by_series(data(), None, window=None, least=8, seed=0)
