"""Discrete sequences: the next character of English text by Alternators, an LSTM of equal size, and n-grams.

The text are the help topics of Python (`pydoc_data.topics`, shipped with every Python, about 465,000 characters); every
tenth topic is held out. The OTN emits a categorical, the FTN is shown each character as a symbol. All models have one
hidden layer and about the same number of parameters, are trained by likelihood (its bound where there is a latent) on
windows of 128 characters for the same number of steps, and are judged in bits per character on held-out text in series
of 512 characters, each read from its beginning. Bits of an Alternator come from 64 particles, an upper bound in the
mean. The plain baseline is an n-gram of order 1 to 6, interpolated as Witten and Bell do.

    python benchmarks/studies/characters.py [--seeds 3] [--steps 1000] [--out benchmarks/studies/characters.md]
"""

import argparse
import math
import sys
import time
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from pydoc_data.topics import topics

import jax
import matplotlib
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from setting import machine, write_table

import alternax as ax
from alternax.core.fixed import parameter_count

SERIES, WINDOW, PARTICLES = 512, 128, 64


def texts() -> tuple[str, str]:
    """Training and held-out text."""
    names = sorted(topics)
    held = names[::10]
    join = lambda chosen: "\n\n".join(topics[name].strip() for name in chosen)  # noqa: E731
    return join(name for name in names if name not in held), join(held)


def ngram(train: str, test: str, order: int) -> float:
    """Bits per character of every series of the test text, contexts not reaching over their beginnings."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for length in range(order):
        for place in range(length, len(train)):
            counts[train[place - length : place]][train[place]] += 1
    symbols, bits, total = len(set(train)) + 1, 0.0, 0
    for start in range(0, len(test) - SERIES + 1, SERIES):
        series = test[start : start + SERIES]
        for place, symbol in enumerate(series):
            share = 1.0 / symbols
            for length in range(min(order - 1, place) + 1):
                seen = counts.get(series[place - length : place])
                if seen is None:
                    break
                size, kinds = sum(seen.values()), len(seen)
                share = (seen[symbol] + kinds * share) / (size + kinds)
            bits, total = bits - math.log2(share), total + 1
    return bits / total


def models(symbols: int, key: jax.Array) -> dict[str, ax.Model]:
    """Of about 85,000 parameters each."""
    laws = [ax.families.Categorical(symbols)]
    plain = {"residual": None, "key": key}
    latent = {"noise": laws, "sigma_z": 0.05, **plain}
    return {
        "LSTM": ax.Autoregressive(1, body="lstm", width=76, depth=1, law=laws, **plain),
        "Alternator, memoryless f and g": ax.Alternator(
            1, latent_dim=128, ftn="mlp", otn="mlp", width=184, depth=1, **latent
        ),
        "Alternator, LSTM as g": ax.Alternator(1, latent_dim=64, ftn="lstm", otn="mlp", width=77, depth=1, **latent),
    }


def curve(fitted: ax.Fitted, series: np.ndarray) -> np.ndarray:
    """Bits of the character at every place, mean over series; one draw each where there is a latent."""
    rows = ax.Sequences.from_numpy(series[..., None], kinds=["category"]).arrays()
    unroll = jax.jit(jax.vmap(lambda seq, key: fitted.model.unroll(seq, key=key)[1]))
    return -np.asarray(unroll(rows, jax.random.split(jax.random.key(0), len(series)))).mean(0) / math.log(2)


def run(name: str, codes: np.ndarray, held: np.ndarray, steps: int, seed: int) -> tuple[float, ...]:
    """Bits per character, seconds of training, parameters; the curve is kept beside them."""
    symbols = int(codes.max()) + 1
    model = models(symbols, jax.random.key(seed))[name]
    data = ax.Sequences.from_numpy(codes[:, None], kinds=["category"])
    started = time.perf_counter()
    fitted = ax.fit(
        model, data, objective=ax.Elbo(), steps=steps, every=100, batch=32, window=WINDOW, learning_rate=4e-3,
        valid=0.05, seed=seed, progress=False,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    test = ax.Sequences.from_numpy(held[..., None], kinds=["category"])
    value = np.asarray(fitted.log_prob(test, particles=PARTICLES).value)
    CURVES.setdefault(name, []).append(curve(fitted, held))
    return float(-value.mean() / SERIES / math.log(2)), seconds, float(parameter_count(model))


CURVES: dict[str, list[np.ndarray]] = {}


def figure(path: Path) -> None:
    """Bits against the place in the series, smoothed: how far back the models remember."""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    edges = np.unique(np.geomspace(1, SERIES, 18).astype(int))
    for name, found in CURVES.items():
        mean = np.mean(found, axis=0)
        axes.plot(edges[:-1], [mean[a:b].mean() for a, b in pairwise(edges)], "o-", label=name)
    axes.set(xscale="log", xlabel="characters read before", ylabel="bits per character")
    axes.legend()
    plt.savefig(path, dpi=120)


def main() -> None:
    """Run all seeds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--out")
    options = parser.parse_args()
    train, test = texts()
    codes = {symbol: code for code, symbol in enumerate(sorted(set(train)))}
    encode = lambda text: np.array([codes.get(symbol, len(codes)) for symbol in text], float)  # noqa: E731
    held = encode(test)[: len(test) // SERIES * SERIES].reshape(-1, SERIES)
    lines = ["| model | bits per character | parameters | training, s |", "| --- | --- | --- | --- |"]
    best = min((ngram(train, test, order), order) for order in range(1, 7))
    lines.append(f"| {best[1]}-gram, the best of orders 1 to 6 | {best[0]:.3f} | - | - |")
    print(lines[-1], flush=True)
    for name in models(len(codes), jax.random.key(0)):
        found = [run(name, encode(train), held, options.steps, seed) for seed in range(options.seeds)]
        bits, seconds, parameters = np.median(found, axis=0)
        low, high = min(found)[0], max(found)[0]
        lines.append(f"| {name} | {bits:.3f} ({low:.3f} to {high:.3f}) | {parameters:,.0f} | {seconds:.0f} |")
        print(lines[-1], flush=True)
    lines += ["", f"Medians and ranges of {options.seeds} seeds, {options.steps} steps. {machine()}"]
    write_table("Characters", __doc__.split("\n\n    python")[0], lines, options.out)
    if options.out:
        figure(Path(options.out).with_suffix(".png"))


if __name__ == "__main__":
    main()
