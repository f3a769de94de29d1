"""Real values as symbols: laws over bins against Gaussian, Student-t and mixture laws, in Alternators and LSTMs.

Double well: a particle in two wells, seen so rarely that the law of its next value has two peaks, and is known
(`double_well.py`): no forecast can score better in the mean than that law, which stands in the table. 64 series of 256
rows train, 16 of 512 test at every second row. ETTh1: its 7 channels as series of one column, standardised with
the first 8,640 rows, which train; 168 origins (rows 11,520, 11,537, ... below 14,376), the rows from 11,352 on as
history, the hour of the day as a control. Its values lie on a coarse grid: they are dithered within a step of it (the
median gap between neighbouring training values), for a density on repeated values could grow without bound.

Each law stands in an LSTM (`ax.Autoregressive`) and in an Alternator with an LSTM as g and an MLP as f, as wide as
their number of parameters allows (6,000 and 16,000), all trained by likelihood (the Alternator by its bound, one draw)
for the same number of steps (800 and 900) on the same windows, at a learning rate of .005 that was not tuned for any of
them; the last fifth of the training rows chooses the parameters kept. Normal, Student-t and mixture are laws of the
change since the last value, as is their default; bins have no residual and put out the value itself, so on ETTh1 a
Gaussian without one stands beside them. Bins span the training values; the Fourier head has 12 frequencies.

Scores are means over entries: log-density in nats, by 64 joint paths (of a lead, the mean over paths of its law given
the path before; exact for the next value of an LSTM, by draws of the latent from the encoder's law for an Alternator),
unbiased CRPS of the paths, share inside the central 90 %. Plain forecasts: the last value (or that of 24 hours before)
plus what the training part's differences were, their density by a kernel whose width the last fifth of them chose; and
the law of all training values. Seconds are medians over seeds, of which only the first compiles.

    python benchmarks/studies/binned.py [--seeds 3] [--share 1] [--out benchmarks/studies/binned.md]
"""

import argparse
import sys
import time
from pathlib import Path

import double_well
import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from density_tasks import SAMPLES, Task, etth1_channels, known_law, plain_forecasts, scored, two_wells
from finished import once
from law_models import BINS, BODIES, FREQUENCIES, SWEEP, build, every_law, laws, title, widest
from sample_paths import ahead, next_density

sys.path.insert(0, str(Path(__file__).parents[1]))
from markdown_tables import line
from setting import machine, write_table

import alternax as ax
from alternax.core.fixed import parameter_count

BATCH = 16
NEXT = np.linspace(-2.4, 2.4, 481)
RATE = 5e-3
SCORES = ("log-density", "CRPS", "in 90 %")
SHOWN = ("Gaussian", "mixture of 3 Gaussians", f"{BINS} bins", f"{BINS} bins, Fourier head")
SHOWS = """\
Where the law has two peaks a Gaussian and a Student-t lose .16 to .17 nats of log-density, which their coverage of 90
% does not show; mixture and bins come within .013 of the law that the data were drawn from, the mixture nearest (.001
in the LSTM). Eight bins are too coarse (.07), 64 are enough; with 256 a score for every bin gets worse again (.028)
and the Fourier head does not (.009), its neighbouring bins learning from one another. The next value depends on this
one alone, and there the Alternator gains nothing over the LSTM: all differences are below .01. On ETTh1 bins are not
worth it: .15 to .25 nats behind Student-t and mixture for the next hour, and worse in CRPS; a Gaussian without a
residual is between them, so that its lack is not all of it. The Fourier head is worst: 12 frequencies over ten
standard deviations cannot draw a law as narrow as that of the next hour, and it covers too much (94 %). Student-t and
mixture are best for the next hour (covering 85 to 87 %, a little too little), the mixture a day ahead. The Alternator
is ahead of the LSTM with mixture and 64 bins for the next hour; a day ahead in the median with five of six laws, by
up to .21 nats, but the ranges of the seeds overlap. A day ahead yesterday's value plus the differences seen in
training has a better log-density (-.694) than all of them, and only the mixtures have a better CRPS: likelihood of
the next value of one column is a weak teacher for that."""


