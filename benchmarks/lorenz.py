"""Lorenz latents decoded from spikes, causally: accuracy and training time of the alternator beside ridge regression.

Protocol: 401 steps, the first 320 train, the last 81 test; units with at least 10 training spikes; causal Gaussian
smoothing over six bins; x is the smoothed counts of this bin and the last; x and z scaled to [-1, 1] by the training
part's extremes. Alpha was chosen on the last 64 training steps (held-out MSE .0073 for 0.9, .0086 for 0.7, .0131 for
0.4; Alternator++ at beta 0.7: .0084 for 0.9, .0083 for 0.7, .0080 for 0.5, .0078 for 0.3, at beta 0.3 and alpha 0.9
.0084); hiding inputs in training is the masking of the alpha-Alternator (arXiv 2502.04593).

    python benchmarks/lorenz.py [--seeds 5] [--out benchmarks/lorenz.md]
"""

import argparse
import time

import jax
import numpy as np
from setting import data_folder, machine, write_table

import alternax as ax
from alternax.core.fixed import parameter_count

TRAIN, TAPS, WIDTH, MIN_SPIKES, STEPS = 320, 6, 2.0, 10, 1500
# Alpha, share hidden, decay, width, and for an Alternator++ beta.
SETTINGS = (
    (0.7, 0.0, 0.01, 128, None), (0.9, 0.3, 1.0, 128, None), (0.9, 0.3, 1.0, 244, None), (0.3, 0.3, 1.0, 128, 0.7)
)  # fmt: skip


def load() -> tuple[np.ndarray, np.ndarray]:
    """Features (401, 162) and targets (401, 3)."""
    stored = np.load(data_folder("lorenz_spikes.npz"))
    spikes = stored["spikes"].astype(float)
    spikes = spikes[:, spikes[:TRAIN].sum(0) >= MIN_SPIKES]
    taps = np.exp(-0.5 * ((np.arange(TAPS) - (TAPS - 1) / 2) / WIDTH) ** 2)
    smooth = np.stack([np.convolve(unit, taps / taps.sum())[: len(unit)] for unit in spikes.T], 1)
    last = np.concatenate([np.zeros((1, smooth.shape[1])), smooth[:-1]])
    return _scaled(np.concatenate([last, smooth], 1)), _scaled(stored["z"])


def _scaled(values: np.ndarray) -> np.ndarray:
    low, high = values[:TRAIN].min(0), values[:TRAIN].max(0)
    return 2 * (values - low) / (high - low + 1e-6) - 1


def score(decoded: np.ndarray, z: np.ndarray) -> tuple[float, float]:
    """Held-out mean squared error and mean correlation."""
    correlation = np.mean([np.corrcoef(decoded[TRAIN:, i], z[TRAIN:, i])[0, 1] for i in range(z.shape[1])])
    return float(((decoded - z)[TRAIN:] ** 2).mean()), float(correlation)


def ridge(x: np.ndarray, z: np.ndarray, penalty: float = 100.0) -> np.ndarray:
    """Linear regression of z on x."""
    design = np.c_[x, np.ones(len(x))]
    gram = design[:TRAIN].T @ design[:TRAIN] + penalty * np.eye(design.shape[1])
    return design @ np.linalg.solve(gram, design[:TRAIN].T @ z[:TRAIN])


def model(
    x: np.ndarray, alpha: float, width: int, beta: float | None, seed: int
) -> ax.Alternator | ax.AlternatorPlusPlus:
    """The paper's alternator; with `beta` that of the paper on noise models."""
    settings = {
        "latent_dim": 3, "target_dim": 3, "ftn": "mlp", "otn": "mlp", "width": width, "depth": 3, "alpha": alpha,
        "sigma_z": 0.14, "noise": "paper", "sigma_x": 0.2, "residual": None, "decode": "latent",
    }  # fmt: skip
    key = jax.random.key(seed)
    if beta is None:
        return ax.Alternator(x.shape[1], **settings, key=key)
    return ax.AlternatorPlusPlus(x.shape[1], **settings, beta=beta, key=key)


def run(
    x: np.ndarray,
    z: np.ndarray,
    alpha: float,
    hidden: float,
    weight_decay: float,
    width: int,
    beta: float | None,
    seed: int,
) -> tuple[float, ...]:
    """Held-out error, correlation, seconds of the whole training with compilation, milliseconds a step."""
    data = ax.Sequences.from_numpy(x, targets=z)
    started = time.perf_counter()
    objective = ax.Masked(ax.CrossEntropy() if beta is None else ax.NoiseMatching(), hidden)
    fitted = ax.fit(
        model(x, alpha, width, beta, seed), data.rows(0, TRAIN), objective=objective, transform=ax.Identity(),
        target_transform=ax.Identity(), steps=STEPS, every=STEPS, window=TRAIN, valid=None, learning_rate=1e-3,
        weight_decay=weight_decay, seed=seed, progress=False,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    mse, correlation = score(fitted.decode(data).mean, z)
    print(
        f"alpha {alpha} hidden {hidden} width {width} beta {beta} seed {seed}: {mse:.4f} {correlation:.4f} in "
        f"{seconds:.1f} s",
        flush=True,
    )
    return mse, correlation, seconds, 1e3 * seconds / STEPS


def main() -> None:
    """Run all seeds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out")
    options = parser.parse_args()
    x, z = load()
    mse, correlation = score(ridge(x, z), z)
    table = [
        "| model | held-out MSE | by seed | correlation | training with compilation, s | a step, ms |",
        "|---|---|---|---|---|---|",
        f"| ridge, penalty 100 | {mse:.4f} | - | {correlation:.3f} | - | - |",
    ]
    for alpha, hidden, weight_decay, width, beta in SETTINGS:
        rows = [run(x, z, alpha, hidden, weight_decay, width, beta, seed) for seed in range(options.seeds)]
        median, seeds = np.median(rows, 0), ", ".join(f"{row[0]:.4f}" for row in rows)
        count = parameter_count(model(x, alpha, width, beta, 0))
        kind = f"alternator, alpha {alpha}" if beta is None else f"alternator++, alpha {alpha}, beta {beta}"
        name = f"{kind}, {hidden:.0%} of the inputs hidden in training, {count:,} parameters"
        table.append(f"| {name} | {median[0]:.4f} | {seeds} | {median[1]:.3f} | {median[2]:.1f} | {median[3]:.1f} |")
    note = f"{STEPS} steps, medians over seeds. {machine()}"
    write_table("Lorenz latents from spikes", __doc__, [*table, "", note], options.out)


if __name__ == "__main__":
    main()
