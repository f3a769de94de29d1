"""The models that `forecasters.py` compares, by name: how they are built to a size, trained, and asked for paths."""

import time
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import numpy as np
from forecast_tasks import SAMPLES, Task
from rivals import linear
from rivals.diffusion import Diffusion
from rivals.latent_ode import LatentODE
from rivals.training import Plan
from rivals.vrnn import VRNN

import alternax as ax
from alternax.core.fixed import parameter_count
from alternax.models.alternator.least_squares import least_squares_start

BATCH, EVERY, WEIGHT_DECAY, AVERAGE = 16, 20, 1e-2, 0.98
LAGS, RIDGES = ((1, 0.01), (3, 0.1), (24, 0.1)), (1e-3, 1e-2, 1e-1)
RIVALS = {"VRNN": VRNN, "latent ODE": LatentODE, "diffusion": Diffusion}
MEMORYLESS, AFFINE = "Alternator, memoryless g", "Alternator, affine, from least squares"
MODELS = ("Alternator", "GRU", "LRU", "S4D", "Mamba", *RIVALS)
FEW_ROWS = ("Alternator", MEMORYLESS, AFFINE, *MODELS[1:])  # what suits records of some hundred rows beside them
COMPILING = tuple(f"/jax/core/compile/{what}_duration" for what in ("jaxpr_to_mlir_module", "backend_compile"))
Sampler = Callable[[int], np.ndarray]


class CompilationClock:
    """Counts the seconds that JAX spends on compiling."""

    def __init__(self) -> None:
        self.seconds = 0.0
        jax.monitoring.register_event_duration_secs_listener(self.note)

    def note(self, event: str, seconds: float, **_: Any) -> None:
        if event in COMPILING:
            self.seconds += seconds


CLOCK = CompilationClock()


