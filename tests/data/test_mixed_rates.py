"""Columns of different rates and series that begin at events of their own, through the doors and every task.

The affine Alternator of `linear_gaussian` is a linear-Gaussian model: what it says of such data must be what a dense
Gaussian says that is written from the equations and knows nothing but the entries that are there.
"""

import math
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from inference.dense import MILD, Dense, dense, mild
from models.alternator.linear_gaussian import ALPHA, LATENT, OBS, SIGMA_X, SIGMA_Z, F, G, affine, f, g, joint
from trained import SETTINGS, small, untrained

import alternax as ax

RATES = np.array([0.4, 1.5])
LEVEL = 6.0  # of the slow column: zeros in its place would be far off
# Hours since the event of each trial, in quarters, which floats hold exactly; they go on at AHEAD.
SINCE = {"a": np.array([0, 0.5, 1.25, 2.25, 3.25, 4.5, 6.5, 7.5]), "b": np.array([0.75, 1.75, 2, 3.25, 5.25, 6.25])}
AHEAD = np.array([[9.0], [6.5]])


def values(rows: int, seed: int, slow: slice = slice(1, None, 3)) -> np.ndarray:
    """A column without gaps beside one that is measured in some rows only."""
    x = np.random.default_rng(seed).normal(size=(rows, OBS)) + np.array([0, LEVEL])
    x[~np.isin(np.arange(rows), np.arange(rows)[slow]), 1] = np.nan
    return x


def monthly_beside_daily() -> pd.DataFrame:
    """Two tables joined by their stamps: days, two of which are missing, and months, one of which ends at noon."""
    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-29", periods=36, freq="D").delete([4, 20])
    months = pd.DatetimeIndex(["2024-02-01", "2024-02-15 12:00", "2024-03-01"])
    fast = pd.DataFrame({"fast": rng.normal(size=len(days))}, index=days)
    slow = pd.DataFrame({"slow": LEVEL + rng.normal(size=len(months))}, index=months)
    return fast.join(slow, how="outer").rename_axis("time").reset_index().assign(trial="joined")


def trials(events: dict[str, Any], since: dict[str, np.ndarray] = SINCE) -> pd.DataFrame:
    """Trials of unequal length, stamped by when their events were."""
    parts = []
    for seed, (name, hours) in enumerate(since.items()):
        later = hours if isinstance(events[name], float) else pd.to_timedelta(hours, unit="h")
        table = pd.DataFrame(values(len(hours), seed), columns=["fast", "slow"])
        parts.append(table.assign(trial=name, time=events[name] + later))
    return pd.concat(parts, ignore_index=True)


def both() -> pd.DataFrame:
    """The tables as one series, and a trial stamped in days since an event as another, shorter one."""
    table = pd.DataFrame(values(8, 1), columns=["fast", "slow"])
    stamps = pd.Timestamp("2024-05-03 07:30") + pd.to_timedelta(SINCE["a"], unit="D")
    return pd.concat([monthly_beside_daily(), table.assign(trial="after an event", time=stamps)], ignore_index=True)


def door(frame: pd.DataFrame) -> ax.Sequences:
    return ax.Sequences.from_frame(frame, id="trial", time="time")


def flowing() -> ax.Alternator:
    """The model with mild weights for masks and ages, and a latent that flows by the rates."""
    return eqx.tree_at(lambda m: m.decay, mild(affine(flow="ou")), jnp.asarray(np.log(np.expm1(RATES)), dtype=float))


def exactly(frame: pd.DataFrame) -> Iterator[tuple[int, int, Dense]]:
    """Number, length and dense Gaussian of every series, from the entries of the frame that are there."""
    for series, (_, part) in enumerate(frame.groupby("trial", sort=False)):
        x, dt = part[["fast", "slow"]].to_numpy(), [1.0, *(part["time"].diff() / pd.Timedelta("1D"))[1:]]
        want = dense(x, dt=np.array(dt), rates=RATES, ou=True, unseen=MILD)
        assert len(want.rest) == np.isfinite(x).sum() < x.size
        yield series, len(part), want


@pytest.mark.float64
def test_likelihood_is_that_of_the_entries_there_are():
    data = door(both())
    found = untrained(flowing(), data).log_prob(data)
    for series, _, want in exactly(both()):
        assert found.value[series] == pytest.approx(want.log_density(), abs=1e-8)


@pytest.mark.slow
@pytest.mark.float64
def test_filter_is_given_the_entries_there_are():
    data = door(both())
    filtered = untrained(flowing(), data).filter(data, method="exact")
    for series, rows, want in exactly(both()):
        for moment, exact in zip((filtered.mean, filtered.var), want.filtered(), strict=True):
            np.testing.assert_allclose(moment[series, :rows], exact, atol=1e-8)


