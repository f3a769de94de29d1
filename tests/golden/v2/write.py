"""Write the golden runs of file format 2, once: `python write.py FOLDER`.

What lies beside this script was written by it and must load for ever: never write it anew. A later format gets a folder
and a script of its own. Weights are random everywhere, those that start at zero too, so that none can be lost unseen.
"""

import json
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import alternax as ax
from alternax import files
from alternax.core.record import TrainingRecord

RECORD = TrainingRecord(3, 20, 10, "finished", 1.5, 12, (2.0, 1.0), (1.5, 1.25), (10, 20), "golden")
HORIZON, SAMPLES, RECORDED = 2, 200, 4000
SMALL = {"width": 4, "depth": 1, "key": jax.random.key(0)}
DAYS = np.datetime64("2024-01-01", "ns") + np.arange(30) * np.timedelta64(1, "D")
IRREGULAR = np.cumsum(np.tile([1.0, 0.5, 2.0], 10))
RNG = np.random.default_rng(0)
WALK = np.array([5.0, -2.0, 1.0]) + 0.3 * RNG.normal(size=(30, 3)).cumsum(0)
GAPS = np.where(RNG.random(WALK.shape) < 0.1, np.nan, WALK)
TARGETS = np.stack([WALK.sum(1), 3.0 - WALK[:, 0]], 1)


def random_everywhere(model):
    """Every floating weight moved by a little noise."""
    leaves, tree = jax.tree.flatten(model)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    moved = [
        leaf + 0.1 * jax.random.normal(key, leaf.shape, leaf.dtype) if eqx.is_inexact_array(leaf) else leaf
        for leaf, key in zip(leaves, keys, strict=True)
    ]
    return jax.tree.unflatten(tree, moved)


def run(model, data, transform):
    """The model behind fitted transforms."""
    targets = ax.Scale().fit(ax.Sequences.from_numpy(data.targets)) if data.target_dim else ax.Identity()
    model, tail = random_everywhere(model), data.tail(16)
    fitted = ax.Fitted(model, transform.fit(data), targets, data.schema, RECORD, tail, {"valid_loss": 1.25})
    return fitted.with_metrics({"crps, 2 days ahead": 0.5})


def alternator_affine():
    """The smallest networks, dates, two transforms in a chain."""
    data = ax.Sequences.from_numpy(GAPS, times=DAYS, names=["level", "flow", "Größe"])
    model = ax.Alternator(3, latent_dim=3, ftn="affine", otn="affine", noise="learned", residual="carry", **SMALL)
    return run(model, data, ax.Chain([ax.SeasonalAnomaly("weekday"), ax.Scale(per="all")]))


def alternator_context():
    """Recurrent bodies, two ragged series, calendar and static controls, scaling by the context."""
    data = ax.Sequences.from_numpy(
        [GAPS, WALK[:20]], times=[DAYS, DAYS[:20]], calendar=("weekday",), static=[[0.5], [1.5]], covariates=["x2"]
    )
    model = ax.Alternator(3, latent_dim=2, control_dim=data.control_dim, ftn="lru", otn="gru", context=6, **SMALL)
    return run(model, data, ax.Identity())


def alternator_targets():
    """Decoded targets, scheduled alpha, low-rank noise."""
    data = ax.Sequences.from_numpy(WALK, targets=TARGETS, target_names=["sum", "rest"])
    sizes = {"latent_dim": 3, "target_dim": 2, "alpha": jnp.linspace(0.2, 0.6, 5), "noise": "lowrank", "rank": 1}
    return run(ax.Alternator(3, ftn="mlp", otn="mlp", **sizes, **SMALL), data, ax.MinMax())


def alternator_patterns():
    """A fixed operator, Student-t noise, irregular times."""
    data = ax.Sequences.from_numpy(WALK - WALK.mean(0), times=IRREGULAR)
    patterns = ax.Patterns.fit(data, 2)
    operator = ax.Operator(patterns.basis, patterns.analysis)
    model = ax.Alternator(3, latent_dim=2, ftn="gru", operator=operator, noise="student", flow="decay", **SMALL)
    return run(model, data, ax.Scale(per="all"))


def autoregressive_regression():
    """Targets at every row, Student-t law, a logarithm in the chain."""
    data = ax.Sequences.from_numpy(np.exp(GAPS / 5), times=DAYS, kinds=["positive"] * 3, targets=TARGETS[:, :1])
    model = ax.Autoregressive(3, body="gru", law="student", target_dim=1, **SMALL)
    return run(model, data, ax.Chain([ax.Log(), ax.Scale(per="series")]))


def autoregressive_classes():
    """Classes of whole series with their names, one of them not known."""
    data = ax.Sequences.from_numpy([GAPS, WALK[:20], -WALK], labels=["calm", "wild", None])
    model = ax.Autoregressive(3, body="lru", law="constant", head="affine", class_count=2, pool="last", **SMALL)
    return run(model, data, ax.Scale())


def autoregressive_stack():
    """A stack of two kinds of layers, irregular times, low-rank law."""
    data = ax.Sequences.from_numpy(WALK, times=IRREGULAR)
    stack = ax.layers.stack("lru", depth=2, dim=4, key=jax.random.key(2))
    model = ax.Autoregressive(3, body=stack, law="lowrank", rank=1, flow="decay", residual=None, **SMALL)
    return run(model, data, ax.Scale(per="column"))


RUNS = (
    alternator_affine,
    alternator_context,
    alternator_targets,
    alternator_patterns,
    autoregressive_regression,
    autoregressive_classes,
    autoregressive_stack,
)


def answers(fitted, samples: int) -> dict[str, list]:
    """What a run says about the end of its own data."""
    forecast, filtered = fitted.forecast(horizon=HORIZON, samples=samples), fitted.filter(fitted.tail)
    said = {"forecast_mean": forecast.mean, "forecast_std": forecast.std, "filtered": filtered.mean[..., -1, :]}
    if fitted.model.target_dim:
        said["decoded"] = fitted.decode(fitted.tail).mean[..., -1, :]
    if getattr(fitted.model, "class_count", 0):
        said["classified"] = fitted.classify(fitted.tail).probabilities
    return {name: np.asarray(value).tolist() for name, value in said.items()}


def tree():
    """Every dtype, empty and zero-dimensional arrays, and names that need care."""
    names = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16", "bfloat16"]
    arrays = {str(np.dtype(name)): np.arange(-2, 4).astype(name).reshape(2, 3) for name in names}
    arrays |= {"dates": np.array(["2024-02-29", "NaT"], "M8[ns]"), "days": np.array([1, -1], "m8[D]")}
    arrays |= {"empty": np.zeros((0, 3)), "scalar": np.array(2.5), "a.b/../ü\0": np.float32([1])}
    plain = {"none": None, "nested": [1, (2.5, [True, "text"])], "big": 2**70, "inf": float("inf"), "$key": {"": -0.0}}
    network = eqx.nn.MLP(2, 1, 3, 1, activation=jax.nn.gelu, key=jax.random.key(4))
    return [network, {"bf16": jnp.arange(3, dtype=jnp.bfloat16)}], {"arrays": arrays, "plain": plain}


def main(folder: Path) -> None:
    files.save(*tree(), folder / "tree")
    for make in RUNS:
        fitted = make()
        fitted.save(folder / make.__name__)
        (folder / make.__name__ / "answers.json").write_text(json.dumps(answers(fitted, RECORDED), indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
