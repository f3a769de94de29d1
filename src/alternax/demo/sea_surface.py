"""Sea-surface temperature one to six months ahead: train on 1991-2011, forecast 2012-2021 from every month.

Two alternators, one with few and one with many patterns, see the sea-surface temperature of 513 cells, the winds as
covariates and the month; their sample paths are pooled. Everything they are made of comes from the training years:
climatology, patterns, scales, the choice of their size (benchmarks/sea_surface_choice.md), and the factor by which a
rolling test inside them widens their noise.
"""

import time
from collections.abc import Callable
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, Shaped

import alternax as ax
from alternax.core.errors import InputError
from alternax.data import cells
from alternax.data.datasets import hadisst
from alternax.data.patterns import Patterns
from alternax.data.sequences import Sequences
from alternax.data.transforms import Chain, Scale, SeasonalAnomaly
from alternax.demo import baselines, outputs
from alternax.demo.result import Result
from alternax.fitted import Fitted
from alternax.models.alternator.least_squares import least_squares_start

MEMBERS = (6, 20)  # patterns of the sea-surface temperature
WIND_PATTERNS, RIDGE = 6, 0.1
TRAIN_ROWS, ORIGINS, HORIZON = 252, 115, 6
ROLLING_ROWS, ROLLING_SAMPLES = 192, 40
STEPS, WINDOW, LEARNING_RATE = 100, 126, 3e-4


def run(out: Path, *, samples: int = 100, seed: int = 0, say: Callable[[str], None] = print) -> Result:
    """Train, forecast, score against the baselines, and write tables, samples, figures and the report into `out`.

    Args:
        out: Folder to write to; made if need be.
        samples: Sample paths per origin.
        seed: Seed of training and draws.
        say: Where progress is told.

    Raises:
        InputError: If there are too few samples, the folder cannot be written, or the data package is missing, with the
            command that installs it.
    """
    if samples < len(MEMBERS):
        raise InputError(f"the ensemble scores need samples >= {len(MEMBERS)}; found {samples}.")
    outputs.prepare(out)
    data = hadisst(winds=True).with_calendar("month")
    ocean = cells.variables(data.schema) == "sst"
    say(f"Data: {ocean.sum()} ocean cells and {(~ocean).sum()} wind columns, {data.lengths[0]} months.")
    started = time.perf_counter()
    say(f"Rolling test inside the training years: {ROLLING_ROWS} months to train, {TRAIN_ROWS - ROLLING_ROWS} to test.")
    factor = widening(*rolling_test(data, ROLLING_ROWS, seed=seed))
    say(f"Training on {TRAIN_ROWS} months, with noise {factor:.2f} times as wide, as that test asks.")
    members = [widened(train(data, TRAIN_ROWS, count, seed=seed), factor) for count in MEMBERS]
    seconds = time.perf_counter() - started
    say(f"Trained in {seconds:.0f} s. Forecasting from {ORIGINS} months, {samples} paths each.")
    forecast = backtest(members, data, TRAIN_ROWS, ORIGINS, samples=samples, seed=seed)
    normal, field, months = anomalies(data, ocean)
    task = baselines.Task(field, TRAIN_ROWS, TRAIN_ROWS + np.arange(ORIGINS), HORIZON, samples)
    paths = {"alternator": (forecast - normal[months[task.rows]]).astype(np.float32)}
    paths |= baselines.ensembles(task, cells.area_weights(data.schema)[ocean], np.random.default_rng(seed))
    result = Result(
        paths=paths,
        truth=field[task.rows],
        known_until=data.times[0][task.origins - 1],
        times=data.times[0][task.rows],
        past=field[: task.origins[-1]],
        normal=normal,
        latitude=cells.coordinate(data.schema, "lat")[ocean],
        longitude=cells.coordinate(data.schema, "lon")[ocean],
        widening=factor,
        seconds=seconds,
        seed=seed,
    )
    outputs.write(out, result, say)
    return result


