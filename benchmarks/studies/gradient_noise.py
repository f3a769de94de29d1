"""How noisy the gradient of an objective is: what the draws of the latent add to what the choice of series does.

Gradients of N batches are taken with R keys each. With g_{br} that of batch b and key r,

    draws  = mean_b var_r g_{br}        series = var_b mean_r g_{br} - draws / R        signal = |mean g|^2 - its noise

summed over parameters; signal over (draws + series) is the signal-to-noise ratio of one gradient of such a batch.
"""

from dataclasses import dataclass
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from jaxtyping import Array, Float

import alternax as ax
from alternax.core.fixed import trainable

KEYS, AT_ONCE, BATCH, BATCHES, AT_LENGTH = 2, 8, 16, (1, 4, 16, 64), 256
COUNTS = {16: 256, 64: 256, 256: 256, 1024: 64}


@dataclass(frozen=True)
class Noise:
    """Squared length of the mean gradient and the two parts of the variance, each an unbiased estimate."""

    signal: float
    series: float
    draws: float

    @property
    def ratio(self) -> float:
        """Signal over variance, of one gradient."""
        return max(self.signal, 0.0) / (self.series + self.draws)

    @property
    def share(self) -> float:
        """Share of the variance that the draws make."""
        return self.draws / (self.series + self.draws)


@eqx.filter_jit
def gradients(
    objective: ax.Objective, model: ax.Model, series: ax.Sequence, key: Array
) -> Float[Array, "series key p"]:
    """Gradients of every series by itself, with `KEYS` keys each."""
    params, rest = eqx.partition(model, trainable(model))

    def one(seq, key):
        slope = jax.grad(lambda p: objective(eqx.combine(p, rest), seq, key=key))(params)
        return jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(slope)])

    def several(row):
        seq, key = row
        return jax.vmap(lambda k: one(seq, k))(jax.random.split(key, KEYS))

    return jax.lax.map(several, (series, jax.random.split(key, series.x.shape[0])), batch_size=AT_ONCE)


def two_levels(found: Float[np.ndarray, "batch key p"]) -> Noise:
    """The three numbers."""
    count, keys = found.shape[:2]
    means = found.mean(1)
    draws = float(found.var(1, ddof=1).sum(-1).mean())
    between = float(means.var(0, ddof=1).sum())
    signal = float((means.mean(0) ** 2).sum()) - between / count
    return Noise(signal, max(between - draws / keys, 0.0), draws)


def in_batches(found: Float[np.ndarray, "series key p"], size: int) -> Float[np.ndarray, "batch key p"]:
    """Gradients of batches that share no series."""
    batches = len(found) // size
    return found[: batches * size].reshape(batches, size, *found.shape[1:]).mean(1)


def measure(
    objective: ax.Objective, model: ax.Model, lengths: dict[int, ax.Sequence], seed: int
) -> tuple[dict[int, Noise], dict[int, Noise]]:
    """The noise of one series by length, and of batches of series of `AT_LENGTH` rows by their size."""
    by_length, by_batch = {}, {}
    for length, series in lengths.items():
        found = np.asarray(gradients(objective, model, series, jax.random.key(seed)), float)
        by_length[length] = two_levels(found)
        if length == AT_LENGTH:
            by_batch = {size: two_levels(in_batches(found, size)) for size in BATCHES if len(found) >= 2 * size}
    return by_length, by_batch


Found = dict[tuple[str, str], list[tuple[dict[int, Noise], dict[int, Noise]]]]


def length_table(found: Found, point: str) -> list[str]:
    """Signal over variance of a batch of `BATCH` series by length, and the share of the draws."""
    lengths = list(next(iter(found.values()))[0][0])
    lines = ["| objective | " + " | ".join(f"{length} rows" for length in lengths) + " |"]
    lines.append("| --- " * (len(lengths) + 1) + "|")
    for name in dict.fromkeys(name for at, name in found if at == point):
        runs = [by_length for by_length, _ in found[point, name]]
        ratios = {t: BATCH * np.median([run[t].ratio for run in runs]) for t in lengths}
        shares = {t: np.median([run[t].share for run in runs]) for t in lengths}
        lines.append(f"| {name} | " + " | ".join(f"{two_digits(ratios[t])} ({shares[t]:.0%})" for t in lengths) + " |")
    return lines


def batch_table(found: Found, point: str) -> list[str]:
    """Signal over variance of whole batches of series of `AT_LENGTH` rows, measured on batches."""
    sizes = list(next(iter(found.values()))[0][1])
    lines = [f"| objective, {AT_LENGTH} rows | " + " | ".join(f"batch of {n}" for n in sizes) + " |"]
    lines.append("| --- " * (len(sizes) + 1) + "|")
    for name in dict.fromkeys(name for at, name in found if at == point):
        runs = [(by_length[AT_LENGTH], by_batch) for by_length, by_batch in found[point, name]]
        # The mean over all series is the same whatever the batch: its square is taken from all of them.
        ratio = lambda n: np.median([max(a.signal, 0) / (b[n].series + b[n].draws) for a, b in runs])  # noqa: B023, E731
        lines.append(f"| {name} | " + " | ".join(two_digits(ratio(n)) for n in sizes) + " |")
    return lines


def figure(found: Found, points: list[str], path: Path) -> None:
    """Signal over variance by length and by batch, at every point of training."""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    drawing, axes = plt.subplots(len(points), 2, figsize=(11, 4 * len(points)), sharey="row", layout="constrained")
    lengths, sizes = (list(part) for part in next(iter(found.values()))[0])
    for row, point in zip(axes, points, strict=True):
        for i, name in enumerate(dict.fromkeys(name for at, name in found if at == point)):
            runs, style = found[point, name], {"color": f"C{i % 10}", "marker": "osD^v<>PX*"[i % 10], "ms": 5}
            by_length = [BATCH * np.median([run[0][t].ratio for run in runs]) for t in lengths]
            signals = [max(run[0][AT_LENGTH].signal, 0.0) for run in runs]
            noises = {n: [run[1][n].series + run[1][n].draws for run in runs] for n in sizes}
            by_size = [np.median(np.divide(signals, noises[n])) for n in sizes]
            row[0].plot(lengths, by_length, label=name, **style)
            row[1].plot(sizes, by_size, **style)
        row[0].set(title=f"{point}: batch of {BATCH}", xlabel="rows of a series", ylabel="signal / variance")
        row[1].set(title=f"{point}: series of {AT_LENGTH} rows", xlabel="series in a batch")
        for panel, ticks in zip(row, (lengths, sizes), strict=True):
            panel.set(xscale="log", yscale="log")
            panel.set_xticks(ticks, [str(tick) for tick in ticks], minor=False)
            panel.minorticks_off()
            panel.axhline(1.0, color="0.7", lw=1, zorder=0)
            panel.grid(alpha=0.2)
    drawing.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=8)
    plt.savefig(path, dpi=120)


def two_digits(value: float) -> str:
    """Without an exponent."""
    return f"{float(f'{value:.2g}'):,g}"
