"""How the sea-surface forecast was chosen: rolling tests inside the training years 1991-2011, never the test years.

    python benchmarks/sea_surface_choice.py             linear cores in closed form (a minute)
    python benchmarks/sea_surface_choice.py --library   also the library's models, trained and not (minutes)

A linear core is what the least-squares start of an affine alternator computes: ridge regression of the next month's
pattern coordinates on this month's (winds included), and for each cell a damped remainder outside the patterns.
"""

import sys

import numpy as np
from persistence import lag_one_share

from alternax import metrics
from alternax.data import cells
from alternax.data.datasets import hadisst
from alternax.demo import sea_surface

WINDOWS = ((108, 60), (132, 60), (156, 60), (192, 55))  # months to train, origins to test
HORIZON = 6


class Core:
    """Everything that does not depend on the number of patterns, for one window."""

    def __init__(self, data, rows, count):
        ocean = cells.variables(data.schema) == "sst"
        self.rows = rows
        self.field, self.wind = (sea_surface.anomalies(data, part, rows)[1] for part in (ocean, ~ocean))
        self.weight = cells.area_weights(data.schema)[ocean]
        self.right = np.linalg.svd(self.field[:rows] * self.weight, full_matrices=False)[2]
        self.wind_right = np.linalg.svd(self.wind[:rows], full_matrices=False)[2]
        self.origins = np.arange(rows, rows + count)
        self.truth = self.field[self.origins[:, None] + np.arange(HORIZON)]

    def forecast(self, patterns, winds, ridge):
        """Means `(origin, lead, cell)`."""
        basis, analysis = self.right[:patterns] / self.weight, self.right[:patterns] * self.weight
        own = self.field @ analysis.T
        both = np.concatenate([own, self.wind @ self.wind_right[:winds].T], 1)
        state = (both - both[: self.rows].mean(0)) / (spread := both[: self.rows].std(0))
        before, after = state[: self.rows - 1], state[1 : self.rows]
        gram = before.T @ before
        step = np.linalg.solve(gram + ridge * np.trace(gram) / len(gram) * np.eye(len(gram)), before.T @ after)
        rest = self.field - own @ basis
        damping = lag_one_share(rest[: self.rows], 0.01, 0.99)
        now, remainder, means = state[self.origins - 1], rest[self.origins - 1], []
        for _ in range(HORIZON):
            now, remainder = now @ step, damping * remainder
            coordinates = now * spread + both[: self.rows].mean(0)
            means.append(coordinates[:, :patterns] @ basis + remainder)
        return np.stack(means, 1)


def closed_form(data):
    cores = [Core(data, *window) for window in WINDOWS]
    heads = " | ".join(f"{rows}+{count}" for rows, count in WINDOWS)
    print(f"| members: (patterns, winds, ridge) | mean | {heads} | 1 | 3 | 6 months |")
    print("|---" * (5 + len(WINDOWS)) + "|")
    singles = [((k, 6, r),) for k in (6, 8, 12, 16, 20) for r in (0.03, 0.1, 0.2)]
    singles += [((12, w, 0.1),) for w in (0, 3, 10)]
    pools = [tuple((k, 6, 0.1) for k in ks) for ks in ((8, 16), (8, 20), (6, 20), (8, 12, 16), (6, 12, 20))]
    pools += [((6, 6, 0.05), (20, 6, 0.05)), ((8, 3, 0.1), (12, 6, 0.1), (20, 10, 0.1)), ((8, 3, 0.1), (20, 10, 0.1))]
    for members in singles + pools:
        errors = np.array(
            [metrics.rmse(np.mean([core.forecast(*m) for m in members], 0), core.truth, axis=(0, 2)) for core in cores]
        )
        row = [errors.mean(), *errors.mean(1), *errors.mean(0)[[0, 2, 5]]]
        name = " + ".join("({}, {}, {})".format(*m) for m in members)
        print(f"| {name} | " + " | ".join(f"{v:.4f}" for v in row) + " |")


def library(data):
    """The pooled alternators on the window of 192 months, with and without training."""
    ocean = cells.variables(data.schema) == "sst"
    lat, lon = (cells.coordinate(data.schema, name)[ocean] for name in ("lat", "lon"))
    index = np.where((np.abs(lat) <= 5) & (lon >= 190) & (lon <= 240), np.cos(np.deg2rad(lat)), 0.0)
    index /= index.sum()
    print("\n| least-squares start and | of | RMSE by lead | CRPS | spread-skill ratio |\n|---|---|---|---|---|")

    def report(name, forecast, truth):
        for of, weight in (("cells", np.eye(len(index))), ("index", index[:, None])):
            samples, happened = (forecast, truth) if of == "cells" else (forecast @ weight, truth @ weight)
            scores = (
                metrics.rmse(samples.mean(0), happened, axis=(0, 2)),
                metrics.crps(samples, happened, axis=(0, 2)),
                metrics.spread_skill_ratio(samples, happened, axis=(0, 2)),
            )
            print(f"| {name} | {of} | " + " | ".join(" ".join(f"{v:.3f}" for v in score) for score in scores) + " |")
        sys.stdout.flush()

    for steps in (1, sea_surface.STEPS):
        forecast, truth = sea_surface.rolling_test(data, sea_surface.ROLLING_ROWS, seed=0, steps=steps)
        report(f"{steps} steps", forecast, truth)
    print(f"\nfactor on the noise: {sea_surface.widening(forecast, truth):.2f}")


if __name__ == "__main__":
    months = hadisst(winds=True).with_calendar("month")
    closed_form(months)
    if "--library" in sys.argv:
        library(months)