def trained(
    task: Task, body: str, law: ax.families.Family, residual: str | None, share: float, seed: int
) -> tuple[ax.Fitted, float]:
    """The model with the best parameters of its training, and the seconds that took."""
    model = build(body, law, residual, task.train.control_dim, widest(body, law, residual, task), seed)
    started = time.perf_counter()
    fitted = ax.fit(
        model, task.train, objective=ax.Elbo(), transform=ax.Identity(),
        steps=round(share * task.steps), every=50, batch=BATCH,
        window=task.window, learning_rate=RATE, valid=0.2, patience=None, seed=seed, progress=False,
    )  # fmt: skip
    return fitted, time.perf_counter() - started


def forecast(fitted: ax.Fitted, task: Task, seed: int) -> list[float]:
    """The scores of a trained model."""
    horizon, leads = max(task.leads), np.array(task.leads) - 1
    found = ahead(
        fitted.model, task.test.arrays(), jnp.asarray(task.origins), horizon=horizon, samples=SAMPLES,
        key=jax.random.key(seed),
    )  # fmt: skip
    return scored(found.samples[..., leads], np.asarray(found.log_density, float)[..., leads], task.truth)


def one(task: Task, name: str, body: str, options: argparse.Namespace, seed: int) -> dict:
    """Scores, parameters and seconds of one training, and the densities that the figure shows."""
    law, change = every_law(task)[name]
    fitted, seconds = trained(task, body, law, change, options.share, seed)
    row = [*forecast(fitted, task, seed), parameter_count(fitted.model), seconds]
    print(task.name, name, body, seed, np.round(row, 3).tolist(), flush=True)
    if not (task.law_known and body == "LSTM" and name in SHOWN and seed == 0):
        return {"row": row}
    drawn = next_density(
        fitted.model, task.test.arrays(), jnp.asarray(shown_rows(task)), jnp.asarray(NEXT), samples=1,
        key=jax.random.key(0),
    )  # fmt: skip
    return {"row": row, "densities": np.asarray(drawn, float).tolist()}


def run(task: Task, name: str, body: str, options: argparse.Namespace) -> tuple[np.ndarray, list[list[float]]]:
    """The scores of all seeds, and the densities of the first."""
    found = [
        once(options.kept, f"{task.name} {name} {body} {options.share} {seed}",
             lambda seed=seed: one(task, name, body, options, seed))
        for seed in range(options.seeds)
    ]  # fmt: skip
    return np.array([seed["row"] for seed in found]), found[0].get("densities", [])


def shown_rows(task: Task) -> np.ndarray:
    """Where the figure looks: series and number of rows before, after a value near the barrier and one in a well."""
    x = task.test.x[:, 32:500, 0]
    places = [np.unravel_index(np.abs(x - level).argmin(), x.shape) for level in (0.0, 1.0)]
    return np.array([[series, row + 33] for series, row in places])


def cells(found: np.ndarray, best: float | None) -> list[str]:
    """Medians over the seeds, of log-densities the range as well; how far the first is below `best`."""
    *scores, size, seconds = np.median(found, axis=0)
    text = []
    for i in range(0, len(scores), 3):
        spread = f" ({found[:, i].min():.3f} to {found[:, i].max():.3f})" if len(found) > 1 else ""
        text += [f"{scores[i]:.3f}{spread}", f"{scores[i + 1]:.3f}", f"{scores[i + 2]:.0%}"]
    gap = [] if best is None else [f"{best - scores[0]:.3f}"]
    return [*text, *gap, *([f"{size:,.0f}", f"{seconds:.0f}"] if size else ["-", "-"])]


def table(task: Task, options: argparse.Namespace) -> list[str]:
    """The lines of a task."""
    plain = plain_forecasts(task)
    top = plain[list(plain)[-1]][0] if task.law_known else None
    head = ["law", "model", *(f"{score}, {lead} ahead" for lead in task.leads for score in SCORES)]
    head += [*([] if top is None else ["below the best, nats"]), "parameters", "training, s"]
    lines = [line(head), line(["---"] * len(head))]
    lines += [line([name, "-", *cells(np.array([[*scores, 0, 0]]), top)]) for name, scores in plain.items()]
    print(*lines, sep="\n", flush=True)
    for name in options.only or laws(task):
        for body in options.bodies:
            lines.append(line([name, body, *cells(run(task, name, body, options)[0], top)]))
            print(lines[-1], flush=True)
    return lines


