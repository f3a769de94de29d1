"""Long trajectories of Lorenz-63 seen with a little noise: how they are judged and shown, and a linear model."""

import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np

import alternax as ax
from alternax import metrics

DT, NOISE, EXPONENT, SUBSTEPS, TRANSIENT = 0.04, 0.1, 0.9056, 4, 250
TRAIN, CONTEXT, LEADS, PATHS, ORIGINS = 8000, 100, 150, 4, 48
ORDER, TRUE = 4, "another set of true trajectories"


class Data(NamedTuple):
    """Rows to train on, true trajectories, a second set of them, and contexts with what followed."""

    train: np.ndarray
    truth: np.ndarray
    other: np.ndarray
    contexts: np.ndarray
    ahead: np.ndarray


def flow(s: Any, stack: Callable = np.stack) -> Any:
    """Time derivative of the state, coordinates first."""
    return stack([10 * (s[1] - s[0]), s[0] * (28 - s[2]) - s[1], s[0] * s[1] - 8 / 3 * s[2]])


def lorenz(rows: int, paths: int, seed: int) -> np.ndarray:
    """Noisy trajectories (path, row, 3) on the attractor."""
    rng = np.random.default_rng(seed)
    start = rng.normal((0.0, 0.0, 27.0), (8.0, 8.0, 5.0), (paths, 3)).T
    path = ax.simulators.rk4(flow, start, DT / SUBSTEPS, (TRANSIENT + rows) * SUBSTEPS - 1)
    x = path[TRANSIENT * SUBSTEPS :: SUBSTEPS].transpose(2, 0, 1)
    return x + NOISE * rng.normal(size=x.shape)


def true_step(s: jax.Array) -> jax.Array:
    """The state a row later, as a map that JAX can differentiate."""
    h, slope = DT / SUBSTEPS, partial(flow, stack=jnp.stack)
    for _ in range(SUBSTEPS):
        k1 = slope(s)
        k2 = slope(s + h / 2 * k1)
        k3 = slope(s + h / 2 * k2)
        s = s + h / 6 * (k1 + 2 * k2 + 2 * k3 + slope(s + h * k3))
    return s


