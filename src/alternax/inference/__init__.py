"""Filtering and smoothing that several models share."""

from alternax.inference.ancestry import ancestral_paths
from alternax.inference.backward import backward_paths, latents_after
from alternax.inference.filtering import particle_filter
from alternax.inference.gibbs import gibbs_paths
from alternax.inference.kalman import kalman_filter, kalman_smoother
from alternax.inference.paris import smoothed_sum
from alternax.inference.particles import impute_paths, log_evidence

__all__ = [
    "ancestral_paths",
    "backward_paths",
    "gibbs_paths",
    "impute_paths",
    "kalman_filter",
    "kalman_smoother",
    "latents_after",
    "log_evidence",
    "particle_filter",
    "smoothed_sum",
]
