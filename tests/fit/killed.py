"""A small training that can be killed: the run itself, the process that does it, and how that is ended."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import alternax as ax
from alternax.fit.objectives import Objective
from alternax.fit.store import UNFINISHED, Store, steps_in

SETTINGS: dict = {
    "steps": 200,
    "every": 2,
    "batch": 4,
    "window": 8,
    "learning_rate": 0.05,
    "average": 0.9,
    "patience": 60,
}


@dataclass(frozen=True)
class Noisy(Objective):
    """Distance of one row of biases to the windows drawn, and of the others to noise: wrong keys give other bits."""

    def __call__(self, model, seq, *, key):
        bias = model.ftn.net.bias
        noise = jax.random.normal(key, bias.shape)
        return jnp.mean((bias[0] - seq.x) ** 2) + jnp.mean((model.ftn.net.weight - noise[:, None]) ** 2)


def model(seed: int = 0) -> ax.Alternator:
    return ax.Alternator(2, latent_dim=3, ftn="affine", otn="affine", width=4, depth=1, key=jax.random.key(seed))


def data(rows: int = 60) -> ax.Sequences:
    return ax.Sequences.from_numpy(np.random.default_rng(0).normal(size=(rows, 2)).cumsum(0))


def run(folder: Path | None = None, **settings) -> ax.Fitted:
    return ax.fit(model(), data(), checkpoint=folder, **(SETTINGS | {"objective": Noisy()} | settings))


def content(folder: Path) -> tuple[dict[str, bytes], dict]:
    """Every bit of the newest checkpoint, and its numbers without the seconds."""
    store, step = Store(folder), steps_in(folder)[-1]
    record = store.record(step)
    arrays = {name: array.tobytes() for name, array in store.arrays(step, record).items()}
    store.close()
    return arrays, {name: value for name, value in record["state"].items() if name != "seconds"}


def main(folder: str, every: int) -> None:
    """Train with checkpoints, saying on standard output how far it is."""
    jax.config.update("jax_disable_most_optimizations", True)
    assert not any(name.startswith(("orbax", "tensorstore")) for name in sys.modules)

    @contextmanager
    def bar(steps, shown, first):
        print("from", first, flush=True)
        yield lambda step, loss, valid: print("step", step, flush=True)

    sys.modules["alternax.fit.fit"].progress_bar = bar
    run(Path(folder), checkpoint_every=every, resume=True)


@dataclass
class Killed:
    """One process and its end: from which step it went on, the last it said, and whether it was writing."""

    resumed: int
    step: int
    writing: bool


def train_and_kill(command: list[str], folder: Path, dispatches: int, delay: float, *, writing: bool) -> Killed:
    """Run the command until it has said so many steps, then kill it: after a delay, or in the middle of a write."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment(folder)) as process:
        try:
            said = [line for _, line in zip(range(dispatches + 1), process.stdout, strict=False)]
            assert len(said) == dispatches + 1, f"training ended before it could be killed: {said[-3:]}"
            if writing:
                _stop_in_write(process.pid, folder)
            else:
                signal.sigtimedwait([], delay)
        finally:
            process.send_signal(signal.SIGKILL)
        said += process.stdout.readlines()
        assert process.wait() == -signal.SIGKILL
    return Killed(int(said[0].split()[1]), int(said[-1].split()[1]), any(folder.glob(f"*{UNFINISHED}")))


def _environment(folder: Path) -> dict[str, str]:
    """This folder to import from, and one place for what the processes compile: most of their time would go there."""
    cache = {
        "JAX_COMPILATION_CACHE_DIR": f"{folder}.compiled",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
    }
    paths = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | cache | {"PYTHONPATH": os.pathsep.join(paths)}


def _stop_in_write(pid: int, folder: Path) -> None:
    """Halt the process while a checkpoint is unfinished."""
    while True:
        if any(folder.glob(f"*{UNFINISHED}")):
            os.kill(pid, signal.SIGSTOP)
            if any(folder.glob(f"*{UNFINISHED}")):
                return
            os.kill(pid, signal.SIGCONT)


def command(folder: Path, every: int) -> list[str]:
    return [sys.executable, "-c", f"import killed; killed.main({str(folder)!r}, {every})"]
