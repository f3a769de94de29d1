"""A report of a small model on small data, with names that try to break out of the page."""

import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from trained import RECORD, days, small, untrained, walk

import alternax as ax
from alternax.core.record import TrainingRecord

NAMES = ["<script>alert(1)</script>", "Zufluß </title> & 100 %{y} €"]
ROWS, TRAINED = 80, 60
OPTIONS = {"horizon": 4, "samples": 16, "origins": 6}
LOSSES = TrainingRecord(**RECORD.to_dict() | {
    "best_step": 30, "steps": 40, "stopped": "early stop", "note": "a <b>note</b>",
    "train_loss": (3.0, 2.0, 1.5, 1.25), "valid_loss": (3.5, 2.5, 2.0, 2.25), "checked_at": (10, 20, 30, 40),
})  # fmt: skip


def table(rows: int = ROWS) -> ax.Sequences:
    """Two daily series with gaps, as a long frame."""
    x = np.stack([walk(rows, seed) for seed in range(2)])
    x[1, 20:35, 1] = np.nan
    x[0, 66:67, 0] = np.nan
    frame = pd.DataFrame(x.reshape(-1, 2), columns=NAMES)
    frame.insert(0, "day", np.tile(days(rows), 2))
    frame.insert(0, "site", np.repeat(["north", "south"], rows))
    return ax.Sequences.from_frame(frame, id="site", time="day", calendar=("weekday",))


@cache
def fitted() -> ax.Fitted:
    """A model as it was born, whose training is said to have ended after `TRAINED` rows."""
    run = untrained(small(control_dim=2), table().rows(0, TRAINED), ax.Scale().fit(table().rows(0, TRAINED)))
    return ax.Fitted(run.model, run.transform, run.target_transform, run.schema, LOSSES, run.tail)


def charts(page: Path | str) -> dict[str, dict]:
    """The figures of a page by their label."""
    text = page if isinstance(page, str) else page.read_text(encoding="utf-8")
    found = re.findall(
        r'aria-label="([^"]*)"[^>]*></div><script type="application/json">(.*?)</script>', text, re.DOTALL
    )
    return {label: json.loads(figure) for label, figure in found}
