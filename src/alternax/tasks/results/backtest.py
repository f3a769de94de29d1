"""Forecasts from many origins, scored against what followed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from alternax.data.schema import Schema
from alternax.metrics import coverage, crps, mae, rmse, spread_skill_ratio
from alternax.tasks.results.reported import as_xarray, drop_covariates

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TITLES = {"rmse": "RMSE", "mae": "MAE", "crps": "CRPS", "ssr": "Spread-skill ratio", "coverage90": "90 % coverage"}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Backtest:
    """Sample paths from every origin beside what happened, and their scores by lead.

    Attributes:
        samples: Sample paths in the units of the data.
        truth: What happened, NaN where missing.
        origins: Rows known before each forecast; lead 1 is row `origins[i]`.
        times: Time of every forecast row.
        schema: Names and layout of the reported columns.
        batched: False if the data were one unbatched series.
        seed: Seed of the draws.
    """

    samples: Float[np.ndarray, "sample series origin lead feature"]
    truth: Float[np.ndarray, "series origin lead feature"]
    origins: Int[np.ndarray, "origin"]
    times: Shaped[np.ndarray, "series origin lead"]
    schema: Schema
    batched: bool
    seed: int = 0

    def __post_init__(self) -> None:
        drop_covariates(self, "samples", "truth")

    @property
    def leads(self) -> np.ndarray:
        """1 to the horizon."""
        return np.arange(1, self.truth.shape[2] + 1)

    @cached_property
    def table(self) -> dict[str, np.ndarray]:
        """By lead, over all series, origins and columns: rmse of the mean, mae of the median, crps, ssr, coverage90.

        Columns are pooled in their own units: where these differ, rmse, mae, crps and ssr are decided by the column
        with the largest numbers. `column_table` and `to_frame(by_column=True)` score every column by itself.
        """
        return {"lead": self.leads} | self._scores((0, 1, 3))

    @cached_property
    def column_table(self) -> dict[str, np.ndarray]:
        """The same scores `(lead, feature)` of every column by itself."""
        return self._scores((0, 1))

    def _scores(self, axis: tuple[int, ...]) -> dict[str, np.ndarray]:
        scores = {
            "rmse": rmse(self.samples.mean(0), self.truth, axis=axis),
            "mae": mae(np.median(self.samples, axis=0), self.truth, axis=axis),
            "crps": crps(self.samples, self.truth, axis=axis),
            "ssr": spread_skill_ratio(self.samples, self.truth, axis=axis),
            "coverage90": coverage(self.samples, self.truth, level=0.9, axis=axis),
        }
        return {name: np.asarray(values) for name, values in scores.items()}

    def coverage(self, level: float) -> np.ndarray:
        """By lead: share of the truth inside the central interval of probability `level`."""
        return np.asarray(coverage(self.samples, self.truth, level=level, axis=(0, 1, 3)))

    def to_frame(self, *, by_column: bool = False) -> Any:
        """The scores as a pandas frame: one row a lead over all columns as in `table`, or one a lead and feature."""
        import pandas as pd

        if not by_column:
            return pd.DataFrame(self.table)
        leads, names = self.leads, self.schema.values
        index = {"lead": np.repeat(leads, len(names)), "feature": list(names) * len(leads)}
        return pd.DataFrame(index | {score: values.ravel() for score, values in self.column_table.items()})

    def to_xarray(self) -> Any:
        """The samples with dimensions `(sample, [series,] origin, lead, feature)`, or those of the xarray data.

        Coordinate `time` `(origin, lead)` is the time forecast.
        """
        import xarray as xr

        one_by_one = [self._series_xarray(i) for i in range(len(self.schema.ids))]
        if not self.batched:
            return one_by_one[0]
        series = xr.Variable("series", list(self.schema.ids))
        whole = xr.concat(one_by_one, series, data_vars="all", coords="different", compat="equals", join="exact")
        return whole.transpose("sample", "series", ...)

    def _series_xarray(self, series: int) -> Any:
        """One series: the data's own layout is reused with origins in place of series and leads in place of times."""
        schema = replace(
            self.schema, ids=tuple(int(o) for o in self.origins), time_kind="number", step=1, timezone=None
        )
        leads = np.broadcast_to(self.leads.astype(float), self.times.shape[1:])
        samples = as_xarray(self.samples[:, series], leads, schema, True)
        samples = samples.rename({"series": "origin", schema.time_name: "lead"})
        return samples.assign_coords(time=(("origin", "lead"), self.times[series]))

    def plot(self, others: Mapping[str, Mapping[str, np.ndarray]] | None = None, *, name: str = "model") -> "Figure":
        """Scores against lead, with tables of other forecasts (by name, as `table`) beside."""
        from alternax.plots import skill_curve

        tables = {name: self.table, **(others or {})}
        scores = {
            title: {who: table[score] for who, table in tables.items() if score in table}
            for score, title in _TITLES.items()
        }
        targets = {_TITLES["ssr"]: 1.0, _TITLES["coverage90"]: 0.9}
        return skill_curve(self.leads, scores, targets=targets, lead_label="lead, steps")

    def plot_calibration(self, leads: Sequence[int] | None = None) -> "Figure":
        """Observed coverage of central intervals by their probability, for some leads (default: first and last)."""
        from alternax.plots import calibration

        chosen = dict.fromkeys(leads or (1, int(self.leads[-1])))
        levels = np.arange(1, 10) / 10
        shares = np.stack([self.coverage(float(level)) for level in levels])
        return calibration(levels, {f"lead {lead}": shares[:, lead - 1] for lead in chosen})

    def __repr__(self) -> str:
        count, series, origins, leads, columns = self.samples.shape
        return f"Backtest({count} samples, {series} series, {origins} origins, {leads} leads, {columns} columns)"
