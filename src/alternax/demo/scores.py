"""Scores of all models by lead: over all ocean cells, and of the Nino-3.4 index."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from alternax.demo.result import Result
from alternax.metrics import coverage, crps, rmse, spread_skill_ratio

SCORES = {
    "rmse": "RMSE of the mean, °C",
    "crps": "CRPS, °C",
    "ssr": "spread-skill ratio",
    "coverage90": "share inside the 90 % interval",
}


def of_cells(result: Result) -> pd.DataFrame:
    """One row a lead and model: scores over all origins and ocean cells, each cell counting the same."""
    return _table(result, result.paths, result.truth)


def of_nino34(result: Result) -> pd.DataFrame:
    """One row a lead and model: scores of the Nino-3.4 index over all origins."""
    weight = result.nino34[:, None]
    return _table(result, {name: paths @ weight for name, paths in result.paths.items()}, result.truth @ weight)


def _table(
    result: Result, paths: dict[str, Float[np.ndarray, "sample origin lead column"]], truth: np.ndarray
) -> pd.DataFrame:
    tables = [
        pd.DataFrame({"lead": result.leads, "model": name} | _scores(samples, truth)) for name, samples in paths.items()
    ]
    return pd.concat(tables).sort_values("lead", kind="stable", ignore_index=True)


def _scores(samples: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray | float]:
    axis = (0, 2)
    return {
        "rmse": rmse(samples.mean(0, dtype=float), truth, axis=axis),
        "crps": crps(samples, truth, axis=axis),
        "ssr": spread_skill_ratio(samples, truth, axis=axis),
        "coverage90": coverage(samples, truth, level=0.9, axis=axis),
    }


def by_lead(table: pd.DataFrame, score: str) -> dict[str, np.ndarray]:
    """One score of every model, by name: one value a lead."""
    return {str(name): rows[score].to_numpy() for name, rows in table.groupby("model", sort=False)}


def best(table: pd.DataFrame, score: str) -> list[str]:
    """The model with the lowest value of a score at every lead."""
    rows = by_lead(table, score)
    names = list(rows)
    return [names[i] for i in np.argmin(np.stack(list(rows.values())), axis=0)]
