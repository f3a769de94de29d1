"""The tables and the figure of the forecasters."""

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from forecast_models import MODELS, RIVALS
from forecast_tasks import SAMPLES, SCORES, Task
from markdown_tables import line


def row(name: str, found: dict[str, Any]) -> str:
    """A line of the table: medians over seeds, the range of MSE and CRPS, and costs without compilation."""
    scores = np.array(found["scores"])
    middle, low, high = np.median(scores, 0), scores.min(0), scores.max(0)
    cells = [f"{m:.3f} ({a:.3f}-{b:.3f})" for m, a, b in zip(middle[:2], low, high, strict=False)]
    cells += [f"{value:.3f}" for value in middle[2:3]] + [f"{value:.2f}" for value in middle[3:]]
    cost = [f"{found['parameters'][0]:,}", *(f"{min(found[k], default=np.nan):.1f}" for k in ("training", "sampling"))]
    return line([name, *cells, *("-" if text in ("0", "nan") else text for text in cost)])


def table(task: Task, rows: dict[str, dict[str, Any]]) -> list[str]:
    """The lines of one task's table."""
    sampling = f"{SAMPLES} paths x {len(task.origins)} origins, s"
    head = ["model", *SCORES, "parameters", "training, s, one core", sampling]
    return [f"## {task.name}", "", line(head), line(["---"] * len(head)), *(row(n, f) for n, f in rows.items()), ""]


def figure(path: Path, done: list[tuple[Task, dict[str, dict[str, Any]]]]) -> None:
    """CRPS by lead over the yardstick's: Alternators black, autoregressions blue, rivals red, the rest grey."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    _, panels = plt.subplots(1, len(done), figsize=(7 * len(done), 6.5), layout="constrained", squeeze=False)
    for axes, (task, rows) in zip(panels[0], done, strict=True):
        leads = {name: np.median(found["leads"], axis=0) for name, found in rows.items()}
        ratios = {name: values / leads[task.yardstick] for name, values in leads.items()}
        seen: dict[str, int] = {}
        for name, values in ratios.items():
            colour = _colour(name)
            style = ("-", "--", ":", "-.", (0, (1, 3)), (0, (6, 3, 1, 3, 1, 3)))[seen.get(colour, 0) % 6]
            seen[colour] = seen.get(colour, 0) + 1
            axes.plot(np.arange(1, len(values) + 1), values, color=colour, linestyle=style, label=name)
        axes.set(title=task.name, xlabel=task.lead, ylabel=f"CRPS over that of {task.yardstick}")
        axes.set_ylim(None, float(np.quantile(list(ratios.values()), 0.9)))
        axes.legend(fontsize=8, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.1))
    plt.savefig(path, dpi=120)


def _colour(name: str) -> str:
    if name.startswith("Alternator"):
        return "black"
    return "tab:red" if name in RIVALS else "tab:blue" if name in MODELS else "tab:gray"