def build(name: str, task: Task, width: int, key: jax.Array) -> Any:
    """An untrained model of this width."""
    dim, controls = task.data.obs_dim, task.data.control_dim
    if name in RIVALS:
        ahead = {"window": task.window} if name == "VRNN" else {"horizon": task.horizon}
        latent = {} if name == "diffusion" else {"latent_dim": width // 2}
        own = {"width": width, "context": task.context, "scaled": task.scaled, **ahead, **latent}
        return RIVALS[name](dim, controls, **own, key=key)
    shared: dict[str, Any] = {
        "control_dim": controls, "width": width, "context": task.context if task.scaled else None, "key": key
    }  # fmt: skip
    if name == AFFINE:
        return _affine(task, key)
    if name in ("Alternator", MEMORYLESS):
        ftn = "mlp" if name == MEMORYLESS else "lru"
        return ax.Alternator(dim, latent_dim=width // 2, ftn=ftn, **shared)
    return ax.Autoregressive(dim, body=name.lower(), **shared)


def _affine(task: Task, key: jax.Array) -> ax.Alternator:
    """An Alternator that is the linear model best one row ahead; its size is that of the data."""
    dim = task.data.obs_dim
    own: dict[str, Any] = {"alpha": 0.99, "sigma_z": 0.05, "noise": "learned", "control_dim": task.data.control_dim}
    model = ax.Alternator(dim, latent_dim=dim, ftn="affine", otn="affine", **own, key=key)
    rows = jax.tree.map(lambda a: a[0], task.data.rows(0, task.train - task.held_out).arrays())
    return least_squares_start(model, rows, ridge=0.1)


def width_of(name: str, task: Task, size: int) -> int:
    """The width, a multiple of 4, with which the model has about `size` parameters; an affine one has no choice."""
    if name == AFFINE:
        return task.data.obs_dim
    count = lambda width: parameter_count(  # noqa: E731
        eqx.filter_eval_shape(lambda key: build(name, task, width, key), jax.random.key(0))
    )
    return min(range(8, 97, 4), key=lambda width: abs(count(width) - size))


def train(name: str, task: Task, rate: float, size: int, seed: int) -> tuple[Sampler, float, dict[str, float]]:
    """What draws paths by seed, the loss on the held-out rows, and the costs."""
    width, key = width_of(name, task, size), jax.random.key(seed)
    make = lambda key: build(name, task, width, key)  # noqa: E731
    model = make(key) if name == AFFINE else eqx.filter_jit(make)(key)
    choose = _rival if name in RIVALS else _library
    (sampler, loss), seconds, compiling = timed(lambda: choose(name, model, task, rate, seed))
    return sampler, loss, {"parameters": parameter_count(model), "training": seconds, "compiling": compiling}


def _library(name: str, model: Any, task: Task, rate: float, seed: int) -> tuple[Sampler, float]:
    objective = ax.Elbo() + ax.RolloutScore("crps", horizon=task.horizon, samples=2, origins=2)
    fitted = ax.fit(
        model, task.data.rows(0, task.train), objective=objective, transform=ax.Identity(), steps=task.steps,
        batch=BATCH, window=task.window, learning_rate=rate, weight_decay=WEIGHT_DECAY, average=AVERAGE,
        valid=task.held_out / task.train, every=EVERY, patience=None, seed=seed, progress=False,
    )  # fmt: skip
    contexts = task.contexts()
    draw = lambda seed: fitted.forecast(contexts, horizon=task.horizon, samples=SAMPLES, seed=seed).samples  # noqa: E731
    return draw, fitted.metrics["valid_loss"]


def _rival(name: str, model: Any, task: Task, rate: float, seed: int) -> tuple[Sampler, float]:
    plan = Plan(
        task.steps, task.held_out, batch=BATCH, learning_rate=rate, weight_decay=WEIGHT_DECAY, average=AVERAGE,
        every=EVERY, seed=seed,
    )  # fmt: skip
    fitted, loss = model.fit(*task.known, plan)
    contexts, controls = (jax.numpy.asarray(a, float) for a in task.asked)
    draw = lambda seed: np.asarray(  # noqa: E731
        fitted.sample(contexts, task.horizon, SAMPLES, jax.random.key(seed), controls=controls), float
    )
    return draw, loss


def linear_models(task: Task) -> dict[str, tuple[Any, float]]:
    """Linear and naive models fitted on the rows that the others are trained on, and the seconds that took."""
    x, controls = task.known
    fit_rows, context, horizon = task.train - task.held_out, task.context, task.horizon
    x_fit = x[:fit_rows]
    judged = linear.windows(x[fit_rows - context :], context, horizon)
    judged_controls = linear.windows(controls[fit_rows - context :], context, horizon)

    def error(model: Any) -> float:
        paths = model.sample(
            judged[0], horizon, 8, np.random.default_rng(0), controls=np.concatenate(judged_controls, 1)
        )
        return float(np.mean((paths.mean(0) - judged[1]) ** 2))

    vector = lambda: min((linear.Vector.fit(x_fit, controls[:fit_rows], *own) for own in LAGS), key=error)  # noqa: E731
    direct = lambda ridge: linear.dressed(  # noqa: E731
        linear.nlinear(x_fit, context, horizon, ridge), x_fit, context, horizon, context * horizon
    )
    makers: dict[str, Callable[[], Any]] = {"VAR": vector, "NLinear": lambda: min(map(direct, RIDGES), key=error)}
    if task.season:
        rules = {"seasonal naive": linear.seasonal(horizon, task.season), "persistence": linear.persistence(horizon)}
        makers |= {n: lambda rule=rule: linear.dressed(rule, x_fit, context, horizon) for n, rule in rules.items()}
    return {name: timed(maker)[:2] for name, maker in makers.items()}


def timed(call: Callable[[], Any]) -> tuple[Any, float, float]:
    """What the call gives, the seconds it took without those of compilation, and these."""
    began, before = time.perf_counter(), CLOCK.seconds
    value = call()
    compiling = CLOCK.seconds - before
    return value, time.perf_counter() - began - compiling, compiling
