"""Decoders on equal budgets: targets from spikes, by Alternators, sequence layers, and three that need no gradient.

Lorenz latents from 81 simulated units and the position of a rat from 25 units, by the protocols of
`benchmarks/lorenz.py` and `benchmarks/wmaze.py`: which bins train and test, what is read, how it is scaled, and the
share of entries hidden in training are taken from there. Everything else is equal for all that are trained by
gradients: 56,000 to 64,000 parameters between spikes and targets (those of the law of the next row are not trained and
not counted), two blocks where there are layers, a head for the targets and one for their standard deviation,
`Supervised` as objective, AdamW with weight decay, 300 steps of the whole training part for Lorenz, 250 steps of 16
windows of 100 bins for the maze (a sixth of what `benchmarks/wmaze.py` takes), and two learning rates (0.003 and 0.01),
of which a rehearsal chooses: it trains on the first part of the training bins (256 of 320; 70 % of the maze's) and
judges on the rest, by the first column of the table. Ridge regression chooses from two penalties there (100, 1000), the
Kalman filter from a state of position and velocity, and of acceleration too. Only the LRU's angles start where earlier
rehearsals put them (small, as in `benchmarks/wmaze.py`), for the Lorenz too.

Ridge regression and the Kalman filter read single bins (square-rooted counts of the maze), the others of the Lorenz the
smoothed ones of its protocol. The Alternator of the paper, on the Lorenz, has no heads: its latent is the target.
Causal attention, for the Lorenz alone, which holds as many rows as it was trained on, reads the test part in pieces of
that length, the first half of each as history only. AlternatorPlusPlus trains on two paths of its latent and decodes
with 16. No decoder reads rows after the one it decodes.

Bands of 90 % are those of a normal law as trained, and those scaled by the errors of the rehearsal, as
`fitted.calibrate` does; CRPS is that of the Gaussian so scaled, in units of the targets. Medians over seeds (one in
rehearsals); in brackets the range. Chosen are learning rate, penalty, or 3 for position, velocity and acceleration.
Training is timed on one core, without compilation (5 to 20 s); decoding is that of the whole test part at once.

    python benchmarks/studies/decoders.py [--seeds 3] [--out benchmarks/studies/decoders.md]
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
import lorenz
import plain_decoders
import wmaze
from decoding_results import Row, at_labels, figure, table
from decoding_tasks import Task, lorenz_task, maze_task, pieces, spikes
from setting import machine, write_table

import alternax as ax
from alternax.core.fixed import parameter_count

Build = Callable[[int, int, int, jax.Array], ax.Model]
RATES, PENALTIES, ORDERS = (3e-3, 1e-2), (100.0, 1000.0), (2, 3)
STEPS, PATHS, ATTENTION = (300, 250), 16, "causal attention"
SHOWS = """What it shows, at these budgets. **Lorenz** (320 training rows): the Alternator of the paper, whose latent
is the target, and AlternatorPlusPlus err least (.0022, by seed .0020 to .0025); Mamba (.0018 to .0033) has them
inside its spread, S4D is close; the first of them trains in one second. In squared error ridge regression (.0031) is
ahead of the LRU, GRU, LSTM, attention and the Alternators whose head reads the targets off a latent of their own: the
one with the LRU as g (.0128) is the worst of all that read the spikes, where the LRU alone has .0035. **W-maze**: GRU
and LSTM are ahead of everything (24 px, in 5 to 7 s), and no Alternator is the best. With the LRU as g it has 33 px,
the LRU alone 31; memoryless f and g, whose only memory is a latent that decays, have 45, AlternatorPlusPlus 48. The
linear decoders stay far behind (86 to 89): the Kalman filter has the better median error of the two, ridge regression
the better mean error, R2 and CRPS. More training matters: with six times as much `benchmarks/wmaze.md` has 26 px for
the Alternator with the LRU and 24 for the LRU alone. **Bands** as trained hold 37 to 70 % on the Lorenz for all but
three, and 77 to 97 % on the maze (Kalman filter: 68 %); scaled by a rehearsal they hold 86 to 100 % for all but
attention on the Lorenz (66 %), and 84 to 93 % on the maze. **Which one?** Few rows and a smooth target: ridge
regression first, then an Alternator whose latent is the target. Many rows, and a target that depends on them
nonlinearly and for long: a GRU or an LSTM. An Alternator with a head decoded no better than the LRU that it was
given."""
FIGURE = "![Error against seconds of training, and a stretch of the maze](decoders.png)"


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
        "AlternatorPlusPlus, memoryless": (latent(ax.AlternatorPlusPlus, "mlp", latent_dim=64, paths=2), 56, 96),
        "GRU": (plain("gru"), 48, 56),
        "LSTM": (plain("lstm"), 44, 48),
        "LRU": (plain("lru"), 52, 60),
        "S4D": (plain("s4d"), 60, 72),
        "Mamba": (plain("mamba"), 48, 52),
        ATTENTION: (attention, 40, 0),
    }
    return {name: (build, widths[not first]) for name, (build, *widths) in found.items() if widths[not first]}


def size(model: ax.Model) -> int:
    """Parameters between spikes and targets: without the law of the next row, which is not asked for in training."""
    match model:
        case ax.Alternator():
            idle = (model.otn, model.noise, model.residual)
        case ax.AlternatorPlusPlus():
            idle = (model.base.otn, model.base.noise, model.base.residual, model.psi)
        case ax.Autoregressive():
            idle = (model.head, model.noise, model.residual)
        case _:
            idle = ()
    return parameter_count(model) - parameter_count(idle)


def reading(fitted: ax.Fitted) -> plain_decoders.Decoder:
    """Mean and standard deviation of the targets by a trained model."""
    if isinstance(fitted.model, ax.AlternatorPlusPlus):
        fitted = replace(fitted, model=fitted.model.with_paths(PATHS))

    def decode(data: ax.Sequences) -> tuple[np.ndarray, np.ndarray]:
        decoded = fitted.decode(data)
        return decoded.mean.reshape(data.targets.shape), decoded.std.reshape(data.targets.shape)

    return decode


def rehearsed(decoder: plain_decoders.Decoder, task: Task) -> float:
    """The first score on the rows that judge the rehearsal."""
    mean, _, truth = at_labels(decoder, task.late)
    return task.scores(mean, truth)[0]


def trained(build: Build, width: int, task: Task, rates: list[float], seeds: int) -> Row:
    """All seeds at the learning rate of the least rehearsed error."""

    def fit(data: ax.Sequences, rate: float, seed: int) -> ax.Fitted:
        model = build(data.obs_dim, data.target_dim, width, jax.random.key(seed))
        return ax.fit(model, data, learning_rate=rate, valid=None, seed=seed, progress=False, **task.settings)

    tries = {rate: reading(fit(task.early, rate, 0)) for rate in rates}
    errors = {rate: rehearsed(tries[rate], task) for rate in rates}
    print("rehearsed", errors, flush=True)
    rate = min(rates, key=lambda rate: errors[rate])
    row = Row(0, rate)
    for seed in range(seeds):
        fitted = fit(task.train, rate, seed)
        row.size = size(fitted.model)
        row.take(reading(fitted), tries[rate], task, fitted.record.seconds)
    return row


def fitted_at_once(fit: Callable[[ax.Sequences, Any], plain_decoders.Decoder], choices: tuple, task: Task) -> Row:
    """A decoder without a gradient, its setting the best in the rehearsal."""
    tries = {choice: fit(task.early, choice) for choice in choices}
    choice = min(choices, key=lambda choice: rehearsed(tries[choice], task))
    started = time.perf_counter()
    decoder = fit(task.train, choice)
    seconds = time.perf_counter() - started
    row = Row(0, choice)
    row.take(decoder, tries[choice], task, seconds)
    return row


def jobs(task: Task, linear: Task, options: argparse.Namespace) -> dict[str, Callable[[], Row]]:
    """All decoders of a task by name; those in NumPy read `linear`."""
    found: dict[str, Callable[[], Row]] = {
        "mean of training": lambda: fitted_at_once(plain_decoders.mean, (None,), linear),
        "ridge on the last 10 bins": lambda: fitted_at_once(plain_decoders.ridge, PENALTIES, linear),
        "Kalman filter": lambda: fitted_at_once(plain_decoders.kalman, ORDERS, linear),
    }
    for name, (build, width) in models(task).items():
        if not options.models or any(part in name for part in options.models):
            window = task.settings["window"]
            held = {"late": pieces(task.late, window), "test": pieces(task.test, window)} if name == ATTENTION else {}
            on = replace(task, **held)
            found[name] = lambda on=on, build=build, width=width: trained(
                build, width, on, options.rates, options.seeds
            )
    return found


def main() -> None:
    """Run what is not kept, and write tables and figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, nargs=2, default=STEPS, metavar=("LORENZ", "MAZE"))
    parser.add_argument("--rates", type=float, nargs="+", default=RATES, help="learning rates to choose from")
    parser.add_argument("--models", nargs="+", help="only those whose name contains one of these; no figure then")
    parser.add_argument("--kept", type=Path, help="a JSON file of rows finished with these settings, to go on from")
    parser.add_argument("--out")
    options = parser.parse_args()
    x, z = lorenz.load()
    maze = maze_task(options.steps[1])
    tasks = (lorenz_task(x, z, options.steps[0]), lorenz_task(spikes(), z, 0)), (maze, maze)
    kept = json.loads(options.kept.read_text()) if options.kept and options.kept.exists() else {}
    found: dict[str, dict[str, Row]] = {}
    for task, linear in tasks:
        rows = found.setdefault(task.name, {})
        for name, job in jobs(task, linear, options).items():
            past = kept.get(task.name, {}).get(name)
            rows[name] = Row(**past) if past else job()
            print(task.name, name, rows[name].size, rows[name].choice, rows[name].found, flush=True)
            if options.kept:
                kept.setdefault(task.name, {})[name] = asdict(rows[name])
                options.kept.write_text(json.dumps(kept))
    lines = [text for task, rows in found.items() for text in table(task, rows)]
    about, _ = (__doc__ or "").split("\n\n    python")
    write_table("Decoders on equal budgets", about, [*lines, SHOWS, "", FIGURE, "", machine()], options.out)
    if options.out and not options.models:
        figure(found, Path(options.out).with_suffix(".png"))


if __name__ == "__main__":
    main()
