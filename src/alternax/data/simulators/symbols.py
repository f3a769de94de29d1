"""Sequences of symbols that test what a layer can do at all: copying, recall, and tracking the state of a group.

Every task is a pure function of its seed and has one right answer in every row that counts.
"""

from itertools import permutations
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from alternax.core.errors import InputError
from alternax.data.simulators.simulation import check_length


class Symbols(NamedTuple):
    """Series of symbols and what is to be answered.

    Attributes:
        inputs: The symbol of each row, from 0 to `input_count` - 1.
        values: A number that comes with each row; zero in tasks of symbols alone.
        targets: The answer in each row: a symbol from 0 to `target_count` - 1, or a number if `target_count` is 0.
        scored: Rows in which there is an answer; elsewhere `targets` is zero and means nothing.
        input_count: Number of input symbols.
        target_count: Number of answers to choose from; 0 where the answer is a number.
    """

    inputs: Int[np.ndarray, "series time"]
    values: Float[np.ndarray, "series time"]
    targets: Float[np.ndarray, "series time"]
    scored: Bool[np.ndarray, "series time"]
    input_count: int
    target_count: int


def copying(length: int, *, symbols: int = 8, series: int = 1, seed: int = 0) -> Symbols:
    """Symbols fill the first half of the rows; in the second half, of blanks, they are to be repeated in order.

    Args:
        length: Rows of a series; of an odd number the last one does not count.
        symbols: Number of symbols; the blank is one more.
        series: Number of series.
        seed: Seed of every draw.

    Raises:
        InputError: fewer than two rows or than one symbol.

    Example:
        >>> copying(4, symbols=3).inputs
        array([[2, 1, 3, 3]])
    """
    _check_least(length=(length, 2), symbols=(symbols, 1))
    half = length // 2
    items = np.random.default_rng(seed).integers(symbols, size=(series, half))
    inputs = np.full((series, length), symbols)
    inputs[:, :half] = items
    return _answered(inputs, items, half, symbols + 1, symbols)


def selective_copying(length: int, *, items: int = 4, symbols: int = 8, series: int = 1, seed: int = 0) -> Symbols:
    """A few symbols stand anywhere among blanks; in the last rows, of queries, they are to be repeated in order.

    Args:
        length: Rows of a series.
        items: Number of symbols to be remembered, and of queries at the end.
        symbols: Number of symbols; the blank and the query are two more.
        series: Number of series.
        seed: Seed of every draw.

    Raises:
        InputError: fewer than two rows an item.

    Example:
        >>> selective_copying(8, items=2, seed=1).inputs.shape
        (1, 8)
    """
    _check_least(items=(items, 1), symbols=(symbols, 1), length=(length, 2 * items))
    rng = np.random.default_rng(seed)
    remembered = rng.integers(symbols, size=(series, items))
    places = np.sort(np.argsort(rng.random((series, length - items)), axis=1)[:, :items], axis=1)
    inputs = np.full((series, length), symbols)
    np.put_along_axis(inputs, places, remembered, axis=1)
    inputs[:, length - items :] = symbols + 1
    return _answered(inputs, remembered, length - items, symbols + 2, symbols)


def associative_recall(
    length: int, *, pairs: int = 4, keys: int = 8, symbols: int = 8, series: int = 1, seed: int = 0
) -> Symbols:
    """Keys and values in turn, then only keys: the value of each is to be recalled (MQAR, arXiv 2312.04927).

    Args:
        length: Rows of a series: 2 `pairs` rows of pairs, then queries.
        pairs: Number of pairs, of different keys.
        keys: Number of keys, the first symbols.
        symbols: Number of values, the symbols after them.
        series: Number of series.
        seed: Seed of every draw.

    Raises:
        InputError: more pairs than keys, no row left for a query.

    Example:
        >>> associative_recall(6, pairs=2).inputs.shape
        (1, 6)
    """
    _check_least(pairs=(pairs, 1), keys=(keys, pairs), symbols=(symbols, 1), length=(length, 2 * pairs + 1))
    rng = np.random.default_rng(seed)
    chosen = np.argsort(rng.random((series, keys)), axis=1)[:, :pairs]
    stored = rng.integers(symbols, size=(series, pairs))
    asked = rng.integers(pairs, size=(series, length - 2 * pairs))
    shown = np.stack([chosen, keys + stored], axis=2).reshape(series, 2 * pairs)
    inputs = np.concatenate([shown, np.take_along_axis(chosen, asked, axis=1)], axis=1)
    answers = np.take_along_axis(stored, asked, axis=1)
    return _answered(inputs, answers, 2 * pairs, keys + symbols, symbols)