def next_row(x: np.ndarray, dt: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the row after those of `x`, the last `dt` later: by the law that forecasts start from."""
    factor, carry = math.sqrt(1 - SIGMA_X**2), math.sqrt(1 - ALPHA - SIGMA_Z**2)
    m, v, last, age = np.zeros(LATENT), np.ones(LATENT), np.zeros(OBS), np.zeros(OBS)
    for row, elapsed in zip([*x, np.full(OBS, np.nan)], dt, strict=True):
        flow, age = np.exp(-RATES * elapsed), age + elapsed
        m, v = flow * m, flow**2 * v + 1 - flow**2
        seen = np.isfinite(row)
        mean = factor * (F @ m + f + MILD * np.log(age).sum())
        if seen.any():
            last, age = np.where(seen, row, last), np.where(seen, 0.0, age)
            m, v = carry * m + math.sqrt(ALPHA) * (G @ last + g + MILD * (~seen).sum()), carry**2 * v + SIGMA_Z**2
    return mean, factor**2 * F @ np.diag(v) @ F.T + SIGMA_X**2 * np.eye(OBS)


@pytest.mark.slow
def test_forecasts_at_times_of_their_own_follow_the_exact_law():
    frame, count = trials({"a": 0.0, "b": 40.0}), 5000
    data = door(frame)
    times = AHEAD + np.array([[0.0], [40.0]])
    ahead = untrained(flowing(), data).forecast(data, horizon=1, times=times, samples=count)
    np.testing.assert_array_equal(ahead.times, times)
    for series, (name, part) in enumerate(frame.groupby("trial")):
        stamps = np.append(SINCE[name], AHEAD[series])
        mean, covariance = next_row(part[["fast", "slow"]].to_numpy(), np.diff(stamps, prepend=stamps[0] - 1))
        draws, variance = ahead.samples[:, series, 0], np.diag(covariance)
        assert np.all(np.abs(draws.mean(0) - mean) < 4 * np.sqrt(variance / count))
        error = np.sqrt((np.outer(variance, variance) + covariance**2) / count)
        assert np.all(np.abs(np.cov(draws.T) - covariance) < 4 * error)


@pytest.mark.slow
def test_a_slow_column_is_filled_in_by_the_exact_law_given_all_that_is_there():
    """Neither by zeros nor by its last value; means over runs within 4.5 standard errors."""
    law, rows, runs = joint(12), 12, 8
    x = np.random.default_rng(4).multivariate_normal(law.mean, law.covariance).reshape(rows, OBS)
    x[np.arange(rows) % 5 > 0, 1] = np.nan
    seen = np.isfinite(x)
    mean, variance = law.given(np.where(seen, x, 0.0), seen)
    data = ax.Sequences.from_numpy(x, times=pd.date_range("2024-01-01", periods=rows))
    fitted = untrained(affine(), data)
    draws = np.stack([fitted.impute(data, samples=500, lag=12, seed=run).samples[:, 0] for run in range(runs)])
    assert np.all(draws[..., seen] == x[seen])
    squared = (draws - mean) ** 2
    for found, want in ((draws.mean(1), mean), (squared.mean(1), variance)):
        error = found.std(0, ddof=1)[~seen] / math.sqrt(runs)
        difference = np.abs(found.mean(0) - want)[~seen]
        assert np.all(error < 0.06) and np.all(difference < 4.5 * error)
    for filling in (0.0, pd.DataFrame(x).ffill().to_numpy()):
        assert np.abs(mean - filling)[~seen].max() > 0.5


EVENTS = {
    "later": {"a": 1000.0, "b": 1000.0},
    "each at its own time": {"a": 0.0, "b": -40.0},
    "dates": {"a": pd.Timestamp("2024-03-01 07:30"), "b": pd.Timestamp("2023-12-31 23:45")},
}
FIRST = {"a": 0.0, "b": 0.0}


@pytest.mark.parametrize("events", EVENTS.values(), ids=EVENTS)
def test_a_model_sees_nothing_of_when_the_events_were(events):
    found, want = door(trials(events)), door(trials(FIRST))
    for one, other in zip(jax.tree.leaves(found.arrays()), jax.tree.leaves(want.arrays()), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(want.dt[1], [1, 1, 0.25, 1.25, 2, 1, 1, 1])
    assert found.x[0, 0, 1] == 0 and not found.observed[0, 0, 1]


def tasks(frame: pd.DataFrame) -> tuple[ax.Fitted, list[np.ndarray], np.ndarray]:
    """A run of some steps; its losses, forecasts and filled gaps; the times of the forecasts."""
    data = door(frame)
    fitted = ax.fit(small(flow="decay"), data, **SETTINGS | {"window": 5, "valid": None})
    ahead, filled = fitted.forecast(horizon=3, samples=20), fitted.impute(data, samples=20)
    return fitted, [np.array(fitted.record.train_loss), ahead.samples, filled.samples], ahead.times


@pytest.mark.slow
def test_training_forecasts_and_filled_gaps_are_the_same_whenever_the_events_were():
    _, want, hours = tasks(trials(FIRST))
    for events in EVENTS.values():
        _, found, times = tasks(trials(events))
        for one, other in zip(found, want, strict=True):
            np.testing.assert_array_equal(one, other)
        since = times - np.array([[event] for event in events.values()], times.dtype)
        np.testing.assert_array_equal(since if since.dtype.kind == "f" else since / np.timedelta64(1, "h"), hours)
    _, other, _ = tasks(trials(FIRST, {"a": SINCE["a"], "b": SINCE["b"] * 2}))
    assert np.all(other[0] != want[0])


@pytest.mark.slow
def test_a_slow_column_is_scaled_and_filled_in_by_the_values_it_has():
    """Zeros between its stamps would pull its mean of 1,006 down and its values after it."""
    frame = trials(FIRST)
    frame["slow"] += 1000
    fitted, (_, ahead, filled), _ = tasks(frame)
    np.testing.assert_allclose(fitted.transform.location, [frame["fast"].mean(), frame["slow"].mean()], rtol=1e-12)
    for draws in (ahead, filled[:, :, : len(SINCE["b"])]):
        assert np.all(np.abs(draws[..., 1] - 1000 - LEVEL) < 20)
