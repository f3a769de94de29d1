"""Runs on disk: everything comes back, forecasts go on alone, and what is broken says so."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from trained import days, small, trained, untrained, walk

import alternax as ax
from alternax.core.errors import InputError, ModelFileError

GOLDEN = Path(__file__).parent / "golden" / "v1" / "run"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "run"
    trained().save(folder)
    return folder


def leaves(fitted) -> list:
    tail = fitted.tail
    arrays = [getattr(tail, name) for name in ("x", "observed", "valid", "times", "controls", "targets", "static")]
    transform = list(fitted.transform.to_dict()[1].values())
    return [*jax.tree.leaves(fitted.model), *arrays, *(v for v in transform if isinstance(v, np.ndarray))]


def test_everything_comes_back_bit_for_bit(run):
    fitted, again = trained(), ax.load(run)
    assert jax.tree.structure(again.model) == jax.tree.structure(fitted.model)
    for a, b in zip(leaves(fitted), leaves(again), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    assert again.record == fitted.record and again.schema == fitted.schema and again.tail.schema == fitted.tail.schema
    assert again.tail.batched is True


def test_forecast_after_loading_is_the_same_bit_for_bit_and_needs_no_data(run):
    a, b = (fitted.forecast(horizon=4, samples=6) for fitted in (trained(), ax.load(run)))
    np.testing.assert_array_equal(a.samples, b.samples)
    np.testing.assert_array_equal(a.times, b.times)


@pytest.mark.parametrize("times", [None, 10 + 0.5 * np.arange(30), days(30)])
def test_times_of_every_kind_come_back_and_go_on(tmp_path, times):
    data = ax.Sequences.from_numpy(walk(30), times=times)
    untrained(small(), data).save(tmp_path / "run")
    again = ax.load(tmp_path / "run")
    assert again.tail.times.dtype == data.times.dtype and again.tail.batched is False
    np.testing.assert_array_equal(again.tail.future_times(3), data.future_times(3))
    assert again.schema == data.schema


@pytest.mark.parametrize(
    "transform", [ax.Identity(), ax.Scale(per="all"), ax.Chain([ax.SeasonalAnomaly("month"), ax.Scale()])]
)
def test_transforms_come_back(tmp_path, transform):
    data = ax.Sequences.from_numpy(walk(60), times=days(60))
    fitted = untrained(small(), data, transform.fit(data))
    fitted.save(tmp_path / "run")
    np.testing.assert_array_equal(ax.load(tmp_path / "run").transform.apply(data).x, fitted.transform.apply(data).x)


def test_saving_again_replaces_the_run(tmp_path, run):
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "notes.txt").write_text("mine")
    replace(trained(), record=replace(trained().record, seed=7)).save(tmp_path / "run")
    assert ax.load(tmp_path / "run").record.seed == 7
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


def edit(folder, change):
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


def cut(name):
    def damage(folder):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut("config.json"), r"config\.json is truncated or damaged"),
        (cut("model.safetensors"), r"model\.safetensors has \d+ bytes where \d+ were written: it is truncated"),
        (lambda f: (f / "model.safetensors").unlink(), r"model\.safetensors is missing"),
        (lambda f: (f / "config.json").unlink(), r"config\.json is missing.*expected a run saved by alternax"),
        (lambda f: shutil.rmtree(f), r"is not a folder; expected a run saved by alternax"),
        (
            lambda f: edit(f, lambda c: c.update(schema_version=99)),
            r"is of format version 99.*reads version 1: install",
        ),
        (lambda f: edit(f, lambda c: c.update(format="other")), r"was not written by alternax"),
        (
            lambda f: edit(f, lambda c: c["structure"].update({"$module": "os.path.Evil"})),
            r"unknown class 'os\.path\.Evil'",
        ),
        (lambda f: edit(f, lambda c: c["meta"].pop("record")), r"holds an Alternator and no run"),
        (
            lambda f: edit(f, lambda c: c["meta"]["record"].pop("seed")),
            r"does not describe a run \(TypeError: .*seed.*copy the folder again",
        ),
    ],
)
def test_what_is_no_whole_run_is_refused(tmp_path, run, damage, message):
    shutil.copytree(run, tmp_path / "run")
    damage(tmp_path / "run")
    with pytest.raises(ModelFileError, match=message):
        ax.load(tmp_path / "run")


def test_other_models_folders_are_no_runs(tmp_path):
    from alternax import files

    files.save(small(), {"note": "alone"}, tmp_path / "model")
    with pytest.raises(ModelFileError, match="holds an Alternator and no run: load a folder that Fitted.save wrote"):
        ax.load(tmp_path / "model")


def test_folder_that_cannot_be_written_is_named(tmp_path):
    # A path below a file, as no permission stops root.
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write the model folder .*file/run: .*choose another folder"):
        trained().save(tmp_path / "file" / "run")
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="papers exists and is not a model folder"):
        trained().save(tmp_path / "papers")
    assert (tmp_path / "papers" / "thesis.tex").read_text() == "years of work"


def test_golden_run_loads_and_forecasts_for_ever():
    """Written by the first version of the file format; never write it anew."""
    fitted = ax.load(GOLDEN)
    assert type(fitted.model).__name__ == "Alternator" and fitted.model.obs_dim == 2 and fitted.model.context is None
    assert fitted.schema.values == ("level", "flow") and fitted.record.stopped == "finished"
    np.testing.assert_array_equal(fitted.tail.times[0, -2:], days(40)[-2:])
    np.testing.assert_allclose(fitted.tail.x[0, -1], walk(40)[-1])
    forecast = fitted.forecast(horizon=3, samples=400)
    # Mean and spread of 4,000 paths when it was written; draws may change with jax, the law may not.
    recorded = json.loads((GOLDEN / "forecast.json").read_text())
    mean, std = np.array(recorded["mean"]), np.array(recorded["std"])
    assert np.abs((forecast.mean - mean) / (std / np.sqrt(400) * np.sqrt(1.1))).max() < 4
    assert np.abs(np.log(forecast.std / std)).max() < 4 * np.sqrt(1.1 / 800)
    np.testing.assert_array_equal(forecast.times[0], days(43)[40:])
