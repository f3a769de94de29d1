"""`alternax fit` broken off and gone on with: the same run as without the break, and nothing lost on the way."""

import shutil
import signal
import sys
import warnings
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from trained import days, walk
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "fit"))
from killed import Noisy

import alternax as ax
from alternax.cli.main import app
from alternax.fit.checkpoint import latest_step


def fit(folder, *options, out="run"):
    """With a small model and an objective that compiles quickly."""
    small = partial(ax.Alternator, width=4, otn="affine")
    arguments = ["fit", folder / "data.csv", "--out", folder / out, "--horizon", 2, "--layer", "affine", "--steps", 100]
    arguments = [str(argument) for argument in (*arguments, *options)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ax, "Alternator", small)
        for name in ("Elbo", "RolloutScore"):
            patch.setattr(ax, name, lambda *_, **__: Noisy())
        patch.setattr(sys, "argv", ["/usr/bin/alternax", *arguments])
        return CliRunner().invoke(app, arguments)


@contextmanager
def ctrl_c(monkeypatch):
    @contextmanager
    def bar(steps, shown, first):
        yield lambda step, loss, valid: signal.raise_signal(signal.SIGINT) if step == 50 else None

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["alternax.fit.fit"], "progress_bar", bar)
        yield


@pytest.fixture
def folder(tmp_path):
    frame = pd.DataFrame(walk(60), columns=["level", "flow"])
    frame.insert(0, "day", days(60))
    frame.to_csv(tmp_path / "data.csv", index=False)
    return tmp_path


def refused(result, message):
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.stderr.split()), result.stderr


def test_fit_broken_off_goes_on_to_the_same_run(folder, monkeypatch):
    whole = fit(folder, out="whole")
    assert whole.exit_code == 0, whole.output
    assert sorted(path.name for path in folder.iterdir()) == ["data.csv", "whole"]
    with ctrl_c(monkeypatch):
        broken = fit(folder)
    assert broken.exit_code == 130, broken.output
    place = folder / "run.checkpoints"
    assert f"interrupted at step 50; checkpoints are in {place}. To go on:" in broken.stderr
    assert broken.stderr.rstrip().endswith("--steps 100 --resume") and f"\n  alternax fit {folder}" in broken.stderr
    assert "warning" not in broken.stderr and "50 steps in" in broken.stdout
    assert ax.load(folder / "run").record.stopped == "interrupted"

    refused(fit(folder), f"{place} holds a training that was broken off after step 50: add --resume to go on with it")
    refused(fit(folder, "--resume", "--seed", 1), "of another run: another model")
    assert latest_step(place) == 50

    again = fit(folder, "--resume")
    assert again.exit_code == 0, again.output
    assert f"going on from step 50 in {place}" in again.stderr and not place.exists()
    one, other = ax.load(folder / "run"), ax.load(folder / "whole")
    for a, b in zip(jax.tree.leaves(one.model), jax.tree.leaves(other.model), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
    assert one.record.valid_loss == other.record.valid_loss and one.record.stopped == other.record.stopped
    refused(fit(folder, "--resume"), "run is complete, and there are no checkpoints to go on from")


def test_a_run_that_cannot_be_saved_keeps_its_checkpoints(folder, monkeypatch):
    """And the next call does not train again."""

    def full(self, folder):
        raise ax.InputError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(ax.Fitted, "save", full)
        refused(fit(folder), "no space left")
    assert latest_step(folder / "run.checkpoints") == 100
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["alternax.fit.train"], "_dispatch", lambda *_: pytest.fail("trained again"))
        result = fit(folder, "--resume")
    assert result.exit_code == 0, result.output
    assert "100 steps in" in result.stdout and not (folder / "run.checkpoints").exists()


def test_warnings_are_one_line_each(folder, monkeypatch):
    """A damaged checkpoint is named, and training goes on from the one before."""
    with ctrl_c(monkeypatch):
        fit(folder)
    shutil.rmtree(folder / "run.checkpoints" / "checkpoint_50" / "arrays")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        result = fit(folder, "--resume")
    assert result.exit_code == 0, result.output
    said = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert len(said) == 1 and said[0].endswith("It is removed; training goes on from step 0.")
