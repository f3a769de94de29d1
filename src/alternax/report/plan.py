"""What of the data a report tests: series, rows and origins, few enough for minutes, and what is left out in words."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int

from alternax.core.errors import InputError
from alternax.data.sequences import Sequences
from alternax.fitted import Fitted
from alternax.report.history import in_training, never_trained, with_history
from alternax.report.values import evenly, some
from alternax.tasks.results import Backtest

SPAN, HISTORY = 4096, 1024  # rows tested at most, and rows before them for a model that reads all there are
WORK = 60_000  # rows that a sample path runs through, over all series
VALUES = 20_000_000  # numbers in the sample paths
HORIZON = 12


@dataclass(frozen=True)
class Plan:
    """Forecasts to make.

    Args:
        panel: The series tested, cut such that all end together and a row means the same for all.
        origins: Rows of the panel known before each forecast.
        horizon: Rows ahead.
        unseen: Whether everything forecast is new to the model.
        where: Which rows are forecast, in words.
        notes: What was left out, in words.
    """

    panel: Sequences
    origins: Int[np.ndarray, "origin"]
    horizon: int
    unseen: bool
    where: str
    notes: tuple[str, ...]

    @property
    def first(self) -> int:
        """Rows before the first forecast."""
        return int(self.origins[0])

    @property
    def stride(self) -> int:
        """Rows between origins."""
        return int(self.origins[1] - self.origins[0]) if len(self.origins) > 1 else 1

    def backtest(self, fitted: Fitted, *, samples: int, seed: int) -> Backtest:
        """`fitted.backtest` from the origins; a model that reads all there is gets `HISTORY` rows before the first."""
        total = int(self.panel.lengths[0])
        shift = 0 if fitted.model.context else max(0, self.first - HISTORY)
        found = fitted.backtest(
            self.panel.tail(total - shift),
            horizon=self.horizon,
            stride=self.stride,
            start=self.first - shift,
            samples=samples,
            seed=seed,
        )
        return replace(found, origins=found.origins + shift)


def plan(fitted: Fitted, data: Sequences, *, horizon: int | None, origins: int, samples: int) -> Plan:
    """Decide what to test.

    Args:
        fitted: The run.
        data: Series as `Sequences.like` reads them.
        horizon: Rows ahead; default 12, or half of what there is to test.
        origins: Forecasts a series at most.
        samples: Sample paths of each.

    Raises:
        InputError: If no series is long enough for one forecast.
    """
    data = with_history(fitted, data)
    needed = fitted.model.context or 1
    fresh = _fresh(fitted, data, needed)
    unseen = bool(fresh.max() >= (horizon or 1))
    if not unseen:
        fresh = np.maximum(data.lengths // 5, horizon or 1)
    fresh = np.minimum(fresh, data.lengths - needed)
    horizon = horizon or int(np.clip(fresh.max() // 2, 1, HORIZON))
    usable = np.flatnonzero(fresh >= horizon)
    if len(usable) == 0:
        raise InputError(
            f"report: a forecast of {horizon} rows needs {needed} rows before them, {horizon + needed} in all; "
            f"the longest series has {data.lengths.max()}. Give longer data or a smaller horizon."
        )
    span = _longest_common(fresh[usable])
    chosen = usable[fresh[usable] >= span]
    span, notes = min(span, SPAN), []
    if span == SPAN:
        notes.append(f"only the last {SPAN} rows of each series are tested")
    rows = int(data.lengths[chosen].min())
    rows = rows if fitted.model.context else min(rows, span + HISTORY)
    each = (fitted.model.context or rows / origins) * origins
    chosen = chosen[evenly(len(chosen), max(1, int(WORK // each)))]
    if len(chosen) < data.series:
        notes.append(f"{len(chosen)} of {data.series} series are tested: {some([data.schema.ids[i] for i in chosen])}")
    panel = data.take(chosen.tolist()).tail(int(data.lengths[chosen].min()))
    if (data.lengths[chosen] > panel.lengths[0]).any():
        notes.append(f"series are cut to their last {panel.lengths[0]} rows, the length of the shortest")
    total = int(panel.lengths[0])
    count = min(origins, max(4, VALUES // (samples * len(chosen) * horizon * data.obs_dim)))
    possible = span - horizon + 1
    stride = -(-possible // count)
    if stride > 1:
        notes.append(f"origins are {stride} rows apart")
    found = np.arange(total - span, total - horizon + 1, stride)
    return Plan(panel, found, horizon, unseen, _where(fitted, panel, unseen), tuple(notes))


def _fresh(fitted: Fitted, data: Sequences, needed: int) -> Int[np.ndarray, "series"]:
    """Rows at the end of every series that training has not seen; half of a series that was not in it."""
    new = never_trained(fitted, data)
    after = data.lengths - in_training(fitted, data).sum(axis=1)
    return np.where(new, np.minimum(data.lengths // 2, np.maximum(data.lengths - needed, 0)), after)


def _longest_common(rows: Int[np.ndarray, "series"]) -> int:
    """How many last rows to test such that rows times series that have them is the most; if in doubt, more series."""
    rows = np.sort(rows)
    return int(rows[np.argmax(rows * np.arange(len(rows), 0, -1))])


def _where(fitted: Fitted, panel: Sequences, unseen: bool) -> str:
    if not unseen:
        return (
            "the last rows of the data, which WERE PART OF TRAINING: there are not enough rows after its end. "
            "Scores are therefore better than on new data"
        )
    new = int(never_trained(fitted, panel).sum())
    if new == panel.series:
        return "the second half of series that were not in training"
    return "rows after the end of training" + (f" ({new} series were not in it at all)" if new else "")
