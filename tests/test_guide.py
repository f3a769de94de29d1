"""The Python of the guide runs as it stands, with few training steps."""

import functools
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
