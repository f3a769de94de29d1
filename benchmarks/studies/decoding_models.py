"""What is trained by gradients to read targets off spikes, at the width nearest to 60,000 parameters."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
import lorenz
import wmaze
from decoding_tasks import Task, pieces
from ode_rnn import ODERNN
from vrnn_decoder import VRNNDecoder

import alternax as ax
from alternax.core.fixed import parameter_count

Build = Callable[[int, int, int, jax.Array], ax.Model]
ATTENTION, VRNN = "causal attention", "VRNN"
if "ode_rnn" not in ax.layers.NAMES:
    ax.layers.register("ode_rnn", ODERNN)


def stack(layer: str, width: int, key: jax.Array, **options: Any) -> ax.layers.Stack:
    """Two blocks of the kind that goes with the layer; the LRU's angles start small, as in `benchmarks/wmaze.py`."""
    if layer == "lru":
        options["max_phase"] = wmaze.ANGLE
    block = {"mamba": "plain", "attention": "mlp"}.get(layer, "gated")
    return ax.layers.stack(layer, depth=2, dim=width, block=block, key=key, **options)


def plain(layer: str, **options: Any) -> Build:
    """The layer with a head that reads the targets off it."""

    def build(obs_dim: int, target_dim: int, width: int, key: jax.Array) -> ax.Model:
        return ax.Autoregressive(
            obs_dim, body=stack(layer, width, jax.random.fold_in(key, 100), **options), width=width, head="affine",
            law="constant", target_dim=target_dim, target_noise="state", key=key,
        )  # fmt: skip

    return build


def latent(kind: Callable[..., ax.Model], ftn: str, latent_dim: int = 32, **settings: Any) -> Build:
    """An Alternator, or one of its kin, with a head that reads the targets off the latent."""

    def build(obs_dim: int, target_dim: int, width: int, key: jax.Array) -> ax.Model:
        body = ftn if ftn == "mlp" else stack(ftn, width, jax.random.fold_in(key, 100))
        return kind(
            obs_dim, latent_dim=latent_dim, target_dim=target_dim, ftn=body, otn="affine", width=width, depth=2,
            noise="learned", target_noise="state", key=key, **settings,
        )  # fmt: skip

    return build


def vrnn(obs_dim: int, target_dim: int, width: int, key: jax.Array) -> ax.Model:
    """The VRNN, with a head that reads the targets off its latent and its past."""
    return VRNNDecoder(obs_dim, target_dim, width=width, key=key)


def of_paper(obs_dim: int, target_dim: int, width: int, key: jax.Array) -> ax.Model:
    """The Alternator of `benchmarks/lorenz.py`: the paper's, whose latent is the target."""
    del target_dim
    return lorenz.model(np.empty((0, obs_dim)), 0.9, width, None, int(jax.random.key_data(key)[-1]))


def models(task: Task) -> dict[str, tuple[Build, int]]:
    """All that are trained by gradients, at the width nearest to 60,000 parameters; 0: not in this task."""
    first = task.name == "Lorenz"
    attention = plain("attention", max_length=task.settings["window"])
    found: dict[str, tuple[Build, int, int]] = {
        "Alternator, z is the target": (of_paper, 108, 0),
        "Alternator, memoryless f and g": (latent(ax.Alternator, "mlp", latent_dim=64), 96, 148),
        "Alternator, LRU as g": (latent(ax.Alternator, "lru"), 56, 64),
        "Alternator, LRU as g, alpha 0.9": (latent(ax.Alternator, "lru", alpha=0.9), 56, 64),
        "Alternator, GRU as g": (latent(ax.Alternator, "gru"), 48, 56),
        "Alternator, GRU as g, alpha 0.9": (latent(ax.Alternator, "gru", alpha=0.9), 48, 56),
        "AlternatorPlusPlus, memoryless": (latent(ax.AlternatorPlusPlus, "mlp", latent_dim=64, paths=2), 56, 96),
        "GRU": (plain("gru"), 48, 56),
        "LSTM": (plain("lstm"), 44, 48),
        "LRU": (plain("lru"), 52, 60),
        "S4D": (plain("s4d"), 60, 72),
        "Mamba": (plain("mamba"), 48, 52),
        ATTENTION: (attention, 40, 46),
        "ODE-RNN": (plain("ode_rnn"), 44, 48),
        VRNN: (vrnn, 48, 56),
        f"{VRNN}, targets alone": (vrnn, 48, 56),
    }
    return {name: (build, widths[not first]) for name, (build, *widths) in found.items() if widths[not first]}


def asked(name: str, task: Task) -> Task:
    """The task as a model can do it: attention reads pieces, the VRNN's objective holds its bound on the rows."""
    if name == ATTENTION:
        window = task.settings["window"]
        return replace(task, late=pieces(task.late, window), test=pieces(task.test, window))
    if name == VRNN:
        hidden = task.settings["objective"].share
        both = ax.Masked(ax.Supervised() + ax.ModelLoss(), hidden)
        return replace(task, settings=task.settings | {"objective": both})
    return task


def size(model: ax.Model) -> int:
    """Parameters between spikes and targets: without the law of the next row, which is not asked for in training."""
    match model:
        case ax.Alternator():
            idle = (model.otn, model.noise, model.residual)
        case ax.AlternatorPlusPlus():
            idle = (model.base.otn, model.base.noise, model.base.residual, model.psi)
        case ax.Autoregressive():
            idle = (model.head, model.noise, model.residual)
        case VRNNDecoder():
            idle = (model.cell.prior_net, model.cell.emission_net)
        case _:
            idle = ()
    return parameter_count(model) - parameter_count(idle)
