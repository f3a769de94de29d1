"""Sea-surface temperature one to six months ahead: train on 1991-2011, forecast 2012-2021 from every month.

The alternator sees the sea-surface temperature of 513 cells, the winds as covariates and the month. Everything it is
made of comes from the training years: climatology, patterns, scales, the choice of its size
(benchmarks/sea_surface_choice.md), and the factor by which a rolling test inside them widens its noise.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import equinox as eqx
import jax
import numpy as np

import alternax as ax
from alternax.core.errors import InputError
from alternax.data import cells
from alternax.data.datasets import hadisst
from alternax.data.patterns import Patterns
from alternax.data.sequences import Sequences
from alternax.data.transforms import Chain, Scale, SeasonalAnomaly
from alternax.demo import baselines, outputs
from alternax.fitted import Fitted
from alternax.models.alternator.least_squares import least_squares_start

SST_PATTERNS, WIND_PATTERNS, RIDGE = 12, 6, 0.1
TRAIN_ROWS, LAST_ORIGIN, HORIZON = 252, 366, 6
ROLLING_ROWS = 192
STEPS, LEARNING_RATE = 300, 3e-4


@dataclass(frozen=True)
class Result:
    """Sample paths of anomalies by model, `(sample, origin, lead, cell)`, and what they are of."""

    paths: dict[str, np.ndarray]
    truth: np.ndarray
    times: np.ndarray
    fitted: Fitted
    seconds: float


def run(out: Path, *, samples: int = 100, seed: int = 0, say: Callable[[str], None] = print) -> Result:
    """Train, forecast, score against the baselines, and write tables, samples, figures and the report into `out`.

    Args:
        out: Folder to write to; made if need be.
        samples: Sample paths per origin.
        seed: Seed of training and draws.
        say: Where progress is told.

    Raises:
        InputError: If the folder cannot be written or the data package is missing, with the command that installs it.
    """
    if samples < 2:
        raise InputError(f"the ensemble scores need samples >= 2; found {samples}.")
    outputs.prepare(out)
    data = hadisst(winds=True).with_calendar("month")
    sst = cells.variables(data.schema) == "sst"
    say(f"data: {int(sst.sum())} ocean cells and {int((~sst).sum())} wind columns, {data.lengths[0]} months")
    started = time.perf_counter()
    factor = _widening(data, sst, seed, say)
    say(f"training on {TRAIN_ROWS} months")
    fitted = train(data, TRAIN_ROWS, seed=seed, widen=factor)
    seconds = time.perf_counter() - started
    origins = np.arange(TRAIN_ROWS, LAST_ORIGIN + 1)
    say(f"trained in {seconds:.0f} s; forecasting from {len(origins)} months, {samples} paths each")
    back = fitted.backtest(data, horizon=HORIZON, start=TRAIN_ROWS, stop=LAST_ORIGIN + 1, samples=samples, seed=seed)
    anomaly, field = _anomalies(data, sst)
    paths = {"alternator": anomaly(back.samples[:, 0], back.times[0])}
    task = baselines.Task(field, TRAIN_ROWS, origins, HORIZON, samples)
    rng = np.random.default_rng(seed)
    paths["linear inverse model"] = baselines.linear_inverse_model(task, cells.area_weights(data.schema)[sst], rng)
    paths["persistence"] = baselines.persistence(task, rng)
    paths["climatology"] = baselines.climatology(task)
    truth = field[origins[:, None] + np.arange(HORIZON)]
    result = Result(paths, truth, back.times[0], fitted, seconds)
    outputs.write(out, result, data, sst, say)
    return result


def train(data: Sequences, rows: int, *, seed: int, widen: float = 1.0) -> Fitted:
    """The alternator fitted on the first `rows` months: a least-squares start, then rollouts up to the horizon.

    Args:
        data: All months, winds and calendar included.
        rows: Months that may be looked at.
        seed: Seed of the training.
        widen: Factor on the noise scales of the result.
    """
    known = data.rows(0, rows)
    transform = Chain([SeasonalAnomaly("month"), Scale("all")]).fit(known)
    scaled = transform.apply(known)
    model = _start(scaled, seed)
    fitted = ax.fit(
        model,
        known,
        objective=ax.RolloutScore("crps", horizon=HORIZON, samples=8, origins=16) + 0.1 * ax.Elbo(),
        transform=transform,
        steps=STEPS,
        batch=2,
        learning_rate=LEARNING_RATE,
        weight_decay=0.0,
        window=rows,
        valid=None,
        seed=seed,
    )
    noise = lambda m: (m.noise.log_scale, m.noise.factor)  # noqa: E731
    return fitted.with_model(eqx.tree_at(noise, fitted.model, replace_fn=lambda log: log + np.log(widen)))


def _start(scaled: Sequences, seed: int) -> ax.Alternator:
    variable = cells.variables(scaled.schema)
    sst = Patterns.fit(scaled, SST_PATTERNS, columns=variable == "sst", weights=cells.area_weights(scaled.schema))
    wind = Patterns.fit(scaled, WIND_PATTERNS, columns=variable != "sst")
    both = Patterns.concat(sst, wind)
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


def _widening(data: Sequences, sst: np.ndarray, seed: int, say: Callable[[str], None]) -> float:
    """By how much forecasts inside the training years are too sure of themselves (1 if they are not)."""
    say(f"rolling test inside the training years: {ROLLING_ROWS} months to train, {TRAIN_ROWS - ROLLING_ROWS} to test")
    fitted = train(data, ROLLING_ROWS, seed=seed)
    back = fitted.backtest(
        data, horizon=HORIZON, start=ROLLING_ROWS, stop=TRAIN_ROWS - HORIZON + 1, samples=40, seed=seed
    )
    ratio = ax.metrics.spread_skill_ratio(back.samples[:, 0][..., sst], back.truth[0][..., sst], axis=(0, 2))
    return float(max(1.0, 1.0 / np.mean(ratio)))


def _anomalies(data: Sequences, sst: np.ndarray) -> tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], np.ndarray]:
    """A function that takes the training climatology off fields in degrees, and the anomalies of all months."""
    known = data.rows(0, TRAIN_ROWS)
    month = lambda times: times.astype("datetime64[M]").astype(int) % 12  # noqa: E731
    field, at = data.x[0][:, sst], month(data.times[0])
    normal = np.stack([known.x[0][:, sst][at[:TRAIN_ROWS] == m].mean(0) for m in range(12)])

    def anomaly(samples: np.ndarray, times: np.ndarray) -> np.ndarray:
        return (samples[..., sst] - normal[month(times)]).astype(np.float32)

    return anomaly, field - normal[at]
