"""The simple forecasts against closed forms and independent computations."""

import numpy as np
import pytest
from trained import days

import alternax as ax
from alternax.report import baselines


def task(x, *, train, horizon=3, samples=200, seasons=None, origins=4):
    x = np.asarray(x, float)
    seasons = {"mean": np.zeros(x.shape[:2], int)} | (seasons or {})
    return baselines.Task(x, seasons, train + np.arange(origins), horizon, samples, 0)


def noise(rows, columns=2, seed=0):
    x = np.random.default_rng(seed).normal(size=(2, rows, columns))
    x[0, 5:9, 0] = np.nan
    return x


def weekly(rows=210):
    week = np.arange(rows) % 7
    return (10.0 * week + noise(rows)[..., 0])[..., None], np.broadcast_to(week, (2, rows))


def test_climatology_is_the_mean_and_the_values_of_the_season_before_the_first_origin():
    x, week = weekly()
    one = task(x, train=140, seasons={"week": week})
    assert one.normal[0] == "week"
    paths = baselines.climatology(one, np.random.default_rng(0))
    for series, origin, lead in np.ndindex(2, 4, 3):
        past = x[series, :140, 0][week[0, :140] == week[0, 140 + origin + lead]]
        past = past[np.isfinite(past)]
        np.testing.assert_allclose(paths[:, series, origin, lead, 0].mean(), past.mean())
        # A draw is a training value, moved by what the mean of the draws lacks.
        drawn = paths[:, series, origin, lead, 0]
        gaps = np.abs((drawn - drawn[0])[:, None] - (past - past[:, None]).ravel()).min(1)
        np.testing.assert_allclose(gaps, 0, atol=1e-9)


def test_seasons_are_taken_only_where_they_predict():
    x, week = weekly()
    assert task(noise(210), train=140, seasons={"week": week}).normal[0] == "mean"
    assert task(x, train=140, seasons={"week": week, "row": np.arange(210) * np.ones((2, 1), int)}).normal[0] == "week"


@pytest.mark.parametrize(
    ("step", "names"),
    [
        ("D", {"mean", "mean of the weekday", "mean of the month"}),
        ("h", {"mean", "mean of the hour", "mean of the weekday", "mean of the hour of the week"}),
        ("W", {"mean", "mean of the month"}),
    ],
)
def test_seasons_follow_the_step_of_the_data(step, names):
    times = np.datetime64("2024-01-01", "ns") + np.arange(30) * np.timedelta64(1, step)
    found = baselines.seasons(ax.Sequences.from_numpy(np.ones((30, 1)), times=times))
    assert set(found) == names
    if step == "D":
        assert found["mean of the weekday"][0, :8].tolist() == [0, 1, 2, 3, 4, 5, 6, 0]
    assert set(baselines.seasons(ax.Sequences.from_numpy(np.ones((9, 1))))) == {"mean"}


def test_persistence_keeps_the_last_value_known_with_the_spread_of_training_changes():
    x = noise(80).cumsum(1)
    x[1, 58:60, 0] = np.nan
    one = task(x, train=60, samples=4000)
    paths = baselines.persistence(one, np.random.default_rng(0))
    np.testing.assert_allclose(paths[:, 1, 0, :, 0].mean(0), x[1, 57, 0])
    np.testing.assert_allclose(paths[:, 1, 2, :, 1].mean(0), x[1, 61, 1])
    for lead in (1, 3):
        changes = x[1, lead:60, 1] - x[1, : 60 - lead, 1]
        np.testing.assert_allclose(paths[:, 1, :, lead - 1, 1].std(0), changes.std(), rtol=0.05)


def test_autoregression_finds_the_powers_of_a_known_one():
    """x' = 0.8 x + e: the forecast is 0.8^h x with the error variance (1 - 0.8^2h) / (1 - 0.8^2)."""
    rng, rows = np.random.default_rng(1), 4000
    x = np.zeros((1, rows, 1))
    for t in range(1, rows):
        x[0, t] = 0.8 * x[0, t - 1] + rng.normal()
    one = task(x + 5.0, train=3800, origins=150, samples=400)
    paths = baselines.autoregression(one, np.random.default_rng(0))
    for lead in range(3):
        power = 0.8 ** (lead + 1)
        expected = 5 + power * x[0, one.origins - 1, 0]
        assert np.abs(paths[:, 0, :, lead, 0].mean(0) - expected).max() < 0.35
        np.testing.assert_allclose(paths[:, 0, :, lead].std(0).mean(), np.sqrt((1 - power**2) / 0.36), rtol=0.04)


def test_autoregression_sees_the_other_column():
    drive = np.random.default_rng(0).normal(size=400)
    x = np.stack([drive, np.concatenate([[0.0], 3 * drive[:-1]])], axis=1)[None]
    one = task(x, train=300, horizon=1, origins=50)
    mean = baselines.autoregression(one, np.random.default_rng(0))[..., 1].mean(0)[0, :, 0]
    np.testing.assert_allclose(mean, x[0, 300:350, 1], atol=0.05)


def test_nothing_after_the_first_origin_is_used_but_the_origins_past():
    x = noise(80)
    later = x.copy()
    later[:, 63:] = 1e6
    for (name, paths), (_, again) in zip(
        baselines.ensembles(task(x, train=60)), baselines.ensembles(task(later, train=60)), strict=True
    ):
        np.testing.assert_array_equal(paths, again, err_msg=name)


def test_series_without_values_borrow_from_the_others_and_nothing_is_nan():
    x = noise(60)
    x[0, :40, 1] = np.nan
    one = task(x, train=40)
    assert one.possible
    for name, paths in baselines.ensembles(one):
        assert np.isfinite(paths).all(), name


def test_columns_without_values_are_no_task():
    x = noise(60)
    x[:, :40, 1] = np.nan
    assert not task(x, train=40).possible
    assert not task(noise(60), train=4).possible


def test_task_of_a_panel_holds_the_scored_columns_with_gaps_as_nan():
    x = noise(30, columns=3)
    data = ax.Sequences.from_numpy(x, times=days(30), covariates=["x2"])
    one = baselines.task(data, np.array([20, 21]), 3, 5, 0)
    np.testing.assert_array_equal(one.x, x[..., :2])
    assert one.rows.tolist() == [[20, 21, 22], [21, 22, 23]]
