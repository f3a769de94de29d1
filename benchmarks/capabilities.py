"""What a layer can and cannot do: copying, recall and state tracking, at the length of training and beyond it.

One small body per layer and task: an embedding with a row that marks the beginning, two residual blocks around the
layer, a linear head. Trained on sequences of one length, judged on others of that length, twice and four times it. A
cell is the share of right answers in the last rows (as many as training had), above chance: 0 is guessing, 1 is every
answer right; for the adding problem it is 1 - MSE / variance. The median over the seeds, and in brackets the lowest and
highest.

S3 is asked in swaps of neighbours and the identity, which generate it. Asked in all six elements it is not learnt
within 500 steps by DeltaProduct (.21 at the length of training); one block of 4 heads without convolution reached
.76 / .60 / .58 after 750 steps. With hand-set weights it is exact over any length: tests/layers/test_deltaproduct.py.

    python benchmarks/capabilities.py [--layers lru gru] [--tasks parity] [--seeds 3] [--steps 1000] [--kept FOLDER]
        [--out benchmarks/capabilities.md]
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from finished import once
from setting import machine, write_table

import alternax as ax
from alternax.data import simulators
from alternax.data.simulators import Symbols

LENGTHS, DIM, DEPTH, BATCH, POOL, TESTED, DISPATCH = (16, 32, 64), 32, 2, 32, 16_384, 256, 250
VOCABULARY, ANSWERS = 20, 120  # of the largest task, so that a layer is compiled once for all tasks
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {  # beside the registered layers as they are
    "deltanet, negative": ("deltanet", {"negative": True}),
    "deltaproduct, 4 heads, no convolution": ("deltaproduct", {"head_dim": 8, "conv_width": 1}),
}

TASKS: dict[str, Callable[..., Symbols]] = {
    "copying": simulators.copying,
    "selective copying": simulators.selective_copying,
    "recall": simulators.associative_recall,
    "adding": simulators.adding,
    "parity": partial(simulators.word_problem, degree=2),
    "S3": partial(simulators.word_problem, degree=3, swaps=True),
    "S5": partial(simulators.word_problem, degree=5, swaps=True),
}

SHOWS = """What it shows. **State tracking** is as theory has it: at four times the training length parity and S3 are
kept by the nonlinear recurrences (GRU, LSTM, LEM, CfC: 1.00; LTC parity alone) and, less surely, by DeltaNet and
DeltaProduct with negative eigenvalues (.66 to .97); every other layer, however well it does at the length of training,
is back at guessing or not far from it (the most are S7's .34 in parity, one seed .90, and GateLoop's .26 in S3). S5 at
that length is held by the negative eigenvalues alone (.80 to .89; GRU .18). **Recall** with several queries wants a
matrix or a cache: MoM, DeltaNet, DeltaProduct and Longhorn have .86 to .96 there, attention .73, block-state .68,
LightNet .67, Mamba-2 .62, Mamba .37; GRU, LSTM and S7 never learn more than a third of it. **Selective copying** goes
on to that length in DeltaNet, DeltaProduct, GRU, LEM and MoM (.80 to 1.00), not in attention (.08) or in layers whose
dynamics no input changes (.14 at most). Copying by position carries over in none (.07 at most). **Adding** goes on in
DeltaNet, DeltaProduct and MoM (.92 to 1.00), attention, CfC and LightNet (.81 to .88); layers that sum what they see
without forgetting go astray (far below 0). LTC learns neither copying nor recall in these steps."""


class Rows(eqx.Module):
    """A task on the device."""

    inputs: jax.Array
    values: jax.Array
    targets: jax.Array
    scored: jax.Array


def drawn(task: str, length: int, series: int, seed: int) -> Rows:
    """Sequences of a task."""
    symbols = TASKS[task](length, series=series, seed=seed)
    return Rows(
        jnp.asarray(symbols.inputs, jnp.int32),
        jnp.asarray(symbols.values, jnp.float32),
        jnp.asarray(symbols.targets, jnp.float32),
        jnp.asarray(symbols.scored),
    )


class Body(eqx.Module):
    """Embedding, residual blocks, head."""

    embedding: jax.Array
    value_weight: jax.Array
    beginning: jax.Array
    stack: ax.layers.Stack
    head: eqx.nn.Linear

    def __init__(self, name: str, *, key: jax.Array):
        embedding_key, value_key, first_key, stack_key, head_key = jax.random.split(key, 5)
        self.embedding = jax.random.normal(embedding_key, (VOCABULARY, DIM))
        self.value_weight = jax.random.normal(value_key, (DIM,))
        self.beginning = jax.random.normal(first_key, (1, DIM))  # a row of its own before the first one
        name, options = VARIANTS.get(name, (name, {}))
        self.stack = ax.layers.stack(name, depth=DEPTH, dim=DIM, key=stack_key, **options)
        self.head = eqx.nn.Linear(DIM, ANSWERS, key=head_key)

    def __call__(self, inputs: jax.Array, values: jax.Array) -> jax.Array:
        x = self.embedding[inputs] + values[:, None] * self.value_weight
        return jax.vmap(self.head)(self.stack(jnp.concatenate([self.beginning, x]))[0][1:])


def errors(body: Body, rows: Rows, count: jax.Array) -> tuple[jax.Array, jax.Array]:
    """What is minimised and what is right, row by row; `count` 0 means that the answer is a number."""
    logits = jax.vmap(body)(rows.inputs, rows.values)
    squared = (logits[..., 0] - rows.targets) ** 2
    masked = jnp.where(jnp.arange(ANSWERS) < jnp.maximum(count, 1), logits, -1e9)
    wanted = rows.targets.astype(jnp.int32)
    entropy = optax.softmax_cross_entropy_with_integer_labels(masked, wanted)
    right = jnp.argmax(masked, axis=-1) == wanted
    return jnp.where(count == 0, squared, entropy), jnp.where(count == 0, squared, right)


def optimiser(steps: int) -> optax.GradientTransformation:
    """Adam with a warm-up and a cosine to zero."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, 3e-3, min(100, steps), steps)
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=0.0))


