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
smoothed ones of its protocol. The Alternator of the paper, on the Lorenz, has no heads: its latent is the target. The
others decay at the many rates that the library starts with, or, where the name says so, with one alpha of 0.9, as the
paper's here has: in rehearsals of the GRU as g it was ahead of 0.5, of one learned alpha and of the many on both tasks,
with the LRU ahead of the many on the Lorenz alone (no other row had such a choice). Causal attention, which holds as
many rows as it was trained on (320 and 100), reads the test part in pieces of that length, the first half of each as
history only. The ODE-RNN is the encoder of the latent ODE, which itself reads a whole series before it decodes any row
of it. The VRNN, of one GRU, trains on its bound on the rows too, and in a second line on the targets alone; it and
AlternatorPlusPlus train on two paths of their latent and decode with 16. No decoder reads rows after the one it
decodes.

Bands of 90 % are those of a normal law as trained, and those scaled by the errors of the rehearsal, as
`fitted.calibrate` does; CRPS is that of the Gaussian so scaled, in units of the targets. Medians over seeds (one in
rehearsals); in brackets the range. Chosen are learning rate, penalty, or 3 for position, velocity and acceleration.
Training is timed on one core, without compilation (5 to 20 s), while the machine had other work at times, so that the
seconds compare roughly; decoding is that of the whole test part at once. S4D was timed when models still ran it row by
row; in its chunked form it trains on the maze in 18 s and errs the same.

    python benchmarks/studies/decoders.py [--seeds 3] [--out benchmarks/studies/decoders.md]
"""

import argparse
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
from decoding_models import Build, asked, models, size
from decoding_results import Row, at_labels, figure, table
from decoding_tasks import Task, lorenz_task, maze_task, spikes
from finished import once
from setting import machine, write_table
from vrnn_decoder import VRNNDecoder

import alternax as ax

RATES, PENALTIES, ORDERS = (3e-3, 1e-2), (100.0, 1000.0), (2, 3)
STEPS, PATHS = (300, 250), 16
SHOWS = """What it shows, at these budgets. **Lorenz** (320 training rows): the Alternator of the paper, whose latent
is the target, and AlternatorPlusPlus err least (.0022, by seed .0020 to .0025); Mamba (.0018 to .0033) has them inside
its spread, S4D is close; the first of them trains in one second. In the median ridge regression (.0031) is ahead of
all the others: the LRU (.0035), the VRNN (.0037 and .0040), GRU and LSTM (.0059), and the Alternators whose head reads
the targets off a latent of their own. For those with a layer as g alpha decides: with the GRU and many rates of decay
.0277, the worst of all that read the spikes, with one alpha of 0.9 .0078; with the LRU .0128 and .0070. Neither gets
to the layer that it was given. **W-maze**: GRU, LSTM and the Alternator with a GRU as g and alpha 0.9 are ahead of
everything (23 to 24 px, their ranges overlap). With many rates of decay the same Alternator has 31: where little of
the latent lasts from row to row it is as good as its GRU, and no better. The LRU alone has 31, as g 33 with either
alpha (mean error and CRPS are better with many rates); memoryless f and g, whose only memory is a latent that decays,
have 45, AlternatorPlusPlus 48. Causal attention, which looks back 10 to 20 s, has 39; the VRNN trained on the targets
alone 32, with its bound on the rows 51; the ODE-RNN 36, but in one seed of three its flow, which nothing bounds, left
the track (181; a bounded one rehearsed better on the Lorenz, worse here). The linear decoders stay far behind (86 to
89): the Kalman filter has the better median error of the two, ridge regression the better mean error, R2 and CRPS.
More training matters: with six times as much `benchmarks/wmaze.md` has 26 px for the Alternator with the LRU and 24
for the LRU alone. **Bands** as trained hold 37 to 70 % on the Lorenz for all but five, and 77 to 97 % on the maze
(Kalman filter: 68 %); scaled by a rehearsal they hold 86 to 100 % for all but attention (66 %) and the ODE-RNN (79 %)
on the Lorenz, and 84 to 93 % on the maze. **Which one?** Few rows and a smooth target: ridge regression first, then an
Alternator whose latent is the target. Many rows, and a target that depends on them nonlinearly and for long: a GRU or
an LSTM. An Alternator with a head decoded at best as well as the layer that it was given, and, but for the LRU on the
maze, better with one alpha of 0.9 than with many rates of decay."""
FIGURE = "![Error against seconds of training, and a stretch of the maze](decoders.png)"


def reading(fitted: ax.Fitted) -> plain_decoders.Decoder:
    """Mean and standard deviation of the targets by a trained model."""
    if isinstance(fitted.model, ax.AlternatorPlusPlus | VRNNDecoder):
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
            on = asked(name, task)
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
    parser.add_argument("--kept", type=Path, help="a folder for rows finished with these settings, to go on from")
    parser.add_argument("--out")
    options = parser.parse_args()
    x, z = lorenz.load()
    maze = maze_task(options.steps[1])
    tasks = (lorenz_task(x, z, options.steps[0]), lorenz_task(spikes(), z, 0)), (maze, maze)
    settings = f"{options.seeds} {options.steps} {options.rates}"
    found: dict[str, dict[str, Row]] = {}
    for task, linear in tasks:
        rows = found.setdefault(task.name, {})
        for name, job in jobs(task, linear, options).items():
            rows[name] = Row(**once(options.kept, f"{task.name} {name} {settings}", lambda job=job: asdict(job())))
            print(task.name, name, rows[name].size, rows[name].choice, rows[name].found, flush=True)
    lines = [text for task, rows in found.items() for text in table(task, rows)]
    about, _ = (__doc__ or "").split("\n\n    python")
    write_table("Decoders on equal budgets", about, [*lines, SHOWS, "", FIGURE, "", machine()], options.out)
    if options.out and not options.models:
        figure(found, Path(options.out).with_suffix(".png"))


if __name__ == "__main__":
    main()
