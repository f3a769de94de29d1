"""Attractor distance: whether generated trajectories visit the places that the true ones do, as often."""

import numpy as np

from alternax.core.errors import InputError
from alternax.metrics.trajectories import trajectories

MARGIN = 0.1
OUTSIDE = -1
LARGEST_SHARE = 0.1


def attractor_distance(generated: np.ndarray, truth: np.ndarray, *, bins: int = 30, smoothing: float = 1e-5) -> float:
    """State-space divergence D_stsp: how far the places generated are from those of the truth, in nats; 0 at best.

    The Kullback-Leibler divergence `sum_k p_k log(p_k / q_k)` of the cells that the true (p) and the generated (q)
    points fall into, all paths together, the order in time left out. A column is cut into `bins` equal bins from its
    smallest true value less a tenth of its standard deviation to its largest plus as much. One further cell takes all
    points outside, those that are not finite included: a path that diverged counts, where the published codes leave it
    out. With c of n points a cell has `(c + smoothing) / (n + smoothing K)`, K = bins^dim + 1.

    Two samples of the same law do not reach 0: where all cells are well filled they are at
    `(K - 1) / 2 (1 / n_generated + 1 / n_truth)` in the mean, and further apart with sparse ones. Compare with the
    distance of another true trajectory of equal length, and keep `bins` and lengths when comparing models.

    Args:
        generated: Points generated, `(time, dim)` or `(path, time, dim)`.
        truth: True points, likewise; any number of them.
        bins: Bins of a column.
        smoothing: Pseudo-count of every cell, above 0. It decides what an empty cell costs.

    Returns:
        The divergence, not symmetric in the two.

    Raises:
        InputError: If shapes do not fit, the truth is not finite or does not vary, a setting is out of range, or the
            pseudo-counts of all cells are more than a tenth of the points (too many bins for so many columns).

    Example:
        >>> paths = np.tile(np.random.default_rng(0).normal(size=(1, 5000, 2)), (2, 1, 1))
        >>> diverged = paths * [[[1.0]], [[np.inf]]]
        >>> round(attractor_distance(paths, paths), 2), round(attractor_distance(diverged, paths), 2)
        (0.0, 0.69)

    Reference: Koppe, Toutounji, Kirsch, Lis and Durstewitz 2019, PLoS Computational Biology 15, e1007263, equation 9;
    Brenner et al. 2022, arXiv 2207.02542, for the smoothing; Hess, Monfared, Brenner and Durstewitz 2023, PMLR 202,
    13017-13049, for the range.
    """
    generated, truth = trajectories(generated, truth)
    points, reference = (a.reshape(-1, a.shape[-1]) for a in (generated, truth))
    cells = _check(bins, smoothing, reference.shape[1], min(len(points), len(reference)))
    spread = reference.std(0)
    low, high = reference.min(0) - MARGIN * spread, reference.max(0) + MARGIN * spread
    places = np.concatenate([_cell(a, low, high, bins) for a in (reference, points)])
    occupied, place = np.unique(places, return_inverse=True)
    counts = [np.bincount(a, minlength=len(occupied)) for a in np.split(place, [len(reference)])]
    p, q = ((np.append(c, 0) + smoothing) / (c.sum() + smoothing * cells) for c in counts)
    weight = np.append(np.ones(len(occupied)), cells - len(occupied))
    return float((weight * p * np.log(p / q)).sum())


def _cell(points: np.ndarray, low: np.ndarray, high: np.ndarray, bins: int) -> np.ndarray:
    """Number of the cell of every point."""
    with np.errstate(over="ignore"):
        place = np.floor((points - low) / (high - low) * bins)
    inside = np.logical_and.reduce((place >= 0) & (place < bins), axis=1)
    index = np.where(inside[:, None], place, 0).astype(np.int64)
    return np.where(inside, np.ravel_multi_index(tuple(index.T), (bins,) * index.shape[1]), OUTSIDE)


def _check(bins: int, smoothing: float, dim: int, points: int) -> int:
    """Number of cells, that outside included."""
    if not isinstance(bins, (int, np.integer)) or bins < 2:
        raise InputError(f"bins must be an integer of at least 2, found {bins!r}")
    if not 0 < smoothing < np.inf:
        raise InputError(f"smoothing must be a positive number, found {smoothing!r}")
    cells = int(bins) ** dim + 1
    if smoothing * cells > LARGEST_SHARE * points or cells > np.iinfo(np.int64).max:
        raise InputError(
            f"{bins} bins in {dim} columns are {cells:.3g} cells, whose smoothing weighs {smoothing * cells:.3g} "
            f"beside {points} points: give fewer bins, less smoothing, or some of the columns"
        )
    return cells
