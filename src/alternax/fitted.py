"""A trained model with everything needed to use it: the user's door to every task."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from alternax import tasks
from alternax.core.errors import InputError
from alternax.core.model import Classifier, counted
from alternax.core.precision import in_own_precision
from alternax.data.future import checked_times
from alternax.data.sequences import Sequences
from alternax.latent_run import LatentRun
from alternax.run import check_positive
from alternax.tasks.collapse import check_particles, check_sum
from alternax.tasks.results import (
    Backtest,
    Classified,
    Forecast,
    Imputed,
    LogProb,
    Samples,
)


@dataclass(frozen=True, repr=False)
class Fitted(LatentRun):
    """A model, the transforms it was trained behind, and the end of its training data: what `fit` and `load` hand back.

    Every task takes data in their own units and answers in them; `seed` makes it repeatable and is kept in the result.

    Attributes:
        model: The trained model, in scaled units.
        transform: Elementwise transform of the observations.
        target_transform: The same for the targets.
        schema: Names, kinds and time of the training data.
        record: History of the training.
        tail: The last rows of the training data, from which `forecast()` goes on.
        metrics: Scores kept with the run, by name: `valid_loss`, the best one of the training if it was validated, and
            what `with_metrics` added.
        bands: Where the edges of bands of decoded targets lie, if `calibrate` has measured it.
    """

    @in_own_precision
    def forecast(
        self,
        data: Sequences | None = None,
        *,
        horizon: int,
        samples: int = 200,
        controls: Any = None,
        times: Any = None,
        seed: int = 0,
    ) -> Forecast:
        """Joint sample paths of the next `horizon` rows after the end of `data` (default: of the training data).

        Args:
            data: Series of the training data's columns; any length of history.
            horizon: Rows ahead, at least 1.
            samples: Sample paths.
            controls: Future values of the data's own controls, `(horizon, controls)` or with a leading series axis.
            times: Time stamps of the rows ahead; default the usual step on from the last row.
            seed: Seed of the draws.

        Raises:
            InputError: If horizon or samples is not positive, or future controls are missing.

        Example:
            >>> fitted.forecast(horizon=12, samples=100).quantile([0.1, 0.9])
        """
        check_positive(horizon=horizon, samples=samples)
        data = self.tail if data is None else self._check(data)
        if self.model.context is not None:
            data = data.tail(self.model.context)
        ahead = checked_times(data, horizon, times)
        future = data.future_controls(horizon, controls=controls, times=times)
        dts = data.future_dt(horizon, times=times)
        paths = tasks.forecast.forecast(
            self.model,
            self._scaled(data),
            controls=jnp.asarray(future, float),
            dts=jnp.asarray(dts, float),
            samples=samples,
            key=jax.random.key(seed),
        )
        values = self.transform.inverse(np.asarray(paths, float), ahead, data.schema.ids)
        return Forecast(
            samples=values,
            times=ahead,
            schema=data.schema,
            batched=data.batched,
            seed=seed,
            past=data,
        )

    @in_own_precision
    def backtest(
        self,
        data: Sequences,
        *,
        horizon: int,
        stride: int = 1,
        start: int | str | datetime | None = None,
        stop: int | None = None,
        samples: int = 100,
        seed: int = 0,
    ) -> Backtest:
        """Forecasts from every `stride`-th origin after the training data, scored against what followed.

        Args:
            data: The whole series, training part included, so that the first origins have their history.
            horizon: Rows ahead of every origin.
            stride: Rows between origins.
            start: First origin: the number of rows known, or the time stamp of the first row to forecast. Default:
                the end of the training data.
            stop: No origin at or after this row; default so that every horizon lies inside the data.
            samples: Sample paths per origin.
            seed: Seed of the draws.
        """
        check_positive(horizon=horizon, stride=stride, samples=samples)
        data = self._check(data)
        first = self._start_row(data, start)
        total = int(data.lengths.min())
        origins = np.arange(first, min(total - horizon + 1, total if stop is None else stop), stride)
        needed = self.model.context or 1
        if len(origins) == 0:
            raise InputError(
                f"no origin to test from: the first is row {first}, the data have {total} "
                f"rows and the horizon is {horizon}. Give data that go on after the training data, a shorter horizon, "
                "or start= an earlier row, not one it was trained on (data.split cuts the end off)."
            )
        if origins[0] < needed:
            raise InputError(
                f"the first origin is row {origins[0]}, but the model needs {needed} rows "
                f"before it: give start={needed} or later."
            )
        paths = tasks.forecast.forecast_origins(
            self.model,
            self._scaled(data),
            jnp.asarray(origins),
            horizon=horizon,
            samples=samples,
            key=jax.random.key(seed),
        )
        rows = origins[:, None] + np.arange(horizon)
        times = data.times[:, rows].reshape(data.series, -1)
        flat = np.asarray(paths, float).reshape(samples, data.series, rows.size, -1)
        shape = (data.series, len(origins), horizon, data.obs_dim)
        values = self.transform.inverse(flat, times, data.schema.ids).reshape(samples, *shape)
        truth = np.where(data.observed & data.valid[..., None], data.x, np.nan)[:, rows]
        return Backtest(
            samples=values,
            truth=truth,
            origins=origins,
            times=times.reshape(shape[:3]),
            schema=data.schema,
            batched=data.batched,
            seed=seed,
        )

    @in_own_precision
    def classify(self, data: Sequences, *, seed: int = 0) -> Classified:
        """Probabilities of the classes of every whole series; its own label, where it has one, is not read.

        Args:
            data: Series of the training data's columns; labels, if any, are for comparison only.
            seed: Seed of the draws a model may make.

        Raises:
            InputError: If the model was not built to classify.

        Example:
            >>> fitted.classify(test).accuracy
        """
        data = self._check(data)
        if not isinstance(self.model, Classifier):
            raise InputError(
                f"a {type(self.model).__name__} does not classify: build a model with class_count, such as "
                "ax.Autoregressive(data.obs_dim, class_count=data.class_count, ...)."
            )
        probabilities = tasks.infer.classify(self.model, self._scaled(data), key=jax.random.key(seed))
        return Classified(
            probabilities=np.asarray(probabilities, float),
            labels=data.labels,
            classes=self.schema.classes,
            ids=data.schema.ids,
            id_name=data.schema.id_name,
            batched=data.batched,
            seed=seed,
        )

    @in_own_precision
    def impute(self, data: Sequences, *, samples: int = 50, lag: int = 8, seed: int = 0) -> Imputed:
        """Joint draws of the missing entries given the observed ones, which are returned as they are.

        Args:
            data: Series with gaps.
            samples: Draws.
            lag: How many of the observed rows after a missing entry speak on it. More of them tell more, and leave
                fewer distinct draws of each gap; `samples` are taken from four times as many particles, at least 200.
            seed: Seed of the draws.

        Raises:
            InferenceError: If every particle is lost at a row, which is named.
        """
        check_positive(samples=samples, lag=lag)
        data = self._check(data)
        paths, effective = tasks.infer.impute(
            self.model, self._scaled(data), samples=samples, lag=lag, key=jax.random.key(seed)
        )
        check_particles(np.asarray(effective), data, samples * tasks.infer.draws_apart(samples))
        values = self.transform.inverse(np.asarray(paths, float), data.times, data.schema.ids)
        values = np.where(data.observed, data.x, values)
        return Imputed(
            samples=values,
            observed=data.observed,
            times=data.times,
            valid=data.valid,
            schema=data.schema,
            batched=data.batched,
            seed=seed,
        )

    @in_own_precision
    def sample(self, *, length: int, samples: int = 10, controls: Any = None, seed: int = 0) -> Samples:
        """Series generated from nothing, with time stamps that follow the end of the training data.

        Args:
            length: Rows.
            samples: Number of series.
            controls: Values of the data's own controls, `(length, controls)`; needed if there are any.
            seed: Seed of the draws.
        """
        check_positive(length=length, samples=samples)
        start = self.tail.take([0])
        times = start.future_times(length)
        future = start.future_controls(length, controls=controls)[0]
        paths = tasks.infer.sample(
            self.model,
            length=length,
            controls=jnp.asarray(future, float),
            dts=jnp.ones(length),
            samples=samples,
            key=jax.random.key(seed),
        )
        values = self.transform.inverse(np.asarray(paths, float)[:, None], times, start.schema.ids)
        return Samples(samples=values, times=times, schema=start.schema, batched=start.batched, seed=seed)

    @in_own_precision
    def log_prob(self, data: Sequences, *, particles: int = 256, seed: int = 0) -> LogProb:
        """log p(x) in data units, one value a series, with its standard error.

        Exact, with standard error 0, for models that draw nothing (`Autoregressive`) or whose latent is linear and
        Gaussian given the rows; else estimated by particle filters. Counted are the observed entries, for a model with
        a context those after the rows that set the scale.

        Args:
            data: Series of the training data's columns.
            particles: Particles of each of eight filters.
            seed: Seed of the particles.

        Raises:
            InferenceError: If every particle is lost at a row, which is named, or an exact value is not finite.
        """
        check_positive(particles=particles)
        data = self._check(data)
        series = self._scaled(data)
        value, error, effective = tasks.infer.log_prob(
            self.model, series, particles=particles, key=jax.random.key(seed)
        )
        if effective is None:
            check_sum(np.asarray(value), data)
        else:
            check_particles(np.asarray(effective), data, particles)
        counts = np.asarray(jax.vmap(lambda seq: counted(seq, self.model.context))(series))
        slope = self.transform.log_jacobian(np.where(data.observed, data.x, 1.0), data.times, data.schema.ids)
        jacobian = np.where(counts, slope, 0.0).sum((1, 2))
        return LogProb(
            value=np.asarray(value, float) + jacobian,
            standard_error=np.asarray(error, float),
            ids=data.schema.ids,
            batched=data.batched,
            seed=seed,
        )

    def _start_row(self, data: Sequences, start) -> int:
        if isinstance(start, (int, np.integer)):
            return int(start)
        if start is None:
            rows = (data.valid & (data.times <= self._trained_until(data)[:, None])).sum(axis=1)
        else:
            rows = data.split(start)[0].lengths
        return int(rows.max())

    def _trained_until(self, data: Sequences) -> np.ndarray:
        """Last time of training of every series; of a new one, that of the longest known."""
        last = self.tail.last_times
        known = dict(zip(self.tail.schema.ids, last, strict=True))
        return np.array([known.get(name, last.max()) for name in data.schema.ids], last.dtype)