@cache
def load(rows: int, seed: int) -> Data:
    """The data of a seed."""
    x = lorenz(max(rows, TRAIN), 2 * PATHS + 5, seed)
    pieces = x[-4:, : x.shape[1] // (CONTEXT + LEADS) * (CONTEXT + LEADS)].reshape(-1, CONTEXT + LEADS, 3)[:ORIGINS]
    return Data(x[0, :TRAIN], x[1:5, :rows], x[5:9, :rows], pieces[:, :CONTEXT], pieces[:, CONTEXT:])


def distances(generated: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Attractor and spectrum distance, and the share of paths that left the attractor or came to rest."""
    scale = truth.std((0, 1))
    far = ~(np.abs(generated - truth.mean((0, 1))) < 10 * scale).all((1, 2))
    at_rest = (generated[:, -1000:].std(1) < 0.1 * scale).all(1)
    return {
        "attractor": float(metrics.attractor_distance(generated, truth)),
        "spectrum": float(metrics.spectrum_distance(generated, truth)),
        "lost": float((far | at_rest).mean()),
    }


def valid_time(forecast: np.ndarray, truth: np.ndarray) -> float:
    """Median over origins of the Lyapunov times until the error first passes 0.4 standard deviations."""
    error = np.sqrt((((forecast - truth) / truth.std((0, 1))) ** 2).mean(-1))
    wrong = ~(error < 0.4)
    first = np.where(wrong.any(1), wrong.argmax(1), error.shape[1])
    return float(np.median(first) * DT * EXPONENT)


def exponent(step: Any, carried: tuple, steps: int) -> float:
    """Largest Lyapunov exponent per time unit, mean over starts."""
    found = metrics.largest_lyapunov(step, carried, steps=steps, warmup=200, dt=DT, key=jax.random.key(1))
    return float(found.mean())


class Linear(NamedTuple):
    """x_t = weight [x_{t-1}, ..., x_{t-p}, 1] + root e."""

    weight: np.ndarray
    root: np.ndarray

    @classmethod
    def fit(cls, x: np.ndarray, order: int) -> "Linear":
        """Least squares."""
        lags = [x[order - i - 1 : len(x) - i - 1] for i in range(order)]
        design = np.concatenate([*lags, np.ones((len(x) - order, 1))], 1)
        weight = np.linalg.lstsq(design, x[order:], rcond=None)[0]
        return cls(weight.T, np.linalg.cholesky(np.cov((x[order:] - design @ weight).T)))

    def follow(self, contexts: np.ndarray, rows: int, noise: float, seed: int = 0) -> np.ndarray:
        """Paths (path, row, 3) after contexts."""
        order, rng, found = self.weight.shape[1] // 3, np.random.default_rng(seed), []
        last = contexts[:, ::-1][:, :order].reshape(len(contexts), -1)
        for _ in range(rows):
            x = (
                last @ self.weight[:, :-1].T
                + self.weight[:, -1]
                + noise * rng.normal(size=(len(last), 3)) @ self.root.T
            )
            last = np.concatenate([x, last[:, :-3]], 1)
            found.append(x)
        return np.stack(found, 1)

    def exponent(self) -> float:
        """Of the companion matrix, per time unit."""
        width = self.weight.shape[1] - 1
        companion = np.concatenate([self.weight[:, :-1], np.eye(width)[: width - 3]])
        return float(np.log(np.abs(np.linalg.eigvals(companion)).max()) / DT)


def plain(rows: int, seed: int) -> dict[str, dict[str, Any]]:
    """Scores and paths of what needs no training by gradient."""
    data, started = load(rows, seed), time.perf_counter()
    linear = Linear.fit(data.train, ORDER)
    seconds = time.perf_counter() - started
    order = np.random.default_rng(seed).integers(0, len(data.train), (PATHS, rows))
    paths = {
        TRUE: data.other,
        f"vector autoregression of order {ORDER}": linear.follow(data.contexts[:PATHS], rows, 1.0, seed),
        "training rows in random order": data.train[order],
    }
    scores = {name: distances(found, data.truth) for name, found in paths.items()}
    _, name, shuffled = paths
    scores[TRUE]["exponent"] = exponent(true_step, jnp.asarray(data.contexts[:, -1], float), rows // 20)
    scores[name] |= {"exponent": linear.exponent(), "parameters": linear.weight.size, "seconds": seconds}
    scores[name]["valid"] = valid_time(linear.follow(data.contexts, LEADS, 0.0), data.ahead)
    scores[shuffled]["valid"] = valid_time(np.broadcast_to(data.train.mean(0), data.ahead.shape), data.ahead)
    return {"scores": scores, "paths": {name: path.tolist() for name, path in paths.items() if seed == 0}}


COLUMNS = {
    "attractor": ("attractor distance", ".2f"),
    "spectrum": ("spectrum distance", ".3f"),
    "exponent": ("Lyapunov exponent", ".2f"),
    "lost": ("paths lost", ".0%"),
    "valid": ("valid time", ".2f"),
    "parameters": ("parameters", ",.0f"),
    "seconds": ("training on one core, s", ".1f"),
}


def row(name: str, found: list[dict[str, float]]) -> str:
    """Medians with ranges over seeds."""
    cells = [name]
    for key, (_, shape) in COLUMNS.items():
        values = [scores[key] for scores in found if key in scores]
        cell = f"{np.median(values):{shape}}" if values else "-"
        spread = values and key != "parameters" and min(values) < max(values)
        cells.append(f"{cell} ({min(values):{shape}} to {max(values):{shape}})" if spread else cell)
    return f"| {' | '.join(cells)} |"


def spectrum(paths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies per time unit and the smoothed power of z."""
    from scipy.ndimage import gaussian_filter1d

    z = paths[..., 2] - paths[..., 2].mean(1, keepdims=True)
    power = (np.abs(np.fft.rfft(z * np.hanning(z.shape[1]))) ** 2).mean(0)[1:]
    return np.fft.rfftfreq(z.shape[1], DT)[1:], gaussian_filter1d(power / power.sum(), 20)


def figure(paths: dict[str, np.ndarray], path: Path) -> None:
    """Attractors above, spectra below, of the first seed."""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(
        2, len(paths), figsize=(2.6 * len(paths), 5.4), layout="constrained", sharex="row", sharey="row"
    )
    true = spectrum(paths[TRUE])
    for (name, found), (above, below) in zip(paths.items(), axes.T, strict=True):
        shown = found[0, -2000:]
        style = "," if "random" in name else "-"
        above.plot(shown[:, 0], shown[:, 2], style, lw=0.3, color="C0" if name == TRUE else "C1")
        above.set_title(name.replace(", ", ",\n", 1), fontsize=8)
        above.set(xlabel="x (no unit)", xlim=(-25, 25), ylim=(-5, 55))
        below.semilogy(*true, color="C0", lw=1, label="true")
        if name != TRUE:
            below.semilogy(*spectrum(found), color="C1", lw=1, label="generated")
        below.set(xlabel="frequency, 1 / time unit", xlim=(0, 5), ylim=(1e-7, 1e-1))
    axes[0, 0].set_ylabel("z (no unit)")
    axes[1, 0].set_ylabel("share of the power of z")
    axes[1, 1].legend(fontsize=7)
    plt.savefig(path, dpi=130)
