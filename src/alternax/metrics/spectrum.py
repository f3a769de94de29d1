"""Spectrum distance: whether generated trajectories have the rhythms of the true ones."""

import numpy as np

from alternax.core.errors import InputError
from alternax.metrics.trajectories import trajectories

WINDOWS = {"boxcar": np.ones, "hann": lambda rows: 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(rows) / rows)}


def spectrum_distance(
    generated: np.ndarray, truth: np.ndarray, *, smoothing: float = 20.0, window: str = "boxcar"
) -> float:
    """Hellinger distance D_H of power spectra, mean over columns: 0 where they agree, 1 where they share no frequency.

    Every path and column is standardised by its own mean and standard deviation and multiplied by the window; its
    spectrum is `|rfft|^2` over the n // 2 frequencies above 0, divided by its sum. Spectra are averaged over paths and
    smoothed by a Gaussian of `smoothing` bins (one bin is a frequency of 1 / n per row; cut off at 4 standard
    deviations; mirrored at the ends, which keeps the sum), and compared by `sqrt(1 - sum_f sqrt(p_f q_f))`. A generated
    path and column that has a value that is not finite, or does not vary, has no spectrum: it adds 0 to the average,
    which keeps the share that is lost, so that the distance is 1 where all are.

    Two paths of one law do not reach 0, as a periodogram is noisy: for a smooth spectrum the distance of one path to
    another is near `sqrt(1 / (8 sqrt(pi) smoothing))`, .06 at 20 bins, and less by the root of their number with more.

    Args:
        generated: Trajectories `(time, dim)` or `(path, time, dim)` at equal time steps.
        truth: True ones of as many rows, likewise.
        smoothing: Standard deviation of the Gaussian in bins; 0 for none.
        window: "boxcar" (none, as published) or "hann", which keeps strong lines from leaking into weak frequencies.

    Returns:
        The distance.

    Raises:
        InputError: If shapes do not fit, the truth is not finite or does not vary, the window is unknown, or smoothing
            is negative or as wide as the spectrum.

    Example:
        >>> wave = lambda cycles, shift: np.sin(2 * np.pi * cycles * np.arange(1000)[:, None] / 1000 + shift)
        >>> round(spectrum_distance(wave(50, 1.0), wave(50, 0.0)), 4)
        0.0
        >>> round(spectrum_distance(wave(400, 1.0), wave(50, 0.0)), 4)
        1.0

    Reference: Hess, Monfared, Brenner and Durstewitz 2023, PMLR 202, 13017-13049.
    """
    generated, truth = trajectories(generated, truth)
    if generated.shape[1] != truth.shape[1]:
        raise InputError(f"spectra need as many rows in both, found {generated.shape[1]} and {truth.shape[1]}")
    if window not in WINDOWS:
        raise InputError(f"window must be one of {', '.join(WINDOWS)}; found {window!r}")
    frequencies = truth.shape[1] // 2
    if not 0 <= smoothing < frequencies:
        raise InputError(
            f"smoothing must be at least 0 and below the {frequencies} frequencies of {truth.shape[1]} rows; "
            f"found {smoothing!r}"
        )
    p, q = (_spectrum(paths, smoothing, window) for paths in (truth, generated))
    shared = np.sqrt(p * q).sum(0)
    return float(np.sqrt(np.clip(1 - shared, 0.0, None)).mean())


def _spectrum(paths: np.ndarray, smoothing: float, window: str) -> np.ndarray:
    """Shares of the frequencies by column; their sum is the share of the paths that have a spectrum."""
    from scipy.ndimage import gaussian_filter1d

    with np.errstate(over="ignore", invalid="ignore"):
        centred = paths - paths.mean(1, keepdims=True)
        spread = centred.std(1, keepdims=True)
    moving = spread > 0
    standard = np.divide(centred, spread, out=np.zeros_like(centred), where=moving)
    power = np.abs(np.fft.rfft(standard * WINDOWS[window](paths.shape[1])[:, None], axis=1)[:, 1:]) ** 2
    total = power.sum(1, keepdims=True)
    shares = np.divide(power, total, out=np.zeros_like(power), where=moving & (total > 0)).mean(0)
    return gaussian_filter1d(shares, smoothing, axis=0, mode="reflect") if smoothing else shares
