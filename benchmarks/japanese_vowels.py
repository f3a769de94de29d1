"""Who speaks: JapaneseVowels (UEA archive) with every layer as the body of one classifier, beside plain baselines.

Protocol: the archive's own split, 270 utterances of nine speakers to train and 370 to test, 12 channels, 7 to 29 rows,
read as they are (no padding seen, no resampling) and scaled per channel on the training part. Trained on the class and
on the next row at once, which in five-fold cross-validation of the training part beat the class alone (held-out
cross-entropy of lru .145 against .234 at width 32; .088 at width 48). One setting for all layers; the test part was
never used for a choice. Accuracy by seed and its median; seconds are those of the processor, the median of the
trainings, of which the first of a layer compiles.

The files are in the wheel aeon==1.6.0, folder aeon/datasets/data/JapaneseVowels; ALTERNAX_DATA must be that folder.

    python benchmarks/japanese_vowels.py [--layers lru gru] [--seeds 3] [--kept FOLDER]
        [--out benchmarks/japanese_vowels.md]
"""

import argparse
import time
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from finished import once
from setting import data_folder, machine, write_table

import alternax as ax
from alternax.core.fixed import parameter_count

WIDTH, DEPTH, STEPS, BATCH, HIDDEN = 48, 2, 600, 32, 0.2
GRID = 16


def read(path: Path) -> ax.Sequences:
    """Series and classes of a .ts file: one utterance a line, channels parted by colons, the class last."""
    lines = [line for line in path.read_text().splitlines() if line and line[0] not in "#@"]
    fields = [line.split(":") for line in lines]
    x = [np.array([[float(v) for v in channel.split(",")] for channel in row[:-1]]).T for row in fields]
    return ax.Sequences.from_numpy(x, labels=[int(row[-1]) for row in fields])


def series(data: ax.Sequences) -> list[np.ndarray]:
    """The rows of every utterance."""
    return [x[:n] for x, n in zip(data.x, data.lengths, strict=True)]


def nearest(train: ax.Sequences, test: ax.Sequences) -> float:
    """One nearest neighbour, Euclidean, on all utterances stretched to one length."""

    def stretched(x):
        spots = np.linspace(0, len(x) - 1, GRID)
        return np.stack([np.interp(spots, np.arange(len(x)), column) for column in x.T]).ravel()

    known, asked = (np.array([stretched(x) for x in series(data)]) for data in (train, test))
    nearest = ((asked[:, None] - known) ** 2).sum(-1).argmin(1)
    return float((train.labels[nearest] == test.labels).mean())


def ridge(train: ax.Sequences, test: ax.Sequences, penalty: float = 1.0) -> float:
    """Ridge regression of the classes on mean, standard deviation, first and last value of every channel."""
    known, asked = (
        np.array([np.concatenate([x.mean(0), x.std(0), x[0], x[-1]]) for x in series(data)]) for data in (train, test)
    )
    centre, scale = known.mean(0), known.std(0)
    known, asked = (np.c_[(part - centre) / scale, np.ones(len(part))] for part in (known, asked))
    classes = np.eye(train.class_count)[train.labels]
    weights = np.linalg.solve(known.T @ known + penalty * np.eye(known.shape[1]), known.T @ classes)
    return float(((asked @ weights).argmax(1) == test.labels).mean())


def run(train: ax.Sequences, test: ax.Sequences, layer: str, seed: int) -> dict[str, Any]:
    """Test accuracy, seconds of processor time and number of weights."""
    started = time.process_time()
    model = ax.Autoregressive(
        train.obs_dim, body=layer, width=WIDTH, depth=DEPTH, class_count=train.class_count, key=jax.random.key(seed)
    )
    fitted = ax.fit(
        model, train, objective=ax.Elbo() + ax.Masked(ax.Classify(), HIDDEN), steps=STEPS, batch=BATCH, every=STEPS,
        learning_rate=3e-3, weight_decay=0.05, average=0.98, valid=None, seed=seed, progress=False,
    )  # fmt: skip
    seconds = time.process_time() - started
    weights = parameter_count((model.body, model.classifier))
    return {"accuracy": fitted.classify(test).accuracy, "seconds": seconds, "weights": weights}


def row(train: ax.Sequences, test: ax.Sequences, layer: str, seeds: int, kept: Path | None) -> str:
    """A line of the table; a layer that fails says so and does not stop the others."""
    try:
        runs = [once(kept, f"{layer} {seed}", partial(run, train, test, layer, seed)) for seed in range(seeds)]
    except Exception as error:
        return f"| {layer} | failed: {type(error).__name__} | {' '.join(str(error).split())[:120]} | - | - |"
    accuracy, seconds = ([one[key] for one in runs] for key in ("accuracy", "seconds"))
    by_seed = ", ".join(f"{a:.3f}" for a in accuracy)
    return f"| {layer} | {np.median(accuracy):.3f} | {by_seed} | {runs[0]['weights']:,} | {np.median(seconds):.0f} |"


def main() -> None:
    """Run all layers and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", nargs="+", default=sorted(ax.layers.NAMES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--kept", type=Path, help="a folder for what is finished, to go on from")
    parser.add_argument("--out")
    options = parser.parse_args()
    train, test = (read(data_folder(f"JapaneseVowels_{part}.ts")) for part in ("TRAIN", "TEST"))
    table = [
        "| body | test accuracy, median | by seed | weights | training, processor s |",
        "|---|---|---|---|---|",
        f"| 1 nearest neighbour, stretched to {GRID} rows | {nearest(train, test):.3f} | - | - | - |",
        f"| ridge on mean, deviation, first, last | {ridge(train, test):.3f} | - | - | - |",
    ]
    for layer in options.layers:
        table.append(row(train, test, layer, options.seeds, options.kept))
        print(table[-1], flush=True)
    note = f"Width {WIDTH}, depth {DEPTH}, {STEPS} steps of {BATCH} utterances, {HIDDEN:.0%} of the entries hidden."
    write_table("JapaneseVowels", __doc__, [*table, "", f"{note} {machine()}"], options.out)


if __name__ == "__main__":
    main()
