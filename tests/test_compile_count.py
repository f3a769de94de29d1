"""Nothing is compiled twice: other data of the same shape, another dispatch or another step run what is there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conformance.layers import DIM, LAYERS, mostly_slow
from trained import small, untrained

import alternax as ax

COMPILED = "/jax/core/compile/backend_compile_duration"
SETTINGS = {"steps": 8, "every": 1, "batch": 2, "window": 12}

TASKS: dict[str, Callable] = {
    "forecast": lambda fitted, data: fitted.forecast(data, horizon=3, samples=4),
    "backtest": lambda fitted, data: fitted.backtest(data, horizon=3, start=30, stride=3, samples=4),
    "filter": lambda fitted, data: fitted.filter(data),
    "impute": lambda fitted, data: fitted.impute(data, samples=2, lag=4),
    "decode": lambda fitted, data: fitted.decode(data),
    "classify": lambda fitted, data: fitted.classify(data),
    "log_prob": lambda fitted, data: fitted.log_prob(data, particles=8),
    "sample": lambda fitted, data: fitted.sample(length=5, samples=3, seed=int(data.observed.sum())),
}


@dataclass(frozen=True)
class Counted(ax.Objective):
    """The model's own loss, and how often Python was asked for it: once a tracing, never while compiled code runs."""

    traced: list = field(default_factory=list, compare=False)

    def __call__(self, model, seq, *, key):
        self.traced.append(seq.x.shape)
        return model.loss(seq, key=key)


@contextmanager
def compilations() -> Iterator[list[str]]:
    """The functions that XLA compiles inside the block."""
    names: list[str] = []

    def listen(event: str, seconds: float, **about) -> None:
        if event == COMPILED:
            names.append(str(about.get("fun_name", "?")))

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield names
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def model(seed: int = 0) -> ax.Autoregressive:
    """A model that knows every task."""
    parts = {"body": "affine", "head": "affine", "law": "constant", "width": 3, "class_count": 2, "target_dim": 1}
    return ax.Autoregressive(2, **parts, key=jax.random.key(seed))


def series(seed: int) -> ax.Sequences:
    """Two series of the same shape with gaps, targets and classes of their own."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, 40, 2))
    x[rng.random(x.shape) < 0.1] = np.nan
    return ax.Sequences.from_numpy(x, labels=["a", "b"], targets=rng.normal(size=(2, 40, 1)))


@pytest.fixture(scope="module")
def fitted() -> ax.Fitted:
    return untrained(model(), series(0))


@pytest.mark.parametrize("name", TASKS)
def test_a_task_compiles_once_for_all_data_of_a_shape(fitted, name):
    with compilations() as first:
        TASKS[name](fitted, series(0))
    with compilations() as second:
        TASKS[name](fitted, series(1))
        TASKS[name](fitted.with_model(model(seed=1)), series(2))
    assert first
    assert second == []


def test_another_horizon_or_number_of_samples_compiles_one_rollout(fitted):
    TASKS["forecast"](fitted, series(0))
    with compilations() as names:
        fitted.forecast(series(1), horizon=4, samples=6)
    # The rollout, and at most the two conversions of what is known ahead to the device's precision.
    assert 1 <= len(names) <= 3, names
    with compilations() as names:
        fitted.forecast(series(2), horizon=4, samples=6)
        fitted.forecast(series(2), horizon=3, samples=4)
    assert names == []


def test_training_compiles_once_for_all_dispatches_data_seeds_and_weights():
    objective = Counted()
    settings = SETTINGS | {"objective": objective, "valid": series(9), "patience": None}
    record = ax.fit(model(), series(0), **settings).record
    assert len(record.checked_at) == 8
    # One tracing for the steps and one for the validation loss serve all eight dispatches.
    assert 2 <= len(objective.traced) <= 3
    with compilations() as names:
        ax.fit(model(), series(1), **settings, seed=1)
        ax.fit(model(seed=1), series(2), **settings)
    assert names == []


@pytest.mark.parametrize("name", mostly_slow(LAYERS))
def test_a_loop_over_steps_compiles_one_step(name):
    """A state that came back with another dtype, shape or weak type would compile the second step anew."""
    layer = LAYERS[name](jax.random.key(0))
    step = eqx.filter_jit(lambda layer, row, state: layer.step(row, state))
    state, row = layer.init_state(), jnp.zeros(DIM)
    _, state = step(layer, row, state)
    with compilations() as names:
        for _ in range(3):
            _, state = step(layer, row, state)
    assert names == []


def test_a_stack_outside_jit_compiles_its_segments_once():
    stack = ax.layers.stack("lru", depth=1, dim=2, segment=4, key=jax.random.key(0))
    stack(jnp.zeros((12, 2)))
    with compilations() as names:
        stack(jnp.ones((12, 2)))
    assert names == []


@pytest.mark.parametrize("net", [model(), small()], ids=["autoregressive", "alternator"])
def test_a_models_state_keeps_its_types_from_row_to_row(net):
    row, seen, none, key = jnp.zeros(2), jnp.ones(2, bool), jnp.zeros(0), jax.random.key(0)
    take = lambda net, state: net.update(  # noqa: E731
        net.advance(state, jnp.ones(()), control=none, key=key), row, seen, control=none, key=key
    )[0]
    types = lambda state: jax.tree.map(lambda a: (a.shape, a.dtype, a.weak_type), state)  # noqa: E731
    state = eqx.filter_eval_shape(lambda net: net.init(key=key), net)
    assert types(state) == types(eqx.filter_eval_shape(take, net, state))
