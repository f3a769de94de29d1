"""The README's Python runs as it stands, on a small table, with a small model and few training steps."""

import functools
import re
from pathlib import Path

import numpy as np
import pandas as pd

import alternax

README = Path(__file__).parents[1] / "README.md"


def test_the_ten_lines_of_python_run(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    wave = np.sin(np.arange(120) / 4)[:, None] + 0.1 * rng.normal(size=(120, 2))
    frame = pd.DataFrame({"day": pd.date_range("2023-01-01", periods=120), "a": wave[:, 0], "b": wave[:, 1]})
    frame.loc[30:35, "b"] = None
    frame.to_csv(tmp_path / "data.csv", index=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(alternax, "Alternator", functools.partial(alternax.Alternator, width=4, depth=1))
    monkeypatch.setattr(alternax, "fit", functools.partial(alternax.fit, steps=4, every=2, batch=2))
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    names: dict = {}
    exec(code.replace("print(", "scores = ("), names)
    assert names["fc"].samples.shape == (200, 1, 6, 2)
    assert np.isfinite(names["scores"]["crps"]).all()
    assert names["fitted"].forecast(horizon=6).mean.shape == (6, 2)
    assert (tmp_path / "run" / "config.json").is_file()
