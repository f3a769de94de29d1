"""Which entries of the truth are scored, and means over them."""

import numpy as np

from alternax.core.errors import InputError

Axis = int | tuple[int, ...] | None

_BLOCK = 2**22


def paired(prediction: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Prediction, truth and the bool array of scored entries, checked.

    Raises:
        InputError: If shapes differ, nothing is scored, or a scored entry has a prediction that is not finite.
    """
    prediction, truth = np.asarray(prediction), np.asarray(truth, float)
    _check_shapes("prediction", prediction.shape, truth.shape)
    scored = ~np.isnan(truth)
    _check_scored(scored)
    _check_finite("prediction", np.isfinite(prediction) | ~scored)
    return prediction.astype(float), truth, scored


def ensemble(samples: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples `(S, ...)`, truth `(...)` and the bool array of scored entries, checked; needs S >= 2.

    Raises:
        InputError: If shapes differ, S < 2, nothing is scored, or a scored entry has samples that are not finite.
    """
    samples, truth = np.asarray(samples), np.asarray(truth, float)
    _check_shapes("samples without their first axis", samples.shape[1:], truth.shape)
    if len(samples) < 2:
        raise InputError(f"unbiased ensemble scores need at least 2 samples, found {len(samples)}; draw more")
    scored = ~np.isnan(truth)
    _check_scored(scored)
    finite = np.isfinite(samples).all(0)
    _check_finite("samples", finite | ~scored)
    return samples if finite.all() else np.where(scored, samples, 0.0), truth, scored


def mean_over(values: np.ndarray, scored: np.ndarray, axis: Axis) -> np.ndarray | float:
    """Mean of `values` over the scored entries along `axis`; NaN where a slice has none."""
    count = scored.sum(axis)
    total = np.where(scored, values, 0.0).sum(axis)
    mean = np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)
    return float(mean) if mean.ndim == 0 else mean


def blocks(entries: int, members: int) -> list[slice]:
    """Slices of `range(entries)`, each small enough that `members` values per entry take little memory."""
    size = max(1, _BLOCK // max(members, 1))
    return [slice(start, start + size) for start in range(0, entries, size)]


def _check_shapes(name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if found != expected:
        raise InputError(f"{name} must have the shape of the truth {expected}, found {found}")


def _check_scored(scored: np.ndarray) -> None:
    if not scored.any():
        raise InputError(f"nothing to score: all {scored.size} entries of the truth are missing (NaN)")


def _check_finite(name: str, fine: np.ndarray) -> None:
    if not fine.all():
        where = tuple(int(i) for i in np.argwhere(~fine)[0])
        raise InputError(f"{name} must be finite wherever the truth is known, found NaN or infinity at entry {where}")
