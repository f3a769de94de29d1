"""The data container: any number of series as padded NumPy arrays, their masks and their schema."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from alternax.core.errors import InputError
from alternax.core.sequence import Sequence as CoreSequence
from alternax.data.arrays import beside, jax_sequence
from alternax.data.calendar import calendar_names, check_calendar
from alternax.data.checks import as_names, at_least_one, listed
from alternax.data.cut import ROWWISE, first_row, gather
from alternax.data.schema import Schema
from alternax.data.steps import elapsed, following
from alternax.data.times import shown


@dataclass(frozen=True, eq=False, repr=False)
class Sequences:
    """Series of one kind, on the host in float64; made by `from_numpy`, `from_frame`, `from_csv` or `from_xarray`.

    Rows are left-aligned: `valid` is True, then False on the padding of the shorter series.

    Args:
        x: Observations and covariates, 0 where not observed.
        observed: True where the entry of x was measured.
        valid: False on padding rows.
        times: UTC datetime64[ns] or float64; NaT or NaN on padding.
        controls: The user's controls, 0 on padding.
        targets: Features to decode, 0 where not labelled.
        labelled: True where the entry of targets is known.
        static: Values per series.
        labels: Number of the class of each series in `schema.classes`, -1 where it is not known.
        schema: Names, kinds and the layout the data came in.
        batched: False if the data were one unbatched series, so that outputs are unbatched too.
    """

    x: Float[np.ndarray, "series time obs_dim"]
    observed: Bool[np.ndarray, "series time obs_dim"]
    valid: Bool[np.ndarray, "series time"]
    times: Shaped[np.ndarray, "series time"]
    controls: Float[np.ndarray, "series time controls"]
    targets: Float[np.ndarray, "series time target_dim"]
    labelled: Bool[np.ndarray, "series time target_dim"]
    static: Float[np.ndarray, "series static"]
    labels: Int[np.ndarray, "series"]
    schema: Schema
    batched: bool

    @classmethod
    def from_numpy(
        cls,
        x: Any,
        *,
        targets: Any = None,
        controls: Any = None,
        times: Any = None,
        static: Any = None,
        labels: Any = None,
        kinds: Mapping[str, str] | Sequence[str] | None = None,
        covariates: Sequence[str | int] | None = None,
        names: Sequence[str] | None = None,
        target_names: Sequence[str] | None = None,
        calendar: Sequence[str] = (),
    ) -> "Sequences":
        """Sequences from arrays; NaN and None are missing.

        Args:
            x: `(time, feature)`, `(series, time, feature)`, or a list of `(time, feature)` arrays of any lengths.
            targets: Features to decode, shaped like x but for the last axis; NaN where unlabelled.
            controls: Inputs known in advance, shaped like x but for the last axis.
            times: Dates or increasing numbers, `(time,)` shared by all series or one such array a series; if None
                rows are counted.
            static: Values per series, `(series, value)`, or `(value,)` for a single `(time, feature)` array.
            labels: The class of each series, integers or texts; None where it is not known.
            kinds: Kind of each column (real, positive, count, binary, category) as a list or a dictionary by name.
            covariates: Names or positions of columns of x that are modelled but not scored.
            names: Names of the columns of x; `x0`, `x1`, ... if None.
            target_names: Names of the targets; `target0`, ... if None.
            calendar: Calendar features to add as controls (see `calendar_features`).

        Raises:
            InputError: For anything that does not fit, saying where.

        Example:
            >>> Sequences.from_numpy([[1.0, 2.0], [None, 3.0]]).observed[0].tolist()
            [[True, True], [False, True]]
        """
        from alternax.data.numpy_door import from_numpy

        columns = {"kinds": kinds, "covariates": covariates, "names": names, "target_names": target_names}
        beside = {"targets": targets, "controls": controls, "times": times, "static": static, "labels": labels}
        return from_numpy(x, calendar=calendar, **beside, **columns)

    @classmethod
    def from_frame(
        cls,
        df: Any,
        *,
        time: str | None = None,
        id: str | None = None,
        values: str | Sequence[str] | None = None,
        covariates: str | Sequence[str] | None = None,
        controls: str | Sequence[str] | None = None,
        targets: str | Sequence[str] | None = None,
        static: str | Sequence[str] | None = None,
        label: str | None = None,
        kinds: Mapping[str, str] | Sequence[str] | None = None,
        calendar: Sequence[str] = (),
    ) -> "Sequences":
        """Sequences from a pandas or polars frame; NaN, NA, None and null are missing.

        A wide frame has a time column and one column a feature; a long frame has a column of series identities besides
        and gives one series for each. Columns named `unique_id` and `ds` are recognised as identity and time.

        Args:
            df: The frame; rows of a series must be in order of time.
            time: Time column (or the name of the index); if None it is `ds`, a time index, or the only column of dates.
            id: Column of series identities; `unique_id` is recognised.
            values: Columns of x; if None all that have no other role.
            covariates: Columns modelled with x but not scored; added to `values` if not among them.
            controls: Columns known in advance.
            targets: Columns to decode; missing entries are unlabelled.
            static: Columns that are constant within each series.
            label: Column with the class of each series, integers or texts, constant within it.
            kinds: Kind of columns of x, as a dictionary by name, or one for each.
            calendar: Calendar features to add as controls (see `calendar_features`).

        Raises:
            InputError: For anything that does not fit, naming column and row.

        Example:
            >>> import pandas as pd
            >>> Sequences.from_frame(pd.DataFrame({"day": ["2020-01-01", "2020-01-02"], "y": [1.0, None]}))
            Sequences(1 series of 2 rows, columns 'y', step D from 2020-01-01 to 2020-01-02, 50.0 % missing)
        """
        from alternax.data.frame_door import from_frame

        roles = {"values": values, "covariates": covariates, "controls": controls, "targets": targets, "static": static}
        return from_frame(df, time=time, id=id, label=label, kinds=kinds, calendar=calendar, **roles)

    @classmethod
    def from_csv(cls, path: str | Path, **options: Any) -> "Sequences":
        """Sequences from a CSV file with a header, separated by commas, semicolons or tabs.

        Args:
            path: The file.
            **options: As for `from_frame`; a file with one column of dates and otherwise numbers needs none. A nameless
                first column that counts the rows from 0, as pandas writes its index, is left out.

        Raises:
            InputError: If the file is missing, empty or not a table, or anything in it does not fit.
        """
        from alternax.data.csv_door import from_csv

        return from_csv(path, **options)

    @classmethod
    def from_xarray(
        cls,
        data: Any,
        *,
        time: str = "time",
        covariates: str | Sequence[str] | None = None,
        kinds: Mapping[str, str] | None = None,
        calendar: Sequence[str] = (),
    ) -> "Sequences":
        """One series from an xarray DataArray or Dataset: every cell of every variable is a column.

        Cells that are missing at all times (land) are left out, and restored by `to_xarray` here and on every result.

        Args:
            data: DataArray or Dataset whose variables have the dimension `time`.
            time: Name of the time dimension.
            covariates: Names of variables that are modelled but not scored.
            kinds: Kind by variable.
            calendar: Calendar features to add as controls (see `calendar_features`).

        Raises:
            InputError: For anything that does not fit, saying where.
        """
        from alternax.data.xarray_door import from_xarray

        return from_xarray(data, time=time, covariates=covariates, kinds=kinds, calendar=calendar)

    @property
    def series(self) -> int:
        """Number of series."""
        return self.x.shape[0]

    @property
    def obs_dim(self) -> int:
        """Number of columns of x, covariates included."""
        return self.x.shape[2]

    @property
    def target_dim(self) -> int:
        """Number of targets."""
        return self.targets.shape[2]

    @property
    def class_count(self) -> int:
        """Number of classes of whole series; 0 without labels."""
        return len(self.schema.classes)

    @property
    def control_dim(self) -> int:
        """Number of controls that a model sees: the user's, calendar features and static values."""
        return self.controls.shape[2] + 2 * len(self.schema.calendar) + self.static.shape[1]

    @property
    def control_names(self) -> tuple[str, ...]:
        """Names of the columns of `all_controls`."""
        return self.schema.controls + calendar_names(self.schema.calendar) + self.schema.static

    @cached_property
    def lengths(self) -> Int[np.ndarray, "series"]:
        """Number of rows of each series."""
        return self.valid.sum(axis=1)

    @cached_property
    def dt(self) -> Float[np.ndarray, "series time"]:
        """Time since the previous row in units of the usual step; 1 in the first row and on padding."""
        return elapsed(self.times, self.schema.step, self.schema.timezone)

    @cached_property
    def scored(self) -> Bool[np.ndarray, "obs_dim"]:
        """False for covariates."""
        return ~np.isin(self.schema.values, self.schema.covariates)

    def __repr__(self) -> str:
        rows = (
            f"{self.lengths[0]}"
            if (self.lengths == self.lengths[0]).all()
            else f"{self.lengths.min()} to {self.lengths.max()}"
        )
        present = self.times[self.valid]
        span = f" from {shown(present.min())} to {shown(present.max())}" if present.size else ""
        missing = 100 * (1 - self.observed[self.valid].mean()) if present.size else 0.0
        return (
            f"Sequences({self.series} series of {rows} rows, columns {listed(self.schema.values)}, "
            f"step {self.schema.step_name}{span}, {missing:.1f} % missing)"
        )

    def all_controls(self) -> Float[np.ndarray, "series time control_dim"]:
        """The user's controls, calendar features and static values, 0 on padding."""
        return beside(self, self.controls, self.times) * self.valid[..., None]

    def arrays(self, dtype: Any = None) -> CoreSequence:
        """The JAX `Sequence` of all series, with a leading series axis on every leaf.

        Args:
            dtype: Floating-point type; the default of JAX if None.
        """
        return jax_sequence(self, dtype)

    def future_times(self, horizon: int) -> Shaped[np.ndarray, "series horizon"]:
        """The next `horizon` times of each series, by the usual step."""
        at_least_one(horizon, "horizon")
        return following(self.last_times, horizon, self.schema.step, self.schema.timezone)

    @cached_property
    def last_times(self) -> Shaped[np.ndarray, "series"]:
        """The time of the last row of each series."""
        if self.lengths.min() == 0:
            raise InputError(
                f"Series {self.schema.ids[self.lengths.argmin()]!r} has no rows: there is no time to go on from."
            )
        return np.take_along_axis(self.times, self.lengths[:, None] - 1, axis=1)[:, 0]

    def future_dt(self, horizon: int, times: Any = None) -> Float[np.ndarray, "series horizon"]:
        """Elapsed time before each future row, in units of the usual step.

        Args:
            horizon: Number of rows ahead.
            times: Future times `(horizon,)` or `(series, horizon)`; the usual step if None.
        """
        from alternax.data.future import checked_times

        ahead = checked_times(self, horizon, times)
        return elapsed(
            np.concatenate([self.last_times[:, None], ahead], axis=1), self.schema.step, self.schema.timezone
        )[:, 1:]

    def future_controls(
        self, horizon: int, *, controls: Any = None, times: Any = None
    ) -> Float[np.ndarray, "series horizon control_dim"]:
        """Controls of the future rows, as a model sees them; calendar features and static values are filled in.

        Args:
            horizon: Number of rows ahead.
            controls: The user's controls if the data have any, `(horizon, control)` or `(series, horizon, control)`,
                or a frame.
            times: Future times `(horizon,)` or `(series, horizon)`; the usual step if None.
        """
        from alternax.data.future import checked_controls, checked_times

        ahead = checked_times(self, horizon, times)
        return beside(self, checked_controls(self, ahead, controls), ahead)

    def rows(self, start: int, stop: int) -> Self:
        """Rows `start` to `stop` of every series, as far as it reaches; a series may be left without rows."""
        if not 0 <= start < stop:
            raise InputError(f"rows: expected 0 <= start < stop, found {start} and {stop}.")
        first = np.minimum(start, self.lengths)
        return self._gather(first, np.minimum(stop, self.lengths) - first)

    def tail(self, count: int) -> Self:
        """The last `count` rows of every series, or all there are."""
        at_least_one(count, "tail")
        kept = np.minimum(count, self.lengths)
        return self._gather(self.lengths - kept, kept)

    def take(self, series: Sequence[int]) -> Self:
        """These series, by position, in this order."""
        chosen = np.atleast_1d(np.asarray(series, dtype=int))
        if chosen.size == 0 or chosen.min() < -self.series or chosen.max() >= self.series:
            raise InputError(f"take: expected positions of series below {self.series}, found {chosen.tolist()}.")
        fields = {name: getattr(self, name)[chosen] for name in (*ROWWISE, "static", "labels")}
        return replace(self, **fields, schema=replace(self.schema, ids=tuple(self.schema.ids[i] for i in chosen)))

    def split(self, at: Any = None, *, time: Any = None) -> tuple[Self, Self]:
        """The rows before, and the rows from, a point in time, in every series.

        Args:
            at: A date (text or datetime), a fraction of the rows, or the number of a row (negative: from the end).
            time: A time, where times are numbers.

        Example:
            >>> before, after = Sequences.from_numpy(np.ones((10, 1))).split(0.7)
            >>> before.lengths, after.lengths
            (array([7]), array([3]))
        """
        first = first_row(self, at, time)
        return self._gather(np.zeros_like(first), first), self._gather(first, self.lengths - first)

    def replace_x(self, x: np.ndarray, observed: np.ndarray | None = None) -> Self:
        """The same data with other values in x, and with another mask if one is given."""
        observed = self.observed if observed is None else observed
        for what, array in (("x", x), ("observed", observed)):
            if np.shape(array) != self.x.shape:
                raise InputError(f"replace_x: expected {what} of shape {self.x.shape}, found {np.shape(array)}.")
        observed = np.asarray(observed, bool) & self.valid[..., None]
        x = np.where(observed, np.asarray(x, np.float64), 0.0)
        bad = np.argwhere(~np.isfinite(x))
        if len(bad):
            series, row, column = bad[0]
            where = f"series {self.schema.ids[series]!r}, row {row}, column {self.schema.values[column]!r}"
            raise InputError(f"replace_x: {where}: expected a finite number where observed, found {x[tuple(bad[0])]}.")
        return replace(self, x=x, observed=observed)

    def select(self, columns: str | Sequence[str]) -> Self:
        """These columns of x, in this order."""
        columns = as_names(columns)
        where = self.schema.positions(columns)
        return replace(
            self, x=self.x[..., where], observed=self.observed[..., where], schema=self.schema.select(columns)
        )

    def with_calendar(self, *names: str | Sequence[str]) -> Self:
        """The same data with these calendar features, one by one or in a list, as controls in place of any before."""
        calendar = tuple(name for given in names for name in as_names(given))
        check_calendar(calendar, self.schema.time_kind)
        return replace(self, schema=replace(self.schema, calendar=calendar))

    def like(self, schema: Schema) -> "Sequences":
        """New data read as those of `schema`, which a model was fitted on: its columns, calendar and usual step.

        Columns beyond those are left out; targets and cells of a grid that are missing throughout may be absent.
        """
        from alternax.data.reading import read_like

        return read_like(self, schema)

    def to_frame(self) -> Any:
        """A frame in the layout and library the data came in, missing entries as NaN or null."""
        from alternax.data.output import to_frame, with_classes

        x, targets = np.where(self.observed, self.x, np.nan), np.where(self.labelled, self.targets, np.nan)
        static = np.broadcast_to(self.static[:, None], (*self.times.shape, self.static.shape[1]))
        s = self.schema
        everything = np.concatenate([x, self.controls, targets, static], axis=-1)
        frame = to_frame(everything, self.times, s, self.batched, columns=s.values + s.controls + s.targets + s.static)
        return frame if s.label_name is None else with_classes(frame, self)

    def to_xarray(self) -> Any:
        """The columns of x as xarray, with the dimensions, coordinates and land cells the data came with."""
        from alternax.data.output import to_xarray

        return to_xarray(np.where(self.observed, self.x, np.nan), self.times, self.schema, self.batched)

    def _gather(self, starts: np.ndarray, counts: np.ndarray) -> Self:
        return replace(self, **gather({name: getattr(self, name) for name in ROWWISE}, starts, counts))
