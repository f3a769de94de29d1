"""ETTh1, 24 hours ahead: accuracy of 200 joint sample paths and training time, beside plain baselines.

Protocol: 7 channels standardised with the first 8,640 rows, which are also the training part; 168 rows of context
before each of 70 origins (rows 11,520, 11,561, ... below 14,376); MSE of the mean, MAE of the median, unbiased CRPS,
over all channels and leads, in standardised units.

    python benchmarks/etth1.py [--seeds 5] [--out benchmarks/etth1.md]
"""

import argparse
import time

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


def run(data: ax.Sequences, seed: int) -> tuple[list[float], float]:
    """Scores and training seconds, compilation included."""
    started = time.perf_counter()
    model = ax.Alternator(7, latent_dim=32, control_dim=data.control_dim, context=CONTEXT, key=jax.random.key(seed))
    objective = ax.Masked(ax.RolloutScore("crps", horizon=HORIZON, samples=4, origins=2), 0.2)
    fitted = ax.fit(
        model, data.rows(0, TRAIN), objective=objective,
        transform=ax.Identity(), steps=STEPS, batch=16, learning_rate=3e-3, weight_decay=WEIGHT_DECAY, average=AVERAGE,
        patience=None, seed=seed, progress=False,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    test = fitted.backtest(data, horizon=HORIZON, stride=STRIDE, start=FIRST, stop=LAST, samples=SAMPLES)
    found = scores(test.samples[:, 0], test.truth[0])
    print(f"seed {seed}: MSE {found[0]:.4f} MAE {found[1]:.4f} CRPS {found[2]:.4f} in {seconds:.0f} s", flush=True)
    return found, seconds


STEPS, WEIGHT_DECAY, AVERAGE = 700, 0.1, 0.99


def main() -> None:
    """Run the baselines and all seeds, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
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
    lines = ["| model | MSE | MAE | CRPS | training, s |", "|---|---|---|---|---|"]
    for name, forecast in baselines.items():
        lines.append(f"| {name} | " + " | ".join(f"{v:.3f}" for v in scores(forecast[None], truth)) + " | - |")
    rows = [run(data, seed) for seed in range(options.seeds)]
    middle = np.median([found for found, _ in rows], 0)
    seconds = np.median([took for _, took in rows])
    found = " | ".join(f"{v:.3f}" for v in middle)
    lines.append(f"| alternator, median of {options.seeds} seeds | {found} | {seconds:.0f} |")
    by_seed = "; ".join(f"{found[0]:.3f} / {found[2]:.3f}" for found, _ in rows)
    lines += ["", f"MSE / CRPS by seed: {by_seed}.", "", machine()]
    write_table("ETTh1, 24 hours ahead", __doc__, lines, options.out)


if __name__ == "__main__":
    main()
