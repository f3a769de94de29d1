"""The symbol tasks against answers worked out row by row from the inputs alone."""

from itertools import permutations

import numpy as np
import pytest

from alternax.core.errors import InputError
from alternax.data.simulators import adding, associative_recall, copying, selective_copying, word_problem


def answers(task):
    """The scored answers of each series, as a list."""
    return [list(targets[scored]) for targets, scored in zip(task.targets, task.scored, strict=True)]


@pytest.mark.parametrize("length", [2, 9, 16])
def test_copying_repeats_the_first_half(length):
    task = copying(length, symbols=5, series=20, seed=1)
    half = length // 2
    for inputs, wanted, scored in zip(task.inputs, answers(task), task.scored, strict=True):
        assert wanted == list(inputs[:half])
        assert (inputs[half:] == 5).all() and (inputs[:half] < 5).all()
        assert list(np.flatnonzero(scored)) == list(range(half, 2 * half))
    assert (task.input_count, task.target_count) == (6, 5)


def test_selective_copying_repeats_what_is_no_blank():
    task = selective_copying(12, items=3, symbols=4, series=200, seed=2)
    for inputs, wanted in zip(task.inputs, answers(task), strict=True):
        assert wanted == [symbol for symbol in inputs[:9] if symbol != 4]
        assert (inputs[9:] == 5).all()
    assert (task.scored == (np.arange(12) >= 9)).all()
    shares = (task.inputs[:, :9] < 4).mean(0)
    assert np.abs(shares - 1 / 3).max() < 4 * np.sqrt(2 / 9 / 200)  # every place alike


def test_associative_recall_looks_up_the_pair():
    task = associative_recall(14, pairs=3, keys=5, symbols=4, series=50, seed=3)
    for inputs, wanted in zip(task.inputs, answers(task), strict=True):
        pairs = dict(zip(inputs[0:6:2], inputs[1:6:2], strict=True))
        assert len(pairs) == 3 and max(pairs) < 5 <= min(pairs.values())
        assert wanted == [pairs[key] - 5 for key in inputs[6:]]
    assert set(np.unique(task.inputs)) == set(range(9))


@pytest.mark.parametrize(("degree", "swaps"), [(2, False), (3, False), (4, True), (5, True)])
def test_word_problems_are_products_of_permutation_matrices(degree, swaps):
    group = list(permutations(range(degree)))
    matrices = [np.eye(degree)[:, list(g)] for g in group]
    task = word_problem(12, degree=degree, swaps=swaps, series=8, seed=4)
    drawn = matrices
    if swaps:
        order = list(range(degree))
        exchanged = [[*order[:i], i + 1, i, *order[i + 2 :]] for i in range(degree - 1)]
        drawn = [np.eye(degree), *(np.eye(degree)[:, g] for g in exchanged)]
    assert (task.input_count, task.target_count) == (len(drawn), len(group))
    assert task.scored.all()
    for inputs, targets in zip(task.inputs, task.targets, strict=True):
        product = np.eye(degree)
        for symbol, answer in zip(inputs, targets, strict=True):
            product = product @ drawn[symbol]
            np.testing.assert_array_equal(product, matrices[int(answer)])


def test_degree_two_is_the_parity():
    task = word_problem(30, degree=2, series=3, seed=5)
    np.testing.assert_array_equal(task.targets, np.cumsum(task.inputs, axis=1) % 2)


def test_adding_sums_the_two_marked_numbers():
    task = adding(11, series=500, seed=6)
    for inputs, values, wanted in zip(task.inputs, task.values, answers(task), strict=True):
        assert list(inputs[:5]).count(1) == 1 and list(inputs[5:]).count(1) == 1
        assert wanted == [pytest.approx(values[inputs == 1].sum())]
    assert (task.scored == (np.arange(11) == 10)).all()
    error = (task.targets[:, -1] - 1) ** 2
    assert error.mean() == pytest.approx(1 / 6, abs=4 * error.std() / np.sqrt(500))


TASKS = [copying, selective_copying, associative_recall, adding, lambda *a, **k: word_problem(*a, degree=3, **k)]


@pytest.mark.parametrize("task", TASKS)
def test_the_seed_alone_decides_the_draws(task):
    first, again, other = (task(16, series=4, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.inputs, again.inputs)
    np.testing.assert_array_equal(first.targets, again.targets)
    assert (first.inputs != other.inputs).any()
    assert first.inputs.shape == first.values.shape == first.targets.shape == first.scored.shape == (4, 16)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: copying(1), "length must be at least 2, found 1"),
        (lambda: copying(4, symbols=0), "symbols must be at least 1, found 0"),
        (lambda: selective_copying(7), "length must be at least 8, found 7"),
        (lambda: associative_recall(8), "length must be at least 9, found 8"),
        (lambda: associative_recall(20, pairs=9), "keys must be at least 9, found 8"),
        (lambda: word_problem(0, degree=2), "length must be at least 1 row, found 0"),
        (lambda: word_problem(3, degree=7), "degree must be from 2 to 6, found 7"),
        (lambda: adding(1), "length must be at least 2, found 1"),
    ],
)
def test_refuses_what_has_no_answer(call, message):
    with pytest.raises(InputError, match=message):
        call()
