"""The command from a CSV file to scores, and what it says to a user's mistakes."""

import shutil
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import jax
import numpy as np
import pandas as pd
import pytest
from trained import days, untrained, walk
from typer.testing import CliRunner

import alternax as ax
from alternax.cli import verbs
from alternax.cli.door import as_options
from alternax.cli.main import app
from alternax.version import __version__

ROWS = 60


def table() -> pd.DataFrame:
    frame = pd.DataFrame(walk(ROWS + 10), columns=["level", "flow"])
    frame.insert(0, "day", days(ROWS + 10))
    frame.loc[20:22, "flow"] = np.nan
    return frame


def call(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Tables, and a run that the command itself has fitted, with small networks so that it compiles quickly."""
    folder = tmp_path_factory.mktemp("cli")
    table().iloc[:ROWS].to_csv(folder / "train.csv", index=False)
    table().to_csv(folder / "all.csv", index=False)
    small = partial(ax.Alternator, width=4, otn="affine", noise="learned")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ax, "Alternator", small)
        options = ("--layer", "affine", "--latent-dim", 3, "--steps", 4, "--horizon", 2, "--out", folder / "run")
        result = call("fit", folder / "train.csv", *options)
    assert result.exit_code == 0, result.output
    assert "4 steps in" in result.stdout and f"saved to {folder / 'run'}" in result.stdout
    assert "1 series of 60 rows" in result.stderr
    return folder


def test_fit_saves_a_run_of_the_training_data(folder):
    fitted = ax.load(folder / "run")
    assert fitted.schema.values == ("level", "flow") and fitted.schema.time_name == "day"
    assert fitted.schema.calendar == ("weekday", "day_of_year")
    assert fitted.record.steps == 4 and fitted.model.latent_dim == 3
    assert int((~fitted.tail.observed).sum()) == 3


@pytest.mark.slow
def test_fit_takes_another_model_around_another_layer(folder, monkeypatch):
    monkeypatch.setattr(ax, "Autoregressive", partial(ax.Autoregressive, width=4, depth=1))
    options = ("--model", "autoregressive", "--layer", "gru", "--steps", 2, "--horizon", 2, "--out", folder / "other")
    result = call("fit", folder / "train.csv", *options)
    assert result.exit_code == 0, result.output
    model = ax.load(folder / "other").model
    assert type(model).__name__ == "Autoregressive" and type(model.body.layer.layers[0].layer).__name__ == "GRU"
    assert "Autoregressive" in call("info", folder / "other").stdout


@pytest.mark.slow
def test_fit_takes_the_alternator_with_noise_models(folder, monkeypatch):
    small = partial(ax.AlternatorPlusPlus, width=4, depth=1, otn="affine", noise="learned")
    monkeypatch.setattr(ax, "AlternatorPlusPlus", small)
    options = ("--model", "alternator++", "--layer", "affine", "--latent-dim", 3, "--steps", 2, "--horizon", 2)
    result = call("fit", folder / "train.csv", *options, "--out", folder / "plus")
    assert result.exit_code == 0, result.output
    assert ax.load(folder / "plus").model.latent_dim == 3
    assert "AlternatorPlusPlus" in call("info", folder / "plus").stdout
    out = folder / "plus.csv"
    assert call("forecast", folder / "plus", "--horizon", 2, "--samples", 5, "--out", out).exit_code == 0
    assert np.isfinite(pd.read_csv(out)["mean"]).all()


def test_forecast_needs_the_run_alone(folder):
    out = folder / "new" / "forecast.csv"
    result = call("forecast", folder / "run", "--horizon", 2, "--samples", 20, "--out", out)
    assert result.exit_code == 0, result.output
    assert f"4 rows written to {out}" in result.stdout
    found = pd.read_csv(out)
    assert list(found) == ["day", "feature", "mean", "q0.05", "q0.5", "q0.95"]
    assert found["day"].tolist() == ["2024-03-01", "2024-03-01", "2024-03-02", "2024-03-02"]
    want = ax.load(folder / "run").forecast(horizon=2, samples=20)
    np.testing.assert_allclose(found["mean"].to_numpy().reshape(2, 2), want.mean, rtol=1e-6)


def test_impute_fills_the_gaps_and_leaves_the_rest(folder):
    result = call("impute", folder / "run", folder / "all.csv", "--samples", 4, "--out", folder / "filled.csv")
    assert result.exit_code == 0, result.output
    filled, given = pd.read_csv(folder / "filled.csv"), table()
    assert list(filled) == list(given)
    assert filled.notna().all().all()
    known = given[["level", "flow"]].notna().to_numpy()
    np.testing.assert_allclose(filled[["level", "flow"]].to_numpy()[known], given[["level", "flow"]].to_numpy()[known])


def test_backtest_prints_and_writes_scores_after_training(folder):
    options = ("--horizon", 2, "--stride", 4, "--samples", 10, "--out", folder / "scores.csv")
    result = call("backtest", folder / "run", folder / "all.csv", *options)
    assert result.exit_code == 0, result.output
    scores = pd.read_csv(folder / "scores.csv")
    assert scores["lead"].tolist() == [1, 2]
    assert {"rmse", "mae", "crps", "ssr", "coverage90"} <= set(scores)
    assert f"{scores['rmse'][0]:.4f}" in result.stdout
    dated = call("backtest", folder / "run", folder / "all.csv", *options, "--start", "2024-03-01")
    assert dated.stdout == result.stdout


def test_info_says_what_a_run_holds(folder):
    result = call("info", folder / "run")
    assert result.exit_code == 0
    for part in ("Alternator", "level, flow (2)", "weekday, day_of_year", "step       D", "4 steps", "metrics    none"):
        assert part in result.stdout
    ax.load(folder / "run").with_metrics({"crps, 2 ahead": 0.25}, rmse=1.0).save(folder / "scored")
    assert "metrics    crps, 2 ahead 0.25, rmse 1\n" in call("info", folder / "scored").stdout


def test_controls_of_the_rows_ahead_come_from_a_file(folder, monkeypatch):
    frame = table().iloc[:ROWS].rename(columns={"flow": "rain"}).fillna(0.0)
    data = ax.Sequences.from_frame(frame, controls="rain")
    model = ax.Alternator(1, latent_dim=2, control_dim=1, ftn="affine", otn="affine", key=jax.random.key(0))
    untrained(model, data).save(folder / "driven")
    seen = []
    monkeypatch.setattr(ax.Fitted, "forecast", lambda self, *a, **k: seen.append(k["controls"]) or 1 / 0)
    future = folder / "future.csv"
    future.write_text("day,rain\n2024-03-01,1\n2024-03-02,2\n")
    with pytest.raises(ZeroDivisionError):
        CliRunner().invoke(
            app, ["forecast", str(folder / "driven"), "--horizon", "2", "--future", str(future)], catch_exceptions=False
        )
    np.testing.assert_array_equal(data.future_controls(2, controls=seen[0]), [[[1], [2]]])
    monkeypatch.undo()
    for text, message in (
        ("day,snow\n2024-03-01,1\n", "lacks the control 'rain': it needs the columns rain"),
        ("", "is empty"),
        ("day,rain\n2024-03-01,1\n", "no row for series '0' at future time 2024-03-02"),
        ("day,rain\n2024-03-01,1\n2024-03-02,wet\n", "Column 'rain', row 1: expected a number, found 'wet'"),
    ):
        future.write_text(text)
        assert_refused(
            message, "forecast", folder / "driven", "--horizon", 2, "--future", future, "--out", folder / "driven.csv"
        )


def long(ids):
    values = walk(6, columns=1)[:, 0]
    return pd.DataFrame({"shop": np.repeat(ids, 3), "day": np.tile(days(3), 2), "y": values, "price": values.round()})


def asked_of(trained_on, folder, monkeypatch, **files):
    """What `alternax forecast` hands to a run of these data: other data, and controls."""
    seen = []
    run = SimpleNamespace(
        schema=trained_on.schema, forecast=lambda *a, controls, **k: seen.extend([*a, controls]) or 1 / 0
    )
    monkeypatch.setattr(verbs, "_load", lambda path: run)
    with pytest.raises(ZeroDivisionError):
        verbs.forecast(
            folder, folder / "out.csv", **{"data": None, "future": None, "horizon": 1, "samples": 1, "seed": 0} | files
        )
    return seen


@pytest.mark.parametrize(
    ("data", "text", "ids"),
    [
        (lambda: ax.Sequences.from_numpy(walk(6).reshape(2, 3, 2)), None, ("0", "1")),
        (lambda: ax.Sequences.from_numpy(walk(6).reshape(2, 3, 2), times=[days(3)] * 2), None, ("0", "1")),
        (lambda: ax.Sequences.from_numpy(walk(3)[None]), None, ("0",)),
        (lambda: ax.Sequences.from_numpy(walk(3), times=days(3)), None, ("0",)),
        (lambda: ax.Sequences.from_frame(long(["007", "7"]), id="shop"), None, ("007", "7")),
        (
            lambda: ax.Sequences.from_frame(long([3, 1]), id="shop"),
            "shop,day,y,price\n3,2024-01-01,1,2\nA,2024-01-01,2,1\n",
            (3, "A"),
        ),
    ],
    ids=["rows", "dates", "several of one", "one", "texts", "numbers"],
)
def test_series_of_a_file_are_those_of_the_run(tmp_path, monkeypatch, data, text, ids):
    """Regression: arrays of several series could not be read back from a file, and their names became numbers."""
    data, file = data(), tmp_path / "data.csv"
    file.write_text(text) if text else data.to_frame().to_csv(file, index=False)
    read = asked_of(data, tmp_path, monkeypatch, data=file)[0].like(data.schema)
    assert read.schema.ids == ids
    if text is None:
        np.testing.assert_array_equal(read.x, data.x)
        np.testing.assert_array_equal(read.times, data.times)


def test_controls_ahead_are_matched_to_series_whose_names_read_as_numbers(tmp_path, monkeypatch):
    data = ax.Sequences.from_frame(long(["007", "7"]), id="shop", controls="price")
    (tmp_path / "future.csv").write_text("shop,day,price\n7,2024-01-04,1\n007,2024-01-04,2\n")
    controls = asked_of(data, tmp_path, monkeypatch, future=tmp_path / "future.csv")[1]
    np.testing.assert_array_equal(data.future_controls(1, controls=controls), [[[2]], [[1]]])


def assert_refused(message, *arguments):
    result = call(*arguments)
    assert result.exit_code == 2, result.output
    *before, line = result.stderr.strip().splitlines()
    assert all(note.startswith("data: ") for note in before)
    assert line.startswith("error: ")
    assert message in line


GOOD = "day,a,b\n2024-01-01,1,2\n2024-01-02,3,4\n"


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (None, (), "No such file"),
        ("", (), "is empty: expected a header and at least one row"),
        ("day,a,b\n", (), "has a header but no rows"),
        ("day,a,b\n2024-01-01,1,2\n2024-01-02,x,4\n", (), "Column 'a', row 1: expected a number, found 'x'"),
        ("day,a,b\n2024-01-01,1,2\n2024-01-02,inf,4\n", (), "found inf"),
        ("day,a,b\n2024-01-01,1,\n2024-01-02,3,\n", (), "'b'"),
        ("day,a,b\n2024-01-01,1,2\n2024-01-01,3,4\n", (), "2024-01-01"),
        ("day,a,b\n2024-01-02,1,2\n2024-01-01,3,4\n", (), "2024-01-01"),
        ("day,a,b\n2024-01-01,1,2\n2024-01-02,3,4,5,6\n", (), "not a table of equally long rows"),
        ("a,b\n1,2\n", (), "No time column found"),
        (GOOD, ("--values", "c"), "'c'"),
        (GOOD, ("--time", "when"), "'when'"),
        (GOOD, ("--controls", "a,z"), "'z'"),
        (GOOD, ("--horizon", 0), "--horizon must be at least 1; found 0"),
        (GOOD, ("--horizon", 5), "the context and the objective's horizon, 6 rows; found 2 (series 0 has 2 rows)"),
        (GOOD, ("--horizon", 1, "--steps", 0), "steps must be an integer of at least 1; found 0"),
        (GOOD, ("--latent-dim", 0), "latent_dim must be an integer of at least 1; found 0"),
        (GOOD, ("--model", "oracle"), "oracle is not known: choose one of alternator, alternator++, autoregressive"),
        (GOOD, ("--layer", "s9", "--horizon", 1), "unknown kind 's9'; choose affine, mlp"),
        (GOOD, ("--model", "autoregressive", "--latent-dim", 4), "--latent-dim is the alternator's"),
    ],
)
def test_fit_refuses_what_it_cannot_use_in_one_line(tmp_path, text, options, message):
    data = tmp_path / "data.csv"
    if text is not None:
        data.write_text(text)
    assert_refused(message, "fit", data, "--out", tmp_path / "run", *options)
    assert not (tmp_path / "run").exists()


def test_output_that_cannot_be_written_is_refused_before_the_work(tmp_path, folder):
    """Regression: a folder of other files was refused only after training."""
    (tmp_path / "file").write_text("")
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.tex").write_text("")
    missing = tmp_path / "missing.csv"
    below = tmp_path / "file" / "below"
    assert_refused("cannot write to", "fit", missing, "--out", below / "run")
    assert_refused("papers exists and is not a model folder", "fit", missing, "--out", tmp_path / "papers")
    assert_refused("file exists and is not a model folder", "fit", missing, "--out", tmp_path / "file")
    for verb in (
        ("forecast", folder / "run"),
        ("impute", folder / "run", missing),
        ("backtest", folder / "run", missing),
    ):
        assert_refused("cannot write to", *verb, "--out", below / "out.csv")
        assert_refused("papers is a folder: give the name of a file", *verb, "--out", tmp_path / "papers")


def test_nothing_is_written_over_that_would_be_lost(folder, tmp_path):
    run, data = folder / "run", tmp_path / "data.csv"
    shutil.copy(folder / "all.csv", data)
    kept = data.read_bytes()
    for verb in (
        ("impute", run, data),
        ("backtest", run, data),
        ("forecast", run, "--data", data),
        ("report", run, data),
    ):
        assert_refused("is the file that is read: it would be lost", *verb, "--out", data)
    assert_refused("not one with the columns feature, mean: it would be lost", "forecast", run, "--out", data)
    assert_refused("a file, and no HTML page", "report", run, folder / "all.csv", "--out", data)
    assert data.read_bytes() == kept
    assert_refused("holds a run already: add --replace", "fit", folder / "train.csv", "--out", run)
    own = tmp_path / "forecast.csv"
    for _ in range(2):  # its own file it replaces
        assert call("forecast", run, "--horizon", 2, "--samples", 4, "--out", own).exit_code == 0


def test_what_a_result_leaves_out_or_rests_on_is_said(folder, tmp_path):
    run, wide = folder / "run", tmp_path / "wide.csv"
    table().assign(price=1.0, note="a").to_csv(wide, index=False)
    filled = call("impute", run, wide, "--samples", 2, "--out", tmp_path / "filled.csv")
    assert filled.exit_code == 0 and "does not model are left out: price, note" in filled.stderr
    options = ("--horizon", 2, "--samples", 4)
    known = call("backtest", run, folder / "all.csv", *options, "--start", "2024-02-28")
    assert known.exit_code == 0 and "warning: 2 of 11 origins lie in rows that WERE PART OF TRAINING" in known.stderr
    assert "PART OF TRAINING" not in call("backtest", run, folder / "all.csv", *options).stderr


def test_messages_name_options_as_the_command_does():
    assert as_options("name it with time= or latent_dim=3") == "name it with --time= or --latent-dim=3"
    assert as_options("row 'time=3', --id=a, x.steps=2, a==b") == "row 'time=3', --id=a, x.steps=2, a==b"


@pytest.mark.parametrize("verb", ["forecast", "impute", "backtest", "info"])
def test_run_folders_that_are_missing_or_truncated_are_refused(tmp_path, folder, verb):
    data = (folder / "all.csv",) if verb in ("impute", "backtest") else ()
    assert_refused("is not a folder; expected a run saved by alternax", verb, tmp_path / "none", *data)
    shutil.copytree(folder / "run", tmp_path / "run")
    tensors = tmp_path / "run" / "model.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:100])
    assert_refused("it is truncated or of another run; copy the folder again", verb, tmp_path / "run", *data)


@pytest.mark.parametrize(
    ("verb", "message"),
    [
        (("forecast", "--horizon", 0), "horizon must be an integer of at least 1; found 0"),
        (("forecast", "--samples", 0), "samples must be an integer of at least 1; found 0"),
        (("forecast", "--data", "nowhere.csv"), "No such file: nowhere.csv"),
        (("impute", "nowhere.csv"), "No such file: nowhere.csv"),
        (("backtest", "all.csv", "--horizon", 0), "horizon must be an integer of at least 1; found 0"),
        (("backtest", "train.csv"), "no origin to test from: the first is row 60, the data have 60 rows"),
        (("backtest", "all.csv", "--start", "soon"), "Cannot read 'soon' as a time stamp"),
        (("impute", "narrow.csv"), "'flow'"),
    ],
)
def test_other_verbs_refuse_what_they_cannot_use_in_one_line(folder, tmp_path, verb, message, monkeypatch):
    monkeypatch.chdir(folder)
    table()[["day", "level"]].to_csv("narrow.csv", index=False)
    name, *rest = verb
    assert_refused(message, name, "run", *rest, "--out", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_help_imports_nothing_heavy():
    command = [sys.executable, "-X", "importtime", "-c", "from alternax.cli.main import app; app()", "--help"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    for verb in ("demo", "fit", "forecast", "impute", "backtest", "info"):
        assert verb in result.stdout
    imported = {line.rsplit("|", 1)[-1].strip() for line in result.stderr.splitlines()}
    assert "typer" in imported
    assert not imported & {"jax", "numpy", "pandas", "equinox", "matplotlib", "xarray", "alternax.fit"}


def test_version_is_printed():
    assert call("--version").stdout.strip() == __version__