def word_problem(length: int, *, degree: int, swaps: bool = False, series: int = 1, seed: int = 0) -> Symbols:
    """The product so far of permutations of `degree` things: p_t = p_{t-1} g_t, that is p_t(i) = p_{t-1}(g_t(i)).

    Degree 2 is the parity of bits. No layer with a diagonal transition of non-negative entries computes it at all
    lengths (arXiv 2411.12537); degree 5 is complete for the problems that no fixed number of parallel layers solves.

    Args:
        length: Rows of a series.
        degree: Number of things permuted.
        swaps: Draw g only from the identity and the swaps of two neighbours, which generate all permutations.
        series: Number of series.
        seed: Seed of every draw.

    Returns:
        Symbols that number the permutations as `itertools.permutations` does (with `swaps`: first the identity, then
        the swap of things i and i + 1); answers likewise, in every row.

    Raises:
        InputError: no rows, a degree outside 2 to 6.

    Example:
        >>> word_problem(6, degree=2, seed=3).targets.shape
        (1, 6)
    """
    check_length(length)
    if not 2 <= degree <= 6:
        raise InputError(f"degree must be from 2 to 6, found {degree}")
    group = np.array(list(permutations(range(degree))))
    drawn = np.array([_swapped(degree, i) for i in range(degree)]) if swaps else group
    inputs = np.random.default_rng(seed).integers(len(drawn), size=(series, length))
    targets = np.empty((series, length))
    weights = degree ** np.arange(degree)[::-1]
    codes = group @ weights  # increasing, as the permutations are in lexicographic order
    product = np.broadcast_to(np.arange(degree), (series, degree))
    for t in range(length):
        product = np.take_along_axis(product, drawn[inputs[:, t]], axis=1)
        targets[:, t] = np.searchsorted(codes, product @ weights)
    return Symbols(inputs, np.zeros(inputs.shape), targets, np.ones(inputs.shape, bool), len(drawn), len(group))


def _swapped(degree: int, i: int) -> np.ndarray:
    """The identity for i = 0, otherwise things i - 1 and i swapped."""
    order = np.arange(degree)
    order[max(i - 1, 0) : i + 1] = order[max(i - 1, 0) : i + 1][::-1]
    return order


def adding(length: int, *, series: int = 1, seed: int = 0) -> Symbols:
    """Uniform numbers, of which one in each half is marked; in the last row the sum of the two is to be told.

    The adding problem of Hochreiter and Schmidhuber (1997). Always to answer 1 has a mean squared error of 1/6.

    Args:
        length: Rows of a series.
        series: Number of series.
        seed: Seed of every draw.

    Returns:
        Symbol 1 in marked rows and 0 in others, the numbers as `values`, and a number as the answer.

    Raises:
        InputError: fewer than two rows.

    Example:
        >>> adding(10).inputs.sum()
        np.int64(2)
    """
    _check_least(length=(length, 2))
    rng = np.random.default_rng(seed)
    values, half = rng.random((series, length)), length // 2
    places = np.stack([rng.integers(half, size=series), rng.integers(half, length, size=series)], axis=1)
    inputs, targets, scored = np.zeros((3, series, length))
    np.put_along_axis(inputs, places, 1.0, axis=1)
    targets[:, -1], scored[:, -1] = np.sum(inputs * values, axis=1), 1.0
    return Symbols(inputs.astype(int), values, targets, scored.astype(bool), 2, 0)


def _answered(inputs: np.ndarray, answers: np.ndarray, first: int, input_count: int, target_count: int) -> Symbols:
    """The task whose answers stand in the rows from `first` on."""
    targets, scored = np.zeros(inputs.shape), np.zeros(inputs.shape, bool)
    rows = slice(first, first + answers.shape[1])
    targets[:, rows], scored[:, rows] = answers, True
    return Symbols(inputs, np.zeros(inputs.shape), targets, scored, input_count, target_count)


def _check_least(**sizes: tuple[int, int]) -> None:
    for name, (found, least) in sizes.items():
        if found < least:
            raise InputError(f"{name} must be at least {least}, found {found}")
