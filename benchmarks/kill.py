"""A training killed twenty times with SIGKILL, against the same training left alone; and what a checkpoint costs.

python benchmarks/kill.py [--out benchmarks/kill.md] [--kills 20]

Half the kills fall at a random moment, half in the middle of writing a checkpoint. `equal` compares every bit of the
newest checkpoint (parameters, averaged and best parameters, the optimiser's memory, losses and counters) with the
undisturbed training at the same step; the last line compares the ends.
"""

import argparse
import hashlib
import json
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
from setting import machine, write_table

import alternax as ax
from alternax.core.fixed import parameter_count
from alternax.fit.checkpoint import Checkpoints
from alternax.fit.store import Store, steps_in

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "fit"))
from killed import Killed, train_and_kill

EVERY, CHECKPOINT_EVERY, STEPS = 5, 10, 800
SIZES = (16, 256, 512)
KILLS = ("kill", "went on from", "moment", "last step", "unfinished write", "newest checkpoint", "steps lost", "equal")
COST = ("parameters", "first write, ms", "later writes, ms, median of 20", "MB")
COSTS = "One checkpoint (five copies of the parameters: current, last finite, best, the optimiser's two moments):"


def train(folder: str | Path, steps: int = STEPS) -> ax.Fitted:
    data = ax.Sequences.from_numpy(ax.simulators.linear_gaussian(400, seed=1).x)
    model = ax.Alternator(data.obs_dim, latent_dim=8, width=32, key=jax.random.key(0))
    objective = ax.Elbo() + ax.RolloutScore("crps", horizon=4, samples=4, origins=2)
    return ax.fit(
        model, data, objective=objective, steps=steps, every=EVERY, batch=8, window=32, average=0.99, patience=None,
        checkpoint=folder, checkpoint_every=CHECKPOINT_EVERY, resume=True,
    )  # fmt: skip


def child(folder: str) -> None:
    """Train, saying how far it is."""

    @contextmanager
    def bar(steps, shown, first):
        print("from", first, flush=True)
        yield lambda step, loss, valid: print("step", step, flush=True)

    sys.modules["alternax.fit.fit"].progress_bar = bar
    train(folder)


def fingerprint(arrays: dict[str, np.ndarray], numbers: dict) -> str:
    plain = {name: value for name, value in numbers.items() if name != "seconds"}
    content = b"".join(name.encode() + array.tobytes() for name, array in sorted(arrays.items()))
    return hashlib.sha256(content + json.dumps(plain, sort_keys=True).encode()).hexdigest()


def undisturbed(folder: Path) -> tuple[dict[int, str], float]:
    """Fingerprint of the state after every dispatch, and the seconds it took."""
    course, keep = {}, Checkpoints.keep

    def noted(self, state):
        course[state.steps] = fingerprint(state.arrays(), state.numbers())
        keep(self, state)

    Checkpoints.keep = noted
    try:
        return course, train(folder).record.seconds
    finally:
        Checkpoints.keep = keep


def newest(folder: Path) -> tuple[int, str]:
    step = steps_in(folder)[-1]
    store = Store(folder)
    record = store.record(step)
    arrays = store.arrays(step, record)
    store.close()
    return step, fingerprint(arrays, record["state"])


def killed_course(folder: Path, kills: int, course: dict[int, str]) -> list[str]:
    """Kill, look at what is left, go on; one line each."""
    rng, lines = np.random.default_rng(0), []
    command = [sys.executable, __file__, "--child", str(folder)]
    for kill in range(1, kills + 1):
        dispatches, delay, writing = int(rng.integers(1, 8)), float(rng.uniform(0, 0.3)), kill % 2 == 0
        end: Killed = train_and_kill(command, folder, dispatches, delay, writing=writing)
        step, found = newest(folder)
        # The start is written before the first dispatch, which is where the undisturbed course begins.
        equal = "yes" if step == 0 or found == course[step] else "NO"
        moment = "in a write" if writing else f"{1e3 * delay:.0f} ms after a step"
        cells = (kill, end.resumed, moment, end.step, "yes" if end.writing else "no", step, end.step - step, equal)
        lines.append("| " + " | ".join(map(str, cells)) + " |")
        print(lines[-1], flush=True)
    return lines


def header(names: tuple[str, ...]) -> list[str]:
    return ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]


def cost(folder: Path) -> list[str]:
    """Time and room of a checkpoint by the size of the model."""
    lines = []
    for width in SIZES:
        model = ax.Alternator(4, latent_dim=8, width=width, key=jax.random.key(0))
        parameters = parameter_count(eqx.filter(model, eqx.is_inexact_array))
        data = ax.Sequences.from_numpy(np.random.default_rng(0).normal(size=(60, 4)))
        times, write = [], Store.write

        def timed(self, *arguments, write=write, times=times):
            began = time.perf_counter()
            write(self, *arguments)
            times.append(time.perf_counter() - began)

        Store.write, place = timed, folder / str(width)
        try:
            ax.fit(model, data, objective=ax.Elbo(), steps=20, every=1, batch=2, window=8, valid=None,
                   checkpoint=place, checkpoint_every=1)  # fmt: skip
        finally:
            Store.write = write
        last = place / f"checkpoint_{steps_in(place)[-1]}"
        room = sum(path.stat().st_size for path in last.rglob("*") if path.is_file())
        row = f"| {parameters:,} | {1e3 * times[0]:.0f} | {1e3 * np.median(times[1:]):.0f} | {room / 1e6:.2f} |"
        lines.append(row)
    return lines


def main(kills: int, out: str | None) -> None:
    with tempfile.TemporaryDirectory() as place:
        whole, broken = Path(place, "whole"), Path(place, "killed")
        course, seconds = undisturbed(whole)
        lines = killed_course(broken, kills, course)
        fitted = train(broken)
        equal = "yes" if newest(broken) == newest(whole) else "NO"
        end = f"| end | {steps_in(broken)[-1]} | finished | {fitted.record.steps} | | | | {equal} |"
        table = cost(Path(place))
    about = (
        f"{machine()} {STEPS} steps, {EVERY} a dispatch, {CHECKPOINT_EVERY} a checkpoint; undisturbed {seconds:.0f} s."
    )
    rows = [*header(KILLS), *lines, end, "", COSTS, "", *header(COST), *table]
    write_table("Training killed with SIGKILL", about, rows, out)
    if any("NO" in line for line in [*lines, end]):
        sys.exit("a resumed training differs from the undisturbed one")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child)
    else:
        main(options.kills, options.out)
