"""How decoders are judged, and the table and figure of what was found."""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
import wmaze
from decoding_tasks import Task
from markdown_tables import line
from plain_decoders import Decoder

import alternax as ax

EDGE, STRETCH = 1.645, slice(1000, 1300)
SHOWN = ("Alternator, LRU as g", "Kalman filter")
SECONDS, COLOURS = (1, 2, 5, 10, 20, 50), [matplotlib.colormaps["tab20"](i) for i in range(20)]


@dataclass
class Row:
    """A decoder of the table.

    Args:
        size: Parameters, 0 where there is no gradient.
        choice: What the rehearsals chose.
        found: By seed the scores, shares inside two bands, CRPS, seconds of decoding 1,000 bins and of training.
        stretch: Of the first seed mean, lower and upper edge of the band and truth of some test rows.
    """

    size: int
    choice: Any
    found: list[list[float]] = field(default_factory=list)
    stretch: list | None = None

    def take(self, decoder: Decoder, rehearsal: Decoder, task: Task, seconds: float) -> None:
        """Judges a seed on the test rows.

        Its bands and standard deviations are those of the errors of the rehearsal, as they are after
        `fitted.calibrate(late, by=rehearsal)`.
        """
        mean, std, truth = at_labels(rehearsal, task.late)
        errors = (truth - mean) / std
        low, high = np.quantile(errors, [0.05, 0.95], axis=0, method="weibull")
        decoder(task.test)  # compiles
        started = time.perf_counter()
        mean, std, truth = at_labels(decoder, task.test)
        decoding = (time.perf_counter() - started) * 1e3 / task.bins
        error = (truth - mean) / std
        inside = [(np.abs(error) <= EDGE).mean(), ((low <= error) & (error <= high)).mean()]
        crps = ax.metrics.crps_gaussian(mean, std * np.sqrt((errors**2).mean(0)), truth)
        scores = [*task.scores(mean, truth), *inside, crps, decoding, seconds]
        self.found.append([float(score) for score in scores])
        bands = np.stack([mean, mean + low * std, mean + high * std, truth])
        self.stretch = self.stretch or np.round(bands[:, STRETCH], 3).tolist()


def at_labels(decoder: Decoder, data: ax.Sequences) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, standard deviation and truth at the labelled rows."""
    rows = data.labelled.all(-1)
    mean, std = decoder(data)
    return mean[rows], std[rows], data.targets[rows]


def table(task: str, found: dict[str, Row]) -> list[str]:
    """The lines of a task's table: medians over seeds, with the range of the first score."""
    lorenz_head = ["MSE (range)", "correlation"]
    maze_head = ["median error, px (range)", "mean error, px", "R2 of x", "R2 of y"]
    head = ["decoder", "parameters", *(lorenz_head if task == "Lorenz" else maze_head)]
    head += ["in bands of 90 %, as trained", "from the rehearsal", "CRPS", "chosen", "training, s", "1,000 bins, ms"]
    lines = [f"## {task}", "", line(head), line(["---"] * len(head))]
    form = ".4f" if task == "Lorenz" else ".1f"
    for name, row in found.items():
        first, *scores, raw, held, crps, decoding, seconds = np.median(row.found, 0)
        low, high = min(row.found)[0], max(row.found)[0]
        error = f"{first:{form}}" + (f" ({low:{form}} to {high:{form}})" if len(row.found) > 1 else "")
        second = [f"{scores[0]:.3f}"] if task == "Lorenz" else [f"{scores[0]:.1f}", *(f"{r:.2f}" for r in scores[1:])]
        cells = [name, f"{row.size:,}" if row.size else "-", error, *second, f"{raw:.0%}", f"{held:.0%}"]
        chosen = "-" if row.choice is None else f"{row.choice:g}"
        cells += [f"{crps:{form}}", chosen, f"{seconds:.1f}" if row.size else f"{seconds:.2f}", f"{decoding * 1e3:.1f}"]
        lines.append(line(cells))
    return [*lines, ""]


def figure(found: dict[str, dict[str, Row]], path: Path) -> None:
    """Errors against seconds of training, and a stretch of the maze decoded twice."""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    mosaic: list[Any] = [["Lorenz"] * 2 + ["W-maze"] * 2 + ["key"], ["x"] * 5, ["y"] * 5]
    _, axes = plt.subplot_mosaic(mosaic, figsize=(12, 10), layout="constrained")
    labels = {"Lorenz": "held-out mean squared error", "W-maze": "held-out median error, px"}
    ticks = {"Lorenz": (0.002, 0.005, 0.01, 0.02, 0.05, 0.1), "W-maze": (20, 30, 50, 100)}
    keys: dict[str, Any] = {}
    for task, label in labels.items():
        axes[task].set(xscale="log", yscale="log", title=task, xlabel="seconds of training, one core", ylabel=label)
        _scatter(axes[task], found[task], keys)
        axes[task].set_yticks(ticks[task], [f"{tick:g}" for tick in ticks[task]])
        axes[task].set_xticks(SECONDS, [str(tick) for tick in SECONDS])
        axes[task].tick_params(which="minor", labelleft=False, labelbottom=False)
    axes["key"].axis("off")
    axes["key"].legend(keys.values(), keys.keys(), fontsize=8, loc="center left")
    for i, name in enumerate("xy"):
        _stretch(axes[name], found["W-maze"], i, name)
    axes["x"].legend(ncols=5, fontsize=8, loc="upper center")
    plt.savefig(path, dpi=110)


def _stretch(axes: Any, found: dict[str, Row], target: int, name: str) -> None:
    """The rat, and two decoders with their bands."""
    for decoder, colour in zip(SHOWN, ("tab:blue", "tab:orange"), strict=True):
        mean, low, high, truth = np.array(found[decoder].stretch)[..., target]
        seconds = np.arange(len(mean)) * wmaze.BIN
        axes.plot(seconds, mean, color=colour, lw=1, label=decoder)
        axes.fill_between(seconds, low, high, color=colour, alpha=0.2, lw=0, label="its band of 90 %")
        axes.plot(seconds, truth, color="black", lw=1.5, label="rat" if decoder == SHOWN[-1] else None)
    axes.set(xlabel="seconds", ylabel=f"{name}, px", xlim=(0, seconds[-1]))


def _scatter(axes: Any, found: dict[str, Row], keys: dict[str, Any]) -> None:
    """A point a decoder with the range over its seeds, a line for those that need no gradient."""
    for i, (name, row) in enumerate(found.items()):
        errors, seconds = [one[0] for one in row.found], float(np.median([one[-1] for one in row.found]))
        if row.size:
            middle = float(np.median(errors))
            spread = [[middle - min(errors)], [max(errors) - middle]]
            colour = keys[name].lines[0].get_color() if name in keys else COLOURS[len(keys) - 3]
            marker = "s" if "lternator" in name else "o"
            keys[name] = axes.errorbar(seconds, middle, yerr=spread, fmt=marker, color=colour, capsize=2)
        else:
            keys[name] = axes.axhline(errors[0], color="grey", ls=("-", "--", ":")[i], lw=1)
