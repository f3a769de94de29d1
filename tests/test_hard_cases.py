"""Data that break careless arithmetic: training stays finite and forecasts sane, or it stops and says why."""

from functools import cache

import jax
import numpy as np
import pytest

import alternax as ax

ROWS, HORIZON = 240, 8
SETTINGS = {"objective": ax.Elbo(), "steps": 150, "every": 75, "batch": 8, "window": 40, "learning_rate": 1e-2}

rng = np.random.default_rng(0)
clock = np.arange(ROWS)[:, None]
waves = np.concatenate([np.sin(clock / 5), np.cos(clock / 5)], axis=1)
walk = 0.1 * rng.normal(size=(ROWS, 2)).cumsum(0)

CASES: dict[str, np.ndarray] = {
    "noise alone": 100.0 * rng.normal(size=(ROWS, 2)),
    "no noise at all": waves,
    "a constant column": np.concatenate([np.full((ROWS, 1), 7.0), rng.normal(size=(ROWS, 1))], axis=1),
    "constant throughout": np.full((ROWS, 2), 7.0),
    "one outlier in training": np.where((clock == 100) & (np.arange(2) == 0), 1e6, walk),
    "one outlier at the end": np.where((clock == ROWS - 1) & (np.arange(2) == 0), 1e6, walk),
    "one entry in twenty": np.where(rng.random((ROWS, 2)) < 0.05, waves, np.nan),
    "scales of 1e-30 and 1e30": waves * [1e-30, 1e30],
    "a level of 1e9": waves + 1e9,
}
MODELS = {
    "alternator": lambda: ax.Alternator(2, latent_dim=3, width=4, depth=1, otn="affine", key=jax.random.key(0)),
    "autoregressive": lambda: ax.Autoregressive(2, body="lru", width=4, depth=1, key=jax.random.key(0)),
}


@cache
def model(name: str) -> ax.Model:
    return MODELS[name]()


def ranges_beyond(paths: np.ndarray, x: np.ndarray) -> float:
    """How far paths leave the range of the data, in widths of that range (a constant column's counts as 1)."""
    low, high = np.nanmin(x, 0), np.nanmax(x, 0)
    width = np.where(high > low, high - low, 1.0)
    return float((np.maximum(low - paths, paths - high) / width).max(initial=0.0))


mostly_alternator = pytest.mark.parametrize(
    "name", ["alternator", pytest.param("autoregressive", marks=pytest.mark.slow)]
)
HARDEST = ("constant throughout", "one outlier in training")
EACH = [
    pytest.param(name, case, marks=[] if name == "alternator" and case in HARDEST else [pytest.mark.slow])
    for name in MODELS
    for case in CASES
]


@pytest.mark.parametrize(("name", "case"), EACH)
def test_training_stays_finite_and_forecasts_sane(name, case):
    data = ax.Sequences.from_numpy(CASES[case])
    fitted = ax.fit(model(name), data, **SETTINGS)
    record = fitted.record
    assert record.stopped == "finished" and record.steps == 150
    assert np.isfinite([*record.train_loss, *record.valid_loss]).all()
    paths = fitted.forecast(horizon=HORIZON, samples=16).samples
    assert np.isfinite(paths).all()
    assert ranges_beyond(paths, CASES[case]) < 5.0


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_fifty_thousand_rows_train_and_forecast(name):
    x = np.sin(np.arange(50_000)[:, None] / np.array([5.0, 700.0])) + 0.1 * rng.normal(size=(50_000, 2))
    fitted = ax.fit(model(name), ax.Sequences.from_numpy(x), **SETTINGS)
    assert fitted.record.stopped == "finished" and np.isfinite(fitted.record.valid_loss).all()
    paths = fitted.forecast(horizon=HORIZON, samples=16).samples
    assert np.isfinite(paths).all() and ranges_beyond(paths, x) < 1.0


@mostly_alternator
def test_what_single_precision_cannot_hold_stops_training_with_the_reason(name):
    data = ax.Sequences.from_numpy(CASES["no noise at all"] * 1e30)
    with pytest.warns(RuntimeWarning, match=r"training stopped: non-finite loss at step 1; the parameters of step 0"):
        fitted = ax.fit(model(name), data, **SETTINGS, transform=ax.Identity())
    assert fitted.record.stopped == "non-finite loss at step 1" and fitted.record.steps == 0
    kept = zip(jax.tree.leaves(fitted.model), jax.tree.leaves(model(name)), strict=True)
    assert all(np.array_equal(a, b) for a, b in kept if isinstance(a, jax.Array))


def test_a_series_of_one_row_is_refused_by_its_length():
    data = ax.Sequences.from_numpy(np.ones((1, 2)))
    with pytest.raises(ax.InputError, match=r"2 rows; found 1 \(series 0 has 1 rows\)\. Give longer series"):
        ax.fit(model("autoregressive"), data, **SETTINGS | {"window": None})
