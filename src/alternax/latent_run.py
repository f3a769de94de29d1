"""What a run knows of its latent, and the targets decoded from it."""

from dataclasses import dataclass, replace
from typing import Self

import jax
import numpy as np

from alternax import tasks
from alternax.core.errors import InputError
from alternax.core.model import LatentModel, ModeModel
from alternax.core.precision import in_own_precision
from alternax.data.sequences import Sequences
from alternax.run import Run, check_positive
from alternax.tasks.results import Decoded, Filtered, Modes, Smoothed
from alternax.tasks.results.bands import Bands


@dataclass(frozen=True, repr=False)
class LatentRun(Run):
    """Questions about the latent of a run; abstract, see `Fitted`."""

    @in_own_precision
    def filter(
        self,
        data: Sequences,
        *,
        method: str = "encoder",
        particles: int = 500,
        resampling: str = "systematic",
        threshold: float = 0.5,
        seed: int = 0,
    ) -> Filtered:
        """Mean and variance of the latent after every row given the rows up to it.

        Args:
            data: Series of the training data's columns.
            method: "encoder" (the law the model itself takes rows in by: what its forecasts start from), or the Bayes
                posterior, in which rows also speak by how well they were predicted: "exact" (linear latents),
                "particles", or "auto" (exact where possible).
            particles: Number of particles.
            resampling: "systematic", "stratified", "multinomial" or "killing".
            threshold: Share of effective particles below which they are resampled.
            seed: Seed of the draws.

        Raises:
            InputError: An unknown setting, or a model without such a latent.
            InferenceError: If every particle is lost at a row, which is named.

        Example:
            >>> fitted.filter(data, method="auto").effective
        """
        check_positive(particles=particles)
        data = self._check(data)
        settings = {"particles": particles, "resampling": resampling, "threshold": threshold}
        return tasks.latents.filtered(self._latent(), data, self._scaled(data), method=method, **settings, seed=seed)

    @in_own_precision
    def smooth(
        self,
        data: Sequences,
        *,
        samples: int = 100,
        method: str = "auto",
        particles: int = 500,
        resampling: str = "systematic",
        threshold: float = 0.5,
        burn_in: int = 20,
        lag: int = 8,
        seed: int = 0,
    ) -> Smoothed:
        """The latent after every row given all rows: joint draws of its path, moments and credible bands.

        Args:
            data: Series of the training data's columns.
            samples: Joint draws.
            method: "exact" (linear latents), "backward" (backward simulation over a particle filter), "gibbs" (particle
                Gibbs, without the bias of few particles), "ancestry" (the paths particles came along, for predictions
                that remember earlier latents), or "auto": the first of exact, backward and ancestry that applies.
            particles: Particles of the filter; sweeps of "gibbs" take at most 32.
            resampling: Scheme of the filter, as for `filter`; "ancestry" resamples by "killing".
            threshold: Share of effective particles below which they are resampled.
            burn_in: Sweeps of "gibbs" that are left out.
            lag: For "ancestry": how many of the observed rows after a row speak on it.
            seed: Seed of the draws.

        Raises:
            InputError: An unknown setting, or a model without such a latent.
            InferenceError: If every particle is lost at a row, which is named.

        Example:
            >>> low, high = fitted.smooth(data, samples=200).interval(0.9)
        """
        check_positive(samples=samples, particles=particles, lag=lag)
        data = self._check(data)
        settings = {"particles": particles, "resampling": resampling, "threshold": threshold}
        settings |= {"burn_in": burn_in, "lag": lag, "samples": samples}
        return tasks.latents.smoothed(self._latent(), data, self._scaled(data), method=method, **settings, seed=seed)

    @in_own_precision
    def modes(self, data: Sequences, *, smoothed: bool = True, seed: int = 0) -> Modes:
        """How probable each mode of behaviour was at every row of the data.

        Args:
            data: Series of the training data's columns.
            smoothed: Given all rows; otherwise given those up to each, as one knows it at the time.
            seed: Seed of the draws of the latents.

        Raises:
            InputError: If the model has no modes.

        Example:
            >>> fitted.modes(data).most_likely
        """
        data = self._check(data)
        if not isinstance(self.model, ModeModel):
            raise InputError(
                f"a {type(self.model).__name__} has no modes: build an ax.SwitchingAlternator(data.obs_dim, ...)."
            )
        found = tasks.infer.modes(self.model, self._scaled(data), smoothed=smoothed, key=jax.random.key(seed))
        about = {"times": data.times, "valid": data.valid, "schema": data.schema, "batched": data.batched}
        return Modes(probabilities=np.asarray(found, float), smoothed=smoothed, **about, seed=seed)

    @in_own_precision
    def decode(self, data: Sequences, *, seed: int = 0) -> Decoded:
        """Targets at every row given the rows up to it, with their standard deviation and bands."""
        data = self._check(data)
        mean, std = (
            np.asarray(a, float)
            for a in tasks.infer.decode(self._latent(), self._scaled(data), key=jax.random.key(seed))
        )
        ids, back = data.schema.ids, self.target_transform.inverse
        centre = back(mean, data.times, ids)
        width = 0.5 * (back(mean + std, data.times, ids) - back(mean - std, data.times, ids))
        return Decoded(
            mean=centre,
            std=width if self.bands is None else width * self.bands.scale,
            times=data.times,
            valid=data.valid,
            schema=data.schema,
            batched=data.batched,
            seed=seed,
            bands=self.bands,
        )

    @in_own_precision
    def calibrate(
        self, data: Sequences, *, rows: slice | None = None, by: "LatentRun | None" = None, seed: int = 0
    ) -> Self:
        """The same run, whose bands of decoded targets hold on `data`; the means stay as they are.

        The standard deviation of a target is multiplied by one number, and the edges of its bands are put where the
        truth was seen to lie, so that its law need not be Gaussian. It is saved with the run.

        Args:
            data: Labelled rows that were not trained on, such as those given to `fit` as `valid`; with `rows`, the rows
                before them as well.
            rows: Which rows of every series to measure errors on, such as `slice(500, None)`; default all. The rows
                before are the history they are decoded from. Give it where there is one: a series cut off from it is
                decoded from nothing at first, and errors are not those of a series decoded as a whole.
            by: A run of the same settings that was not trained on `data`, where this one was: its errors count.
            seed: Seed of the draws the decoder may make.

        Raises:
            InputError: If a target has fewer than 20 labelled rows, or `rows` is no slice.

        Example:
            >>> calibrated = fitted.calibrate(data.rows(0, 700), rows=slice(500, None))  # trained on rows 0 to 500
            >>> low, high = calibrated.decode(data).interval(0.9)
        """
        data, rows = self._check(data), slice(None) if rows is None else rows
        if not isinstance(rows, slice):
            raise InputError(f"calibrate: rows must be a slice, such as slice(500, None); found {rows!r}.")
        judge = replace(self if by is None else by, bands=None)
        return replace(self, bands=Bands.measured(judge.decode(data, seed=seed), data, rows))

    def _latent(self) -> LatentModel:
        if not isinstance(self.model, LatentModel):
            raise InputError(f"a {type(self.model).__name__} has no latent vector to filter or decode.")
        return self.model
