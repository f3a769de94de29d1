"""Double precision from the command line: asked for once, when a run is made."""

import jax
import numpy as np
import pandas as pd
from trained import days, untrained, walk
from typer.testing import CliRunner

import alternax as ax
from alternax.cli.main import app
from alternax.core.precision import precision_of


def call(*words) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_run_made_in_double_precision_is_used_in_it_without_another_word(tmp_path, monkeypatch):
    pd.DataFrame({"day": days(30), "level": walk(30)[:, 0]}).to_csv(tmp_path / "data.csv", index=False)
    made: list[ax.Fitted] = []

    def fit(model, data, **settings):
        assert jax.config.read("jax_enable_x64")
        made.append(untrained(model, data, ax.Scale().fit(data)))
        return made[0]

    monkeypatch.setattr(ax, "fit", fit)
    words = ("--model", "autoregressive", "--layer", "affine", "--float64")
    call("fit", tmp_path / "data.csv", "--out", tmp_path / "run", *words)
    assert precision_of(made[0].model) == "float64" and not jax.config.read("jax_enable_x64")

    out = tmp_path / "forecast.csv"
    call("forecast", tmp_path / "run", "--horizon", 2, "--samples", 3, "--out", out)
    written = pd.read_csv(out)["mean"]
    np.testing.assert_allclose(written, made[0].forecast(horizon=2, samples=3).mean[:, 0], rtol=1e-12)