def gaps(task: Task, names: tuple[str, ...], options: argparse.Namespace) -> np.ndarray:
    """How many nats the log-densities of LSTMs are below the best, `(law, seed)`."""
    return known_law(task)[0] - np.array([run(task, name, "LSTM", options)[0][:, 0] for name in names])


def by_bins(task: Task, options: argparse.Namespace) -> dict[str, np.ndarray]:
    """The same by number of bins, with a score for every bin and with a Fourier head."""
    return {
        head: gaps(task, tuple(title(bins, frequencies) for bins in SWEEP), options)
        for head, frequencies in (("a score for every bin", None), ("Fourier head", FREQUENCIES))
    }


def figure(task: Task, swept: dict[str, np.ndarray], options: argparse.Namespace, path: Path) -> None:
    """Densities of the next value at the barrier and in a well, and the loss by number of bins."""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    _, panels = plt.subplots(1, 3, figsize=(15, 4.5), layout="constrained")
    for i, where in enumerate(("on the barrier", "in a well")):
        series, row = shown_rows(task)[i]
        now = round(float(task.test.x[series, row - 1, 0]), 2) + 0.0
        panels[i].fill_between(NEXT, double_well.density(np.full(len(NEXT), now), NEXT), color="0.85", label="true law")
        for name in SHOWN:
            panels[i].plot(NEXT, run(task, name, "LSTM", options)[1][i], label=name, lw=1.3)
        panels[i].set(title=f"this value {now:.2f}, {where}", xlabel="next value", ylabel="density")
    for name, found in swept.items():
        middle = np.median(found, axis=1)
        panels[2].errorbar(SWEEP, middle, [middle - found.min(1), found.max(1) - middle], capsize=3, label=name)
    for name, style in (("Gaussian", ":"), ("mixture of 3 Gaussians", "--")):
        panels[2].axhline(np.median(gaps(task, (name,), options)), color="k", ls=style, lw=1, label=name)
    panels[2].set(xscale="log", yscale="log", xlabel="bins", ylabel="log-density below the best, nats")
    panels[2].set_xticks(SWEEP, [str(bins) for bins in SWEEP])
    panels[2].minorticks_off()
    panels[1].legend(fontsize=8, title="LSTM with", loc="upper left")
    panels[2].legend(fontsize=8, loc="lower left")
    plt.savefig(path, dpi=110)


def main() -> None:
    """Run both tasks and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--share", type=float, default=1.0, help="of the optimiser steps, for a quick run")
    parser.add_argument("--only", nargs="+", help="laws, for a quick run: no laws over other bins, no figure")
    parser.add_argument("--bodies", nargs="+", default=BODIES, choices=BODIES)
    parser.add_argument("--kept", type=Path, help="a folder for what is finished, to go on from")
    parser.add_argument("--out")
    options = parser.parse_args()
    wells = two_wells()
    lines = ["## Double well", "", *table(wells, options), ""]
    if not options.only:
        swept = by_bins(wells, options)
        lines += [line(["LSTM, nats below the best, by bins", *map(str, SWEEP)]), line(["---"] * (1 + len(SWEEP)))]
        lines += [line([name, *(f"{gap:.3f}" for gap in np.median(found, axis=1))]) for name, found in swept.items()]
        if options.out:
            figure(wells, swept, options, Path(options.out).with_suffix(".png"))
    lines += ["", "## ETTh1", "", *table(etth1_channels(), options)]
    note = f"Medians and ranges of {options.seeds} seeds; training on one core. {machine()}"
    about = __doc__.split("\n\n    python")[0]
    write_table("Binned values", about, [*lines, "", SHOWS, "", note], options.out)


if __name__ == "__main__":
    main()
