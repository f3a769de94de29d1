"""Runs on disk: everything comes back, forecasts go on alone, and what is broken says so."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from trained import days, small, trained, untrained, walk

import alternax as ax
from alternax import files
from alternax.core.errors import InputError, ModelFileError
from alternax.files.config import digest

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
    """Alter the config and make its checksum fit, so that what lies behind it is reached."""
    config = json.loads((folder / "config.json").read_text())
    change(config)
    config["config_sha256"] = digest(config)
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
            r"is of format version 99.*reads versions 1 and 2: install",
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


def shaped(make):
    """A model built without computing its weights, which are random bits instead."""
    rng = np.random.default_rng(0)
    draw = lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), leaf.dtype)  # noqa: E731
    return jax.tree.map(lambda x: draw(x) if isinstance(x, jax.ShapeDtypeStruct) else x, eqx.filter_eval_shape(make))


parts = {
    "width": st.integers(2, 4),
    "depth": st.integers(1, 2),
    "residual": st.sampled_from(["change", "carry", None]),
    "context": st.none() | st.integers(1, 5),
    "flow": st.sampled_from([None, "decay"]),
    "target_dim": st.integers(0, 2),
    "rank": st.just(1),
}
bodies = st.sampled_from(["lru", "gru", "lstm", "mlp", "affine", "s5", "mamba"])
alternators = st.fixed_dictionaries(
    parts
    | {"ftn": bodies, "otn": bodies, "latent_dim": st.integers(2, 3), "decode": st.sampled_from(["latent", "head"])}
    | {"noise": st.sampled_from(["state", "student", "learned", "lowrank", "paper"])}
    | {"alpha": st.sampled_from(["multiscale", "learned", 0.5])}
)
autoregressive = st.fixed_dictionaries(
    parts
    | {"body": bodies, "class_count": st.sampled_from([0, 2]), "pool": st.sampled_from(["mean", "last"])}
    | {"law": st.sampled_from(["normal", "student", "constant", "lowrank"]), "head": st.sampled_from(["mlp", "affine"])}
)


@settings(suppress_health_check=[HealthCheck.too_slow], phases=[Phase.explicit, Phase.generate])
@given(st.tuples(st.just(ax.Alternator), alternators) | st.tuples(st.just(ax.Autoregressive), autoregressive))
def test_any_model_comes_back_bit_for_bit(tmp_path_factory, made):
    kind, options = made
    model = shaped(lambda: kind(2, **options, key=jax.random.key(0)))
    folder = tmp_path_factory.mktemp("model") / "run"
    targets = np.zeros((2, 9, options["target_dim"])) if options["target_dim"] else None
    labels = ["calm", "wild"] if options.get("class_count") else None
    untrained(model, ax.Sequences.from_numpy([walk(9)] * 2, targets=targets, labels=labels)).save(folder)
    once = (folder / "config.json").read_bytes(), (folder / "model.safetensors").read_bytes()
    again = ax.load(folder)
    assert jax.tree.structure(again.model) == jax.tree.structure(model)
    arrays = (jax.tree.leaves(eqx.filter(m, eqx.is_array)) for m in (model, again.model))
    for a, b in zip(*arrays, strict=True):
        assert a.dtype == b.dtype and np.asarray(a).tobytes() == np.asarray(b).tobytes()
    again.save(folder)
    assert ((folder / "config.json").read_bytes(), (folder / "model.safetensors").read_bytes()) == once


def test_scores_are_kept_with_the_run_and_readable_in_its_config(tmp_path):
    fitted = untrained(small(), ax.Sequences.from_numpy(walk(30))).with_metrics(
        {"crps, day 1": 0.25}, rmse=np.float32(2)
    )
    fitted = fitted.with_metrics(rmse=0.5, worst=float("inf"))
    fitted.save(tmp_path / "run")
    assert ax.load(tmp_path / "run").metrics == {"crps, day 1": 0.25, "rmse": 0.5, "worst": float("inf")}
    assert json.loads((tmp_path / "run" / "config.json").read_text())["meta"]["metrics"]["rmse"] == 0.5
    assert fitted.with_model(small()).metrics == {}
    for scores in ({"crps": "0.5"}, {1: 0.5}, {"ok": True}, {"crps": None}):
        with pytest.raises(InputError, match="metrics: expected names with a number each, found"):
            fitted.with_metrics(scores)


def test_best_validation_loss_is_a_metric_of_the_run():
    assert trained().metrics == {"valid_loss": min(trained().record.valid_loss)}


def test_dates_stand_as_dates_in_the_file(tmp_path):
    untrained(small(), ax.Sequences.from_numpy(walk(30), times=days(30))).save(tmp_path / "run")
    config, arrays = files.read(tmp_path / "run")
    assert config["meta"]["tail"]["times"]["dtype"] == "datetime64[ns]"
    np.testing.assert_array_equal(arrays["run.meta.tail.times"], days(30)[None])


def two_series(folder, change):
    untrained(small(), ax.Sequences.from_numpy([walk(9), walk(7)])).save(folder)
    model, meta = files.load(folder)
    change(meta)
    files.save(model, meta, folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["schema"].update(values=["a"]), r"tail\.x must be floating \(2, 9, 1\), is float64 \(2, 9, 2\)"),
        (lambda m: m["schema"].update(values="ab"), "Schema.values cannot be 'ab'"),
        (lambda m: m["schema"].update(layout="square"), "Schema.layout cannot be 'square'"),
        (lambda m: m["schema"].update(time_kind="datetime"), r"tail\.times must be datetime64"),
        (lambda m: m["tail"]["schema"].update(step=[1]), r"Schema.step cannot be \(1,\)"),
        (lambda m: m["record"].update(checked_at={}), "record has an entry of another kind"),
        (lambda m: m["tail"].update(valid=None), "tail.valid must be bool.* is NoneType"),
        (lambda m: m["tail"].update(batched=1), "tail.batched must be true or false, is 1"),
        (lambda m: m["metrics"].update(crps="good"), "metrics.crps must be a number, is 'good'"),
        (lambda m: m["transform"][1].update(more=np.ones(2)), "transform has the arrays of another transform"),
        (lambda m: m["target_transform"][0].update(transform="Fourier"), "unknown transform 'Fourier'"),
    ],
)
def test_parts_that_are_not_of_one_run_are_refused(tmp_path, change, message):
    two_series(tmp_path / "run", change)
    with pytest.raises(ModelFileError, match=rf"does not describe a run \(\w+: .*{message}"):
        ax.load(tmp_path / "run")


def test_model_of_other_widths_than_its_schema_is_refused(tmp_path):
    fitted = untrained(small(), ax.Sequences.from_numpy(walk(9)))
    for model, message in (
        (shaped(lambda: small(3)), "the model's obs_dim is 3, the schema's 2"),
        (shaped(lambda: small(control_dim=1)), "the model's control_dim is 1, the schema's 0"),
        (shaped(lambda: small(target_dim=1)), "the model's target_dim is 1, the schema's 0"),
    ):
        fitted.with_model(model).save(tmp_path / "run")
        with pytest.raises(ModelFileError, match=message):
            ax.load(tmp_path / "run")


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


GOLDEN_2 = GOLDEN.parents[1] / "v2"
RUNS_2 = sorted(folder.name for folder in GOLDEN_2.iterdir() if (folder / "answers.json").is_file())


def test_golden_runs_of_version_2_are_all_there_and_small():
    assert len(RUNS_2) == 7
    assert sum(path.stat().st_size for path in GOLDEN_2.rglob("*") if path.is_file()) < 300_000


@pytest.mark.parametrize("name", RUNS_2)
def test_golden_run_of_version_2_loads_and_answers_the_same_for_ever(name):
    """Written by `golden/v2/write.py`; never write it anew."""
    fitted, recorded = ax.load(GOLDEN_2 / name), json.loads((GOLDEN_2 / name / "answers.json").read_text())
    assert fitted.record.valid_loss == (1.5, 1.25) and fitted.record.note == "golden"
    assert fitted.metrics == {"valid_loss": 1.25, "crps, 2 days ahead": 0.5}
    found = {"filtered": fitted.filter(fitted.tail).mean[..., -1, :]}
    if "decoded" in recorded:
        found["decoded"] = fitted.decode(fitted.tail).mean[..., -1, :]
    if "classified" in recorded:
        found["classified"] = fitted.classify(fitted.tail).probabilities
    for kind, value in found.items():
        np.testing.assert_allclose(value, recorded[kind], rtol=1e-4, atol=1e-5)


# Compiling a forecast takes seconds.
@pytest.mark.parametrize(
    "name",
    [
        name if "_affine" in name or "_classes" in name else pytest.param(name, marks=pytest.mark.slow)
        for name in RUNS_2
    ],
)
def test_golden_run_of_version_2_forecasts_the_same_law_for_ever(name):
    fitted, recorded = ax.load(GOLDEN_2 / name), json.loads((GOLDEN_2 / name / "answers.json").read_text())
    forecast = fitted.forecast(horizon=2, samples=200)
    # Mean and spread of 4,000 paths when it was written; draws may change with jax, the law may not.
    mean, std = np.array(recorded["forecast_mean"]), np.array(recorded["forecast_std"])
    assert np.abs((forecast.mean - mean) / (std * np.sqrt(1 / 200 + 1 / 4000))).max() < 4.5
    assert np.abs(np.log(forecast.std / std)).max() < (0.5 if "student" in fitted.model.noise.kind else 0.25)
