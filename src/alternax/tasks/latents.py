"""The latent of a user's data, filtered or smoothed by the method asked for, checked, and as a result."""

from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from alternax.core.errors import InputError
from alternax.core.model import ChainModel, LatentModel
from alternax.core.sequence import Sequence
from alternax.data.sequences import Sequences
from alternax.inference.resampling import check_scheme
from alternax.models.checks import check_choice, check_counts
from alternax.tasks import infer, smooth
from alternax.tasks.collapse import check_draws, check_finite, check_particles
from alternax.tasks.results.filtered import Filtered
from alternax.tasks.results.smoothed import Smoothed

FILTERS = ("encoder", "auto", "exact", "particles")
SMOOTHERS = ("auto", "exact", "backward", "gibbs", "ancestry")


def filtered(
    model: LatentModel,
    data: Sequences,
    series: Sequence,
    *,
    method: str,
    particles: int,
    resampling: str,
    threshold: float,
    seed: int,
) -> Filtered:
    """Mean and variance of the latent after every row of `data`, whose scaled arrays are `series`."""
    check_choice("method", method, FILTERS)
    check_scheme(resampling, threshold)
    key, effective = jax.random.key(seed), None
    if method == "auto":
        method = "exact" if _kind(model) == "linear" else "particles"
    if method == "encoder":
        mean, var = infer.filter_latents(model, series, key=key)
    elif method == "exact":
        mean, var = smooth.filter_exact(_linear(model), series, key=key)
        check_finite(np.asarray(mean), data)
    else:
        mean, var, effective = smooth.filter_particles(
            _chained(model), series, particles=particles, scheme=resampling, threshold=threshold, key=key
        )
        effective = _checked(effective, data, particles)
    return Filtered(
        mean=np.asarray(mean, float),
        var=np.asarray(var, float),
        effective=effective,
        method=method,
        **_about(data, seed),
    )


def smoothed(
    model: LatentModel,
    data: Sequences,
    series: Sequence,
    *,
    samples: int,
    method: str,
    particles: int,
    resampling: str,
    threshold: float,
    burn_in: int,
    lag: int,
    seed: int,
) -> Smoothed:
    """Joint draws and moments of the latent after every row of `data` given all of them."""
    check_choice("method", method, SMOOTHERS)
    check_scheme(resampling, threshold)
    check_counts(0, burn_in=burn_in)
    if method == "auto":
        method = {"linear": "exact", "markov": "backward"}.get(_kind(model) or "", "ancestry")
    key, about = jax.random.key(seed), {"method": method, **_about(data, seed)}
    if method == "exact":
        mean, var, draws = (
            np.asarray(a, float) for a in smooth.smooth_exact(_linear(model), series, samples=samples, key=key)
        )
        check_finite(mean, data)
        return Smoothed(samples=draws, mean=mean, var=var, effective=None, **about)
    if method == "ancestry" and samples > particles:
        raise InputError(
            f"method='ancestry' hands out its particles: samples={samples} needs as many; found {particles}."
        )
    settings = {"particles": particles, "scheme": resampling, "threshold": threshold}
    draws, effective = _drawn(_chained(model), series, method, samples, settings, burn_in, lag, key)
    draws, effective = np.asarray(draws, float), _checked(effective, data, particles)
    check_draws(draws, data)
    var = draws.var(0, ddof=1) if samples > 1 else np.full(draws.shape[1:], np.nan)
    return Smoothed(samples=draws, mean=draws.mean(0), var=var, effective=effective, **about)


def _drawn(
    model: ChainModel,
    series: Sequence,
    method: str,
    samples: int,
    settings: dict[str, Any],
    burn_in: int,
    lag: int,
    key: PRNGKeyArray,
) -> tuple[Any, Any]:
    if method == "backward":
        return smooth.smooth_backward(model, series, samples=samples, **settings, key=key)
    if method == "gibbs":
        return smooth.smooth_gibbs(model, series, samples=samples, burn_in=burn_in, **settings, key=key)
    return smooth.smooth_ancestry(model, series, samples=samples, particles=settings["particles"], lag=lag, key=key)


def _kind(model: LatentModel) -> str | None:
    return model.chain_kind if isinstance(model, ChainModel) else None


def _chained(model: LatentModel) -> ChainModel:
    if not isinstance(model, ChainModel):
        raise InputError(
            f"a {type(model).__name__} has no latent chain for particles or exact inference: fitted.filter(data) gives "
            "the law of its own encoder."
        )
    return model


def _linear(model: LatentModel) -> ChainModel:
    chained = _chained(model)
    if chained.chain_kind not in ("linear", None):
        raise InputError(
            "method='exact' needs a latent that is linear and Gaussian given the rows (an Alternator with otn='affine' "
            "and noise 'learned', 'lowrank' or 'paper'): use method='auto'."
        )
    return chained


def _checked(effective: Any, data: Sequences, particles: int) -> np.ndarray:
    effective = np.asarray(effective, float)
    check_particles(effective, data, particles)
    return np.where(data.valid, effective, np.nan)


def _about(data: Sequences, seed: int) -> dict[str, Any]:
    return {
        "times": data.times,
        "valid": data.valid,
        "schema": data.schema,
        "batched": data.batched,
        "seed": seed,
    }
