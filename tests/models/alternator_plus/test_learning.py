"""Alternator++ learns a noisy signal, and a trained one has every task."""

import math

import jax
import numpy as np
import pytest

import alternax as ax

ROWS, TRAINED, HORIZON = 240, 200, 4
pytestmark = pytest.mark.slow


def waves(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A sine of period 12 with a random phase through two noisy columns, and the sine."""
    rng = np.random.default_rng(seed)
    sine = np.sin(2 * np.pi * np.arange(ROWS) / 12 + rng.uniform(0, 6))[:, None]
    return sine * [2.0, -1.0] + [10.0, 3.0] + 0.3 * rng.normal(size=(ROWS, 2)), sine


@pytest.fixture(scope="module")
def data() -> ax.Sequences:
    x, targets = zip(*(waves(seed) for seed in range(4)), strict=True)
    return ax.Sequences.from_numpy(np.stack(x), targets=np.stack(targets))


@pytest.fixture(scope="module")
def fitted(data) -> ax.Fitted:
    model = ax.AlternatorPlusPlus(
        2, latent_dim=8, target_dim=1, ftn="mlp", otn="mlp", width=24, depth=1, key=jax.random.key(0)
    )
    objective = ax.NoiseMatching() + ax.Elbo()
    return ax.fit(
        model, data.rows(0, TRAINED), objective=objective, steps=600, every=50, batch=8, window=64, learning_rate=5e-3,
        progress=False,
    )  # fmt: skip


def test_training_lowers_the_loss(fitted):
    losses = fitted.record.train_loss
    assert np.isfinite(losses).all() and np.mean(losses[-3:]) < np.mean(losses[:2]) - 0.5
    assert fitted.record.valid_loss[-1] < fitted.record.valid_loss[0]


def test_forecasts_beat_the_climatology(fitted, data):
    """By CRPS, against the law of the training rows as a forecast, and by decoded targets against their spread."""
    scores = fitted.backtest(data, horizon=HORIZON, start=TRAINED, stride=3, samples=50)
    past = data.x[:, :TRAINED].reshape(-1, 2)
    sorted_past = np.sort(past, axis=0)
    weights = 2 * np.arange(len(past)) + 1 - len(past)
    spread = (weights[:, None] * sorted_past).sum(0) / len(past) ** 2
    truth = scores.truth.reshape(-1, 2)
    climatology = np.mean(np.abs(truth[:, None] - past[None]).mean(1) - spread)
    found = float(np.mean(scores.table["crps"]))
    print(f"CRPS {found:.3f}, climatology {climatology:.3f}")
    assert found < 0.7 * climatology
    decoded = fitted.decode(data)
    error = np.sqrt(np.mean((np.asarray(decoded.mean) - data.targets)[:, TRAINED:] ** 2))
    print(f"decoding error {error:.3f}")
    assert error < 0.35


def test_a_trained_model_has_every_task(fitted, data, tmp_path):
    hidden = data.x.copy()
    hidden[0, 50:53, 0] = hidden[1, 80] = np.nan
    gappy = ax.Sequences.from_numpy(hidden, targets=data.targets).rows(0, 100)
    filled = fitted.impute(gappy, samples=20)
    kept = ~np.isnan(gappy.x) & gappy.observed
    np.testing.assert_allclose(filled.samples[0][kept], gappy.x[kept])
    off = np.abs(filled.samples.mean(0) - data.x[:, :100])[~kept]
    print(f"largest error of an imputed mean {off.max():.2f}")
    assert off.max() < 2.0
    latent = fitted.filter(gappy)
    assert latent.mean.shape == (4, 100, 8) and np.all(latent.var > 0)
    both_ways = fitted.smooth(gappy.rows(0, 40), samples=20, particles=100)
    assert both_ways.mean.shape == (4, 40, 8) and np.isfinite(both_ways.mean).all()
    value = fitted.log_prob(gappy.rows(0, 40), particles=64)
    assert np.isfinite(value.value).all() and np.all(value.standard_error < 2.0)
    drawn = fitted.sample(length=30, samples=6).samples
    assert np.isfinite(drawn).all() and drawn.std() > 0.1
    fitted.save(tmp_path / "run")
    again = ax.load(tmp_path / "run")
    first, second = (run.forecast(gappy, horizon=3, samples=5).samples for run in (fitted, again))
    np.testing.assert_array_equal(first, second)
    assert math.isfinite(fitted.metrics["valid_loss"])
