"""Several members' paths as one ensemble."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import alternax as ax
from alternax.tasks.results import Backtest, Forecast

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame({"a": np.arange(6.0), "b": 1.0}, index=pd.date_range("2020-01-01", periods=6, name="day"))
DATA = ax.Sequences.from_frame(FRAME)


def forecast(samples, seed=0, data=DATA):
    values = RNG.normal(size=(samples, 1, 3, data.obs_dim)) + seed
    return Forecast(
        samples=values, times=data.future_times(3), schema=data.schema, batched=data.batched, seed=seed, past=data
    )


def backtest(samples, seed=0):
    truth = np.where(RNG.random((1, 4, 3, 2)) < 0.3, np.nan, 0.0) if seed == 0 else FIRST.truth.copy()
    return Backtest(
        samples=RNG.normal(size=(samples, 1, 4, 3, 2)), truth=truth, origins=np.arange(4),
        times=np.arange(12.0).reshape(1, 4, 3), schema=DATA.schema, batched=False, seed=seed,
    )  # fmt: skip


FIRST = backtest(6)


def test_paths_stand_side_by_side_and_count_by_their_number():
    few, many = forecast(5), forecast(15, seed=2)
    both = ax.pool([few, many])
    np.testing.assert_array_equal(both.samples, np.concatenate([few.samples, many.samples]))
    np.testing.assert_allclose(both.mean, 0.25 * few.mean + 0.75 * many.mean)
    assert both.past is DATA and both.seed == 0 and both.schema == DATA.schema
    assert ax.pool([few]).samples.shape == few.samples.shape


def test_backtests_are_scored_together_and_unknown_truth_is_no_difference():
    both = ax.pool([FIRST, backtest(8, seed=1)])
    assert both.samples.shape == (14, 1, 4, 3, 2) and np.isnan(both.truth).any()
    np.testing.assert_allclose(both.table["rmse"], ax.metrics.rmse(both.samples.mean(0), FIRST.truth, axis=(0, 1, 3)))


def test_the_spread_of_a_pool_holds_what_members_disagree_about():
    both = ax.pool([forecast(2000), forecast(2000, seed=3)])
    np.testing.assert_allclose(both.std, np.sqrt(1 + 1.5**2), rtol=0.1)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (list, r"pool: expected one or more forecasts.*found \[\]"),
        (lambda: [forecast(4), FIRST], r"found \['Forecast', 'Backtest'\]"),
        (lambda: [forecast(4), forecast(4, data=DATA.rows(0, 5))], "member 1 differs from member 0 in its times"),
        (lambda: [forecast(4), forecast(4, data=DATA.select(["b"]))], "member 1 differs from member 0 in its schema"),
        (lambda: [FIRST, replace(FIRST, truth=FIRST.truth + 1.0)], "in its truth"),
        (lambda: [FIRST, replace(FIRST, origins=FIRST.origins + 1)], "in its origins"),
    ],
)
def test_what_does_not_fit_together_is_refused(members, message):
    with pytest.raises(ax.InputError, match=message):
        ax.pool(members())