def train(data: Sequences, rows: int, patterns: int, *, seed: int, steps: int = STEPS) -> Fitted:
    """One alternator fitted on the first `rows` months: a least-squares start, then rollouts up to the horizon.

    Args:
        data: All months, winds and calendar included.
        rows: Months that may be looked at.
        patterns: Patterns of the sea-surface temperature.
        seed: Seed of the training.
        steps: Optimiser steps.
    """
    known = data.rows(0, rows)
    transform = Chain([SeasonalAnomaly("month"), Scale("all")]).fit(known)
    return ax.fit(
        start(transform.apply(known), patterns, seed),
        known,
        objective=ax.RolloutScore("crps", horizon=HORIZON, samples=4, origins=8),
        transform=transform,
        steps=steps,
        batch=1,
        window=WINDOW,
        learning_rate=LEARNING_RATE,
        weight_decay=0.0,
        valid=None,
        every=10,
        seed=seed,
    )


def start(scaled: Sequences, patterns: int, seed: int) -> ax.Alternator:
    """An affine alternator over patterns of temperature and winds, set by least squares on complete, scaled data."""
    variable = cells.variables(scaled.schema)
    sst = Patterns.fit(scaled, patterns, columns=variable == "sst", weights=cells.area_weights(scaled.schema))
    both = Patterns.concat(sst, Patterns.fit(scaled, WIND_PATTERNS, columns=variable != "sst"))
    model = ax.Alternator(
        scaled.obs_dim,
        latent_dim=both.count,
        control_dim=scaled.control_dim,
        ftn="affine",
        otn="affine",
        alpha="learned",
        sigma_z=0.05,
        noise="lowrank",
        residual="carry",
        operator=ax.Operator(both.basis, both.analysis),
        key=jax.random.key(seed),
    )
    # Hardly any memory: alpha close to its bound makes z the whitened present.
    model = eqx.tree_at(lambda m: m.alpha.logit, model, replace_fn=lambda logit: 0.0 * logit + 4.0)
    return least_squares_start(model, jax.tree.map(lambda a: a[0], scaled.arrays()), ridge=RIDGE)


def backtest(
    members: list[Fitted], data: Sequences, first: int, count: int, *, samples: int, seed: int
) -> Float[np.ndarray, "sample origin lead cell"]:
    """Sample paths of temperature from `count` origins on, the members' pooled in equal shares."""
    shares = [len(part) for part in np.array_split(np.arange(samples), len(members))]
    runs = [
        member.backtest(data, horizon=HORIZON, start=first, stop=first + count, samples=share, seed=seed + i)
        for i, (member, share) in enumerate(zip(members, shares, strict=True))
    ]
    return ax.pool(runs).samples[:, 0]


def rolling_test(
    data: Sequences, rows: int, *, seed: int, steps: int = STEPS
) -> tuple[Float[np.ndarray, "sample origin lead cell"], Float[np.ndarray, "origin lead cell"]]:
    """Forecasts of members trained on the first `rows` months, up to the last training month, and what happened."""
    members = [train(data, rows, count, seed=seed, steps=steps) for count in MEMBERS]
    count = TRAIN_ROWS - rows - HORIZON + 1
    forecast = backtest(members, data, rows, count, samples=ROLLING_SAMPLES, seed=seed)
    ocean = cells.variables(data.schema) == "sst"
    return forecast, data.x[0][:, ocean][rows + np.arange(count)[:, None] + np.arange(HORIZON)]


def widening(forecast: np.ndarray, truth: np.ndarray) -> float:
    """By how much forecasts are too sure of themselves: their inverse spread-skill ratio, mean over leads, at least 1.

    Args:
        forecast: Sample paths of the ocean cells, `(sample, origin, lead, cell)`.
        truth: What happened, `(origin, lead, cell)`.
    """
    return float(max(1.0, 1.0 / np.mean(ax.metrics.spread_skill_ratio(forecast, truth, axis=(0, 2)))))


def widened(member: Fitted, factor: float) -> Fitted:
    """The member with its noise scales multiplied."""
    noise = lambda m: (m.noise.factor, m.noise.log_scale)  # noqa: E731
    return member.with_model(eqx.tree_at(noise, member.model, replace_fn=lambda log: log + np.log(factor)))


def anomalies(
    data: Sequences, columns: Shaped[np.ndarray, "obs_dim"], rows: int = TRAIN_ROWS
) -> tuple[Float[np.ndarray, "month cell"], Float[np.ndarray, "time cell"], Shaped[np.ndarray, "time"]]:
    """Mean of every calendar month over the first rows, anomalies from it of all rows, and the rows' months."""
    field, months = data.x[0][:, columns], data.times[0].astype("datetime64[M]").astype(int) % 12
    normal = np.stack([field[:rows][months[:rows] == month].mean(0) for month in range(12)])
    return normal, field - normal[months], months