@eqx.filter_jit
def trained(bodies: Body, states, rows: Rows, count: jax.Array, first: jax.Array, steps: int):
    """`DISPATCH` steps of all seeds at once."""

    def one(body, state, seed):
        weights, rest = eqx.partition(body, eqx.is_inexact_array)

        def loss(weights, batch):
            error, _ = errors(eqx.combine(weights, rest), batch, count)
            return jnp.sum(jnp.where(batch.scored, error, 0.0)) / jnp.sum(batch.scored)

        def step(carry, index):
            weights, state = carry
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(7), seed), index)
            chosen = jax.random.randint(key, (BATCH,), 0, len(rows.inputs))
            gradient = jax.grad(loss)(weights, jax.tree.map(lambda v: v[chosen], rows))
            updates, state = optimiser(steps).update(gradient, state, weights)
            return (optax.apply_updates(weights, updates), state), None

        (weights, state), _ = jax.lax.scan(step, (weights, state), first + jnp.arange(DISPATCH))
        return eqx.combine(weights, rest), state

    seeds = jnp.arange(jax.tree.leaves(eqx.filter(bodies, eqx.is_array))[0].shape[0])
    return eqx.filter_vmap(one)(bodies, states, seeds)


@eqx.filter_jit
def judged(bodies: Body, rows: Rows, count: jax.Array) -> jax.Array:
    """Mean over the scored rows among the last ones, seed by seed."""
    late = rows.scored & (jnp.arange(rows.scored.shape[1]) >= rows.scored.shape[1] - LENGTHS[0])

    def one(body):
        return jnp.sum(jnp.where(late, errors(body, rows, count)[1], 0.0)) / jnp.sum(late)

    return eqx.filter_vmap(one)(bodies)


def run(name: str, task: str, seeds: int, steps: int) -> dict[str, Any]:
    """Scores above chance `(length, seed)` and the seconds of processor time they took."""
    started = time.process_time()
    example = TASKS[task](LENGTHS[0])
    count = jnp.asarray(example.target_count)
    bodies = eqx.filter_vmap(lambda key: Body(name, key=key))(jax.random.split(jax.random.key(0), seeds))
    states = eqx.filter_vmap(lambda body: optimiser(steps).init(eqx.filter(body, eqx.is_inexact_array)))(bodies)
    rows = drawn(task, LENGTHS[0], POOL, seed=1)
    for first in range(0, steps, DISPATCH):
        bodies, states = trained(bodies, states, rows, count, jnp.asarray(first), steps)
    scores = np.stack([judged(bodies, drawn(task, n, TESTED, seed=2), count) for n in LENGTHS])
    chance = 1 / max(example.target_count, 1)
    above = (scores - chance) / (1 - chance) if example.target_count else 1 - 6 * scores
    return {"scores": above.tolist(), "seconds": time.process_time() - started}


def cell(scores: list[float]) -> str:
    """Median and range over the seeds."""
    if len(scores) == 1:
        return f"{scores[0]:.2f}"
    return f"{np.median(scores):.2f} ({min(scores):.2f} to {max(scores):.2f})"


def main() -> None:
    """Train every layer on every task and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = sorted([*ax.layers.NAMES, *VARIANTS])
    parser.add_argument("--layers", nargs="+", choices=names, default=names)
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1000, help=f"a multiple of {DISPATCH}")
    parser.add_argument("--kept", type=Path, help="a folder for what is finished, to go on from")
    parser.add_argument("--out")
    options = parser.parse_args()
    if options.steps < 1 or options.steps % DISPATCH:
        parser.error(f"--steps must be a multiple of {DISPATCH}, found {options.steps}")
    tables = {task: [] for task in options.tasks}
    seconds = 0.0
    for name in options.layers:
        for task in options.tasks:
            make = partial(run, name, task, options.seeds, options.steps)
            found = once(options.kept, f"{name} {task} {options.seeds} {options.steps}", make)
            cells = [cell(scores) for scores in found["scores"]]
            tables[task].append(f"| {name} | {' | '.join(cells)} |")
            seconds += found["seconds"]
            print(f"{name}, {task}: {', '.join(cells)} in {found['seconds']:.0f} s", flush=True)
    lines = []
    for task, rows in tables.items():
        head = "| layer | " + " | ".join(f"length {n}" for n in LENGTHS) + " |"
        lines += [f"## {task}", "", head, "|---|" + "---|" * len(LENGTHS), *rows, ""]
    note = (
        f"{options.seeds} seeds, {options.steps} steps of {BATCH} sequences, width {DIM}, {DEPTH} blocks, trained at "
        f"length {LENGTHS[0]}; {seconds / 60:.0f} minutes of processor time in all. {machine()}"
    )
    write_table("What a layer can and cannot do", __doc__, [*lines, SHOWS, "", note], options.out)


if __name__ == "__main__":
    main()
