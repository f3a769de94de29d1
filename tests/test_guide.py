"""The Python of the guide runs as it stands, with few training steps."""

import functools
import os
import re
from pathlib import Path

import numpy as np
import pytest

import alternax

GUIDE = Path(__file__).parents[1] / "docs" / "guide"


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (GUIDE / page).read_text(), re.DOTALL)


def run(code: str, monkeypatch: pytest.MonkeyPatch) -> dict:
    fit = alternax.fit
    few = lambda *a, **k: fit(*a, **(k | {"steps": 4, "every": 2, "batch": 4}))  # noqa: E731
    monkeypatch.setattr(alternax, "fit", functools.wraps(fit)(few))
    names: dict = {}
    exec(re.sub(r"^print\((.*)\)$", r"printed = (\1,)", code, flags=re.MULTILINE), names)
    return names


@pytest.mark.slow
def test_series_are_classified_and_forecast(monkeypatch):
    (code,) = blocks("models.md")
    names = run(code, monkeypatch)
    assert names["told"].probabilities.shape == (20, 2) and set(names["told"].predicted) <= {"fast", "slow"}
    assert names["printed"] == ((20, 5, 1),)
    assert np.isfinite(names["fitted"].record.valid_loss).all()


@pytest.mark.slow
def test_columns_of_any_kind(monkeypatch):
    (code,) = blocks("columns.md")
    names = run(code, monkeypatch)
    assert set(np.unique(names["ahead"].samples[..., 2])) <= {0, 1, 2} and names["ahead"].samples[..., 0].min() >= 0
    assert names["filled"].samples.shape == (20, 480, 4)


@pytest.mark.slow
@pytest.mark.skipif(
    not (Path(os.environ.get("ALTERNAX_DATA", "")) / "rat_wmaze.npz").is_file(),
    reason="set ALTERNAX_DATA to a folder that holds rat_wmaze.npz",
)
def test_a_rat_is_decoded_with_bands(monkeypatch):
    (code,) = blocks("decoding.md")
    names = run(code, monkeypatch)
    error, inside = names["printed"]
    assert 50 < error < 200 and np.all((inside > 0.6) & (inside < 1))
    assert names["test"].sum() == 3241 and names["decoded"].mean.shape == (21829, 2)


@pytest.mark.slow
def test_the_latent_is_filtered_and_smoothed(monkeypatch):
    (code,) = blocks("inference.md")
    names = run(code, monkeypatch)
    assert names["posterior"].method == names["smoothed"].method == "exact"
    assert names["low"].shape == (100, 4) and np.all(names["low"] < names["high"])
    assert names["printed"][0].standard_error == 0


@pytest.mark.slow
def test_a_field_round_a_continent(monkeypatch):
    (code,) = blocks("grids.md")
    names = run(code, monkeypatch)
    assert names["grid"].periodic and names["grid"].obs_dim == 5 * 12 - 2 * 3
    ahead = names["printed"][0]
    assert ahead.sizes["lat"] == 5 and np.isfinite(ahead).sum() == 20 * 4 * names["grid"].obs_dim


@pytest.mark.slow
def test_mixed_rates_and_series_that_begin_at_events(monkeypatch):
    names = run("\n".join(blocks("data.md")), monkeypatch)
    assert names["data"].obs_dim == 2 and names["ahead"].samples.shape[1:] == (40, 3, 1)
    assert np.isfinite(names["ahead"].samples).all()
