from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from report.written import OPTIONS, TRAINED, fitted, table
from trained import days, small, untrained, walk

import alternax as ax
from alternax.report import plan as room
from alternax.report.history import in_training, with_history
from alternax.report.plan import plan
from alternax.tasks.results import Backtest

ASKED = {"horizon": 4, "origins": 6, "samples": 16}


def counted(rows, columns=1):
    return ax.Sequences.from_numpy(np.ones((rows, columns)) * np.arange(rows)[:, None])


def run(train, **settings):
    return untrained(small(train.obs_dim, **settings), train)


def test_forecasts_start_after_training_and_end_inside_the_data():
    found = plan(fitted(), table(), **ASKED)
    assert found.origins.tolist() == [60, 63, 66, 69, 72, 75] and found.stride == 3
    assert found.unseen and found.where == "rows after the end of training"
    assert found.notes == ("origins are 3 rows apart",)


def test_rows_after_training_alone_get_the_end_of_training_before_them():
    whole, later = table(), table().split(TRAINED)[1]
    found = plan(fitted(), later, **ASKED)
    np.testing.assert_array_equal(found.panel.x, whole.x)
    np.testing.assert_array_equal(found.panel.times, whole.times)
    np.testing.assert_array_equal(found.panel.dt, whole.dt)
    assert found.origins.tolist() == plan(fitted(), whole, **ASKED).origins.tolist()


def test_history_of_ragged_series_is_joined_without_holes():
    train = ax.Sequences.from_numpy([walk(9), walk(5, 1)], times=[days(9), days(5)])
    later = ax.Sequences.from_numpy([walk(3, 2), walk(4, 3)], times=[days(12)[9:], days(9)[5:]])
    found = with_history(untrained(small(), train), later)
    assert found.lengths.tolist() == [12, 9]
    np.testing.assert_array_equal(found.x[1, :9], np.concatenate([train.x[1, :5], later.x[1, :4]]))
    assert (found.valid[1] == (np.arange(12) < 9)).all() and np.isnat(found.times[1, 9:]).all()


def test_data_that_overlap_with_training_or_are_of_other_series_stay_as_they_are():
    assert with_history(fitted(), table()) is not None
    assert (with_history(fitted(), table()).lengths == table().lengths).all()
    other = replace(table().split(TRAINED)[1], schema=replace(table().schema, ids=("a", "b")))
    assert (with_history(fitted(), other).lengths == 20).all()


def test_training_data_are_tested_on_their_end_and_the_plan_says_so():
    found = plan(fitted(), table().rows(0, TRAINED), **ASKED)
    assert not found.unseen and "WERE PART OF TRAINING" in found.where
    assert found.origins[0] == TRAINED - TRAINED // 5


def test_series_that_were_not_in_training_are_tested_on_their_second_half():
    other = replace(table(), schema=replace(table().schema, ids=("a", "b")))
    found = plan(fitted(), other, **ASKED)
    assert found.unseen and found.where == "the second half of series that were not in training"
    assert found.origins[0] == 40 and not in_training(fitted(), other).any()


def test_ragged_series_end_together_and_short_ones_are_left_out():
    x = [walk(rows, seed) for seed, rows in enumerate((80, 70, 62))]
    data = ax.Sequences.from_numpy(x, times=[days(80)[:r] for r in (80, 70, 62)])
    train = ax.Sequences.from_numpy([v[:60] for v in x], times=days(60))
    found = plan(untrained(small(), train), data, **ASKED)
    assert found.panel.schema.ids == ("0", "1")
    assert found.panel.lengths.tolist() == [70, 70]
    assert found.origins[0] == 60 and found.origins[-1] <= 66
    assert any("2 of 3 series are tested" in note for note in found.notes)
    assert any("cut to their last 70 rows" in note for note in found.notes)


def test_long_data_are_thinned_and_it_is_said(monkeypatch):
    monkeypatch.setattr(room, "SPAN", 50)
    monkeypatch.setattr(room, "WORK", 100)
    data = ax.Sequences.from_numpy(np.ones((4, 300, 1)).cumsum(1))
    found = plan(untrained(small(1), data.rows(0, 100)), data, **ASKED)
    assert found.panel.series == 1 and found.origins[0] == 250
    assert "only the last 50 rows of each series are tested" in found.notes
    assert any("1 of 4 series are tested" in note for note in found.notes)


def test_wide_data_get_fewer_origins(monkeypatch):
    monkeypatch.setattr(room, "VALUES", 16 * 2 * 4 * 2 * 4)
    assert len(plan(fitted(), table(), **ASKED).origins) == 4


def test_default_horizon_leaves_half_of_the_new_rows_for_origins():
    assert plan(fitted(), table(), **ASKED | {"horizon": None}).horizon == 10
    assert plan(run(counted(30)), counted(100), **ASKED | {"horizon": None}).horizon == 12
    assert plan(run(counted(30)), counted(31), **ASKED | {"horizon": None}).horizon == 1


def test_data_that_are_too_short_are_refused():
    data = counted(9)
    with pytest.raises(ax.InputError, match="of 4 rows needs 6 rows before them, 10 in all; the longest series has 9"):
        plan(run(data, context=6), data, **ASKED)
    with pytest.raises(ax.InputError, match="Give longer data or a smaller horizon"):
        plan(run(data), data, **ASKED | {"horizon": 9})


@pytest.mark.parametrize(("context", "before"), [(None, 10), (6, 60)])
def test_backtest_is_given_enough_history_and_counts_rows_of_the_panel(monkeypatch, context, before):
    monkeypatch.setattr(room, "HISTORY", 10)
    found, asked = plan(fitted(), table(), **ASKED), {}

    def backtest(data, **options):
        asked.update(options, data=data)
        origins = np.arange(options["start"], data.lengths[0] - 3, options["stride"])
        empty = np.zeros((2, 2, len(origins), 4, 2))
        return Backtest(samples=empty, truth=empty[0], origins=origins, times=empty[0, ..., 0], schema=data.schema,
                        batched=True)  # fmt: skip

    run = SimpleNamespace(model=SimpleNamespace(context=context), backtest=backtest)
    result = found.backtest(run, samples=16, seed=3)
    assert asked["start"] == before and asked["seed"] == 3 and asked["samples"] == 16 and asked["horizon"] == 4
    np.testing.assert_array_equal(asked["data"].x[:, before:], table().x[:, 60:])
    assert result.origins.tolist() == found.origins.tolist()


def test_options_are_those_of_the_report():
    assert set(OPTIONS) == set(ASKED)
