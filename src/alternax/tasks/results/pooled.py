"""Forecasts of several models as one: their sample paths side by side."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TypeVar

import numpy as np

from alternax.core.errors import InputError
from alternax.tasks.results.backtest import Backtest
from alternax.tasks.results.forecast import Forecast

Pooled = TypeVar("Pooled", Forecast, Backtest)


def pool(members: Sequence[Pooled]) -> Pooled:
    """The sample paths of several models of the same thing as one ensemble: a mixture of their laws.

    A member counts by the number of its paths. Networks that were trained from different seeds err differently: the
    pool's mean is better than theirs on average, and its spread holds what they disagree about (Lakshminarayanan et al.
    2017, arXiv 1612.01474).

    Args:
        members: Forecasts, or backtests, of the same rows and columns.

    Returns:
        One of the same kind, with the first member's past and seed.

    Raises:
        InputError: If there are none, kinds are mixed, or rows, columns, origins or truths differ.

    Example:
        >>> fits = [ax.fit(model(seed), data, seed=seed) for seed in range(3)]
        >>> forecast = ax.pool([fitted.forecast(horizon=12, samples=100) for fitted in fits])
    """
    members = list(members)
    if {type(member) for member in members} not in ({Forecast}, {Backtest}):
        kinds = [type(member).__name__ for member in members]
        raise InputError(f"pool: expected one or more forecasts, or one or more backtests; found {kinds}.")
    first = members[0]
    compared = [f.name for f in fields(first) if f.name not in ("samples", "seed", "past")]
    for number, member in enumerate(members[1:], 1):
        for name in compared:
            if not _same(getattr(first, name), getattr(member, name)):
                raise InputError(
                    f"pool: member {number} differs from member 0 in its {name}; forecast the same rows and columns of "
                    "the same data with all members."
                )
    return replace(first, samples=np.concatenate([member.samples for member in members]))


def _same(one: object, other: object) -> bool:
    """Equal, where NaN equals NaN."""
    if not isinstance(one, np.ndarray) or not isinstance(other, np.ndarray):
        return one == other
    return one.shape == other.shape and bool(np.all((one == other) | ((one != one) & (other != other))))
