"""Mixed columns from data to answers: training, every task, saving, and the command line."""

import jax
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import alternax as ax
from alternax.cli.main import app

KINDS = {"sold": "count", "open": "binary", "shop": "category"}
ROWS = 120


def table(rows: int = ROWS) -> pd.DataFrame:
    """A cycle of twelve rows behind a count, a yes or no, a category and a number, with gaps."""
    rng, t = np.random.default_rng(0), np.arange(rows)
    wave = np.sin(2 * np.pi * t / 12)
    columns = {
        "t": t, "sold": rng.poisson(np.exp(3 + wave)), "open": wave > 0, "shop": 2 * (t // 4 % 3),
        "level": wave + 0.1 * rng.normal(size=rows),
    }  # fmt: skip
    frame = pd.DataFrame(columns).astype(float)
    return frame.mask(rng.random(frame.shape) < 0.05).assign(t=t)


@pytest.fixture(scope="module")
def fitted():
    data = ax.Sequences.from_frame(table(), time="t", kinds=KINDS)
    laws = ax.families.of(data, count=ax.families.Poisson())
    sizes = {"latent_dim": 4, "width": 16, "depth": 1, "ftn": "affine"}
    model = ax.Alternator(data.obs_dim, **sizes, noise=laws, key=jax.random.key(0))
    return ax.fit(model, data, steps=40, every=20, window=48, learning_rate=2e-2, valid=None)


def test_training_lowers_the_loss_and_answers_keep_to_the_kinds(fitted):
    first, last = fitted.record.train_loss
    assert last < first - 0.2
    keeps_to_the_kinds(fitted.forecast(horizon=6, samples=40).samples)
    shares = fitted.forecast(horizon=6, samples=40).probabilities("shop")
    np.testing.assert_allclose(sum(shares.values()), np.ones(6))
    assert all(share.shape == (6,) for share in shares.values())


def keeps_to_the_kinds(samples: np.ndarray) -> None:
    sold, open_, shop = (samples[..., i] for i in range(3))
    assert np.all(sold >= 0) and np.all(sold == np.rint(sold)) and len(np.unique(sold)) > 5
    assert set(np.unique(open_)) == {0, 1} and set(np.unique(shop)) <= {0, 2, 4}


@pytest.mark.slow
def test_gaps_are_filled_by_values_of_the_kinds(fitted):
    data = ax.Sequences.from_frame(table(), time="t", kinds=KINDS)
    keeps_to_the_kinds(fitted.impute(data, samples=10).samples)
    assert np.isfinite(fitted.log_prob(data, particles=16).value)


def test_a_category_unseen_in_training_is_read_and_warned_of(fitted, tmp_path):
    frame = table()
    frame.loc[ROWS - 1, "shop"] = 3.0
    data = ax.Sequences.from_frame(frame, time="t", kinds=KINDS)
    with pytest.warns(UserWarning, match=r"column 'shop' has 1 categories that were not there in training \(3\)"):
        assert np.isfinite(fitted.forecast(data, horizon=6, samples=40).samples).all()
    fitted.save(tmp_path / "run")
    again = ax.load(tmp_path / "run")
    assert again.model.noise.families == fitted.model.noise.families
    np.testing.assert_array_equal(
        again.forecast(horizon=6, samples=40).samples, fitted.forecast(horizon=6, samples=40).samples
    )


@pytest.mark.slow
def test_kinds_on_the_command_line(tmp_path):
    table().to_csv(tmp_path / "data.csv", index=False)
    options = ["--time", "t", "--steps", "2", "--layer", "affine", "--out", str(tmp_path / "run")]
    kinds = ",".join(f"{name}={kind}" for name, kind in KINDS.items())
    result = CliRunner().invoke(app, ["fit", str(tmp_path / "data.csv"), "--kinds", kinds, *options])
    assert result.exit_code == 0, result.output
    model = ax.load(tmp_path / "run").model
    assert [type(f).__name__ for f in model.noise.families] == [
        "NegativeBinomial",
        "Bernoulli",
        "Categorical",
        "Normal",
    ]


def test_kinds_that_cannot_be_read_are_refused(tmp_path):
    table().to_csv(tmp_path / "data.csv", index=False)
    run = ["fit", str(tmp_path / "data.csv"), "--out", str(tmp_path / "run"), "--time", "t", "--kinds"]
    for listed, message in (("sold", "expected NAME=WORD"), ("sold=counts", "Unknown kind 'counts'")):
        result = CliRunner().invoke(app, [*run, listed])
        assert result.exit_code == 2 and message in result.stderr
