"""A sine seen through noisy channels, with bursts of strong noise: does alpha that follows the Vendi score help there?

Every series has 775 rows of a sine of period 60 with a random phase, seen through 10 channels of random gain with noise
of standard deviation 0.3, and 3 in a burst of 150 rows at a random place. The sine is decoded causally from the
channels: 16 series train, 8 test, and the root-mean-square error is taken inside and outside the bursts. f and g are
memoryless (MLPs of width 32), so that alpha is all the memory there is; 30 % of the entries are hidden in training for
all of them. The plain baseline is a ridge regression on the last 10 rows, its penalty the best of five there.

    python benchmarks/noisy_window.py [--seeds 5] [--steps 1500] [--out benchmarks/noisy_window.md]
"""

import argparse
import time

import jax
import numpy as np
from lagged import lagged
from setting import machine, write_table

import alternax as ax

ROWS, CHANNELS, PERIOD, BURST, QUIET, LOUD, TRAIN, TEST = 775, 10, 60, 150, 0.3, 3.0, 16, 8
ALPHAS: dict[str, object] = {
    "one constant, learned": "learned",
    "one constant a dimension, learned": "multiscale",
    "one by the Vendi score (q = 1, RBF, 10 rows)": ax.Vendi(base="learned"),
    "one a dimension by the Vendi score (q = 1, RBF, 10 rows)": ax.Vendi(),
    "the same, q = 2": ax.Vendi(order=2.0),
    "the same, q = 1, cosine": ax.Vendi(kernel="cosine"),
}


def series(count: int, gains: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Channels (count, rows, channels), the sine (count, rows, 1), and where the bursts are (count, rows)."""
    sine = np.sin(2 * np.pi * np.arange(ROWS) / PERIOD + rng.uniform(0, 2 * np.pi, (count, 1)))[..., None]
    start = rng.integers(50, ROWS - BURST, (count, 1))
    burst = (np.arange(ROWS) >= start) & (np.arange(ROWS) < start + BURST)
    noise = np.where(burst, LOUD, QUIET)[..., None] * rng.normal(size=(count, ROWS, CHANNELS))
    return gains * sine + noise, sine, burst


def errors(decoded: np.ndarray, sine: np.ndarray, burst: np.ndarray) -> tuple[float, float]:
    """Root-mean-square error inside and outside the bursts."""
    squared = (decoded - sine)[..., 0] ** 2
    return float(np.sqrt(squared[burst].mean())), float(np.sqrt(squared[~burst].mean()))


def ridge(train: tuple, test: tuple) -> tuple[float, float]:
    """The sine from the last 10 rows."""

    rows = lambda x: np.concatenate([lagged(x, 10), np.ones_like(x[..., :1])], 2)  # noqa: E731
    design, target = rows(train[0]).reshape(TRAIN * ROWS, -1), train[1].reshape(-1, 1)
    found = []
    for penalty in (1.0, 10.0, 100.0, 1e3, 1e4):
        weight = np.linalg.solve(design.T @ design + penalty * np.eye(design.shape[1]), design.T @ target)
        found.append(errors(rows(test[0]) @ weight, *test[1:]))
    return min(found)


def run(alpha: object, train: tuple, test: tuple, steps: int, seed: int) -> tuple[float, float, float]:
    """Errors inside and outside the bursts, and seconds of training with compilation."""
    model = ax.Alternator(
        CHANNELS, latent_dim=8, target_dim=1, ftn="mlp", otn="mlp", width=32, depth=1, alpha=alpha, decode="head",
        key=jax.random.key(seed),
    )  # fmt: skip
    started = time.perf_counter()
    fitted = ax.fit(
        model, ax.Sequences.from_numpy(train[0], targets=train[1]), objective=ax.Masked(ax.Supervised(), 0.3),
        steps=steps, every=100, batch=16, window=256, learning_rate=3e-3, valid=0.1, seed=seed, progress=False,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    decoded = fitted.decode(ax.Sequences.from_numpy(test[0])).mean
    return *errors(np.asarray(decoded), *test[1:]), seconds


def main() -> None:
    """Run all seeds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--out")
    options = parser.parse_args()
    scores: dict[str, list[tuple[float, ...]]] = {name: [] for name in ("ridge on the last 10 rows", *ALPHAS)}
    for seed in range(options.seeds):
        rng = np.random.default_rng(seed)
        gains = rng.uniform(0.5, 1.5, CHANNELS)
        train, test = series(TRAIN, gains, rng), series(TEST, gains, rng)
        scores["ridge on the last 10 rows"].append((*ridge(train, test), 0.0))
        for name, alpha in ALPHAS.items():
            scores[name].append(run(alpha, train, test, options.steps, seed))
            print(seed, name, scores[name][-1], flush=True)
    lines = ["| alpha | RMSE in the bursts | outside | training, s |", "| --- | --- | --- | --- |"]
    for name, found in scores.items():
        inside, outside, seconds = np.median(found, axis=0)
        lines.append(f"| {name} | {inside:.3f} | {outside:.3f} | {seconds:.0f} |")
    lines += ["", f"Medians of {options.seeds} seeds. {machine()}"]
    write_table("Alpha in bursts of noise", __doc__.split("\n\n    python")[0], lines, options.out)


if __name__ == "__main__":
    main()
