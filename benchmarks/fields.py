"""Sea-surface temperature by convolutions on the grid: do they forecast better than patterns do, from 252 months?

The protocol is that of `alternax demo`: trained on 1991-2011, forecasts of 2012-2021 from 115 months, one to six months
ahead, RMSE of the mean of the sample paths over all 513 ocean cells. The grid is 13 x 57 with land. FTN and OTN are
networks on it; what persists is a learned share of the last value of each cell, and the noise has 8 common factors.
They see the temperature and the month, the demo's alternators the winds as well. Nothing was chosen by scores: the
number of steps is what a few minutes allow.

    python benchmarks/fields.py [--steps 50] [--samples 40] [--rolling] [--out benchmarks/fields.md]
"""

import argparse
import time

import jax
import numpy as np
from markdown_tables import line
from setting import machine, write_table

import alternax as ax
from alternax.core.fixed import parameter_count
from alternax.data import cells
from alternax.data.datasets import hadisst
from alternax.demo import baselines, sea_surface

HORIZON, LEADS = sea_surface.HORIZON, (0, 2, 5)


def networks(data: ax.Sequences) -> dict[str, tuple[int, ax.GridNet]]:
    """Length of the latent and the networks, by name."""
    grid = ax.Grid.of(data)
    field = grid.coarse(2, channels=4)
    return {
        "convolutions, latent vector of 16": (16, ax.GridNet(grid, width=12, levels=2)),
        "convolutions, latent field 4 x 4 x 15": (field.obs_dim, ax.GridNet(grid, width=12, levels=2, latent=field)),
    }


def train(data: ax.Sequences, rows: int, latent_dim: int, net: ax.GridNet, options: argparse.Namespace) -> ax.Fitted:
    """Fitted on rollouts up to the horizon, like the demo's."""
    known = data.rows(0, rows)
    model = ax.Alternator(
        data.obs_dim, latent_dim=latent_dim, control_dim=data.control_dim, ftn=net, otn=net, alpha="learned",
        noise="lowrank", rank=8, residual="carry", key=jax.random.key(options.seed),
    )  # fmt: skip
    return ax.fit(
        model, known, objective=ax.RolloutScore("crps", horizon=HORIZON, samples=2, origins=8),
        transform=ax.Chain([ax.SeasonalAnomaly("month"), ax.Scale("all")]).fit(known), steps=options.steps, batch=1,
        window=36, learning_rate=options.learning_rate, weight_decay=options.weight_decay, valid=None, every=10,
        seed=options.seed, progress=False,
    )  # fmt: skip


def errors(paths: np.ndarray, truth: np.ndarray) -> list[float]:
    """RMSE of the mean of the paths at 1, 3 and 6 months, and the CRPS over all leads."""
    rmse = ax.metrics.rmse(paths.mean(0), truth, axis=(0, 2))
    return [*(float(rmse[lead]) for lead in LEADS), float(ax.metrics.crps(paths, truth, axis=(0, 1, 2)))]


def measured(data: ax.Sequences, rows: int, count: int, options: argparse.Namespace) -> dict[str, list[float]]:
    """Scores, numbers learned and seconds of training of each network on the first `rows` months."""
    sst = data.select([column for column in data.schema.values if column.startswith("sst")])
    truth = sst.x[0][rows + np.arange(count)[:, None] + np.arange(HORIZON)]
    found = {}
    for name, (latent_dim, net) in networks(sst).items():
        if options.only and options.only not in name:
            continue
        started = time.perf_counter()
        fitted = train(sst, rows, latent_dim, net, options)
        seconds = time.perf_counter() - started
        run = fitted.backtest(
            sst, horizon=HORIZON, start=rows, stop=rows + count, samples=options.samples, seed=options.seed
        )
        found[name] = [*errors(run.samples[:, 0], truth), parameter_count(fitted.model), seconds]
        print(name, [f"{value:.4g}" for value in found[name]], flush=True)
    return found


def plain(data: ax.Sequences, rows: int, count: int, options: argparse.Namespace) -> dict[str, list[float]]:
    """The same for the demo's alternator and the baselines."""
    started = time.perf_counter()
    members = [sea_surface.train(data, rows, patterns, seed=options.seed) for patterns in sea_surface.MEMBERS]
    seconds = time.perf_counter() - started
    paths = sea_surface.backtest(members, data, rows, count, samples=options.samples, seed=options.seed)
    ocean = cells.variables(data.schema) == "sst"
    truth = data.x[0][:, ocean][rows + np.arange(count)[:, None] + np.arange(HORIZON)]
    size = sum(parameter_count(member.model) for member in members)
    found = {"demo's alternators on 6 and 20 patterns": [*errors(paths, truth), size, seconds]}
    month = np.arange(data.lengths[0]) % 12
    normal = np.stack([data.x[0][:rows, ocean][month[:rows] == m].mean(0) for m in range(12)])
    anomaly = data.x[0][:, ocean] - normal[month]
    task = baselines.Task(anomaly, rows, rows + np.arange(count), HORIZON, options.samples)
    weight = cells.area_weights(data.schema)[ocean]
    ensembles = baselines.ensembles(task, weight, np.random.default_rng(options.seed))
    ensembles["damped persistence"] = damped_persistence(task, np.random.default_rng(options.seed))
    return found | {name: errors(ensemble, anomaly[task.rows]) for name, ensemble in ensembles.items()}


def damped_persistence(task: baselines.Task, rng: np.random.Generator) -> np.ndarray:
    """Of the last anomaly of every cell its lag-one share a month, dressed with errors that this made in training."""
    before, after = task.field[: task.train - 1], task.field[1 : task.train]
    steps = np.arange(1, task.horizon + 1)[:, None]
    share = ((before * after).sum(0) / (before**2).sum(0)) ** steps
    start = rng.integers(task.train - task.horizon, size=(task.samples, len(task.origins)))
    error = task.field[start[..., None] + steps[:, 0]] - share * task.field[start][:, :, None]
    return share * task.field[task.origins - 1][:, None] + error - error.mean(0)


def table(found: dict[str, list[float]]) -> list[str]:
    """The lines of the table; what is not trained has four scores and no more."""
    lines = [
        line(["model", "RMSE, 1 month", "3 months", "6 months", "CRPS, 1-6 months", "numbers in it", "training, s"])
    ]
    lines.append(line(["---"] * 7))
    for name, values in found.items():
        cost = [f"{values[4]:,.0f}", f"{values[5]:.0f}"] if len(values) == 6 else ["-", "-"]
        lines.append(line([name, *(f"{value:.3f}" for value in values[:4]), *cost]))
    return lines


def main() -> None:
    """Measure all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--weight-decay", type=float, default=1e-2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rolling", action="store_true", help="inside the training years")
    parser.add_argument("--only", help="networks with this in their name, and no others")
    parser.add_argument("--out")
    options = parser.parse_args()
    data = hadisst(winds=True).with_calendar("month")
    rows, count = sea_surface.TRAIN_ROWS, sea_surface.ORIGINS
    if options.rolling:
        rows, count = sea_surface.ROLLING_ROWS, sea_surface.TRAIN_ROWS - sea_surface.ROLLING_ROWS - HORIZON + 1
    found = measured(data, rows, count, options)
    found |= {} if options.only else plain(data, rows, count, options)
    lines = table(found)
    lines += ["", f"{options.steps} steps, {options.samples} paths, seed {options.seed}. {machine()}"]
    write_table("Fields on a grid", __doc__.split("\n\n    python")[0], lines, options.out)


if __name__ == "__main__":
    main()
