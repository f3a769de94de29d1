"""Filtering and smoothing that several models share."""

from alternax.inference.particles import impute_paths, log_evidence

__all__ = ["impute_paths", "log_evidence"]
