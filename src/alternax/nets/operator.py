"""A fixed linear observation operator, such as the EOF patterns of a field: x = coordinates @ basis + remainder."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from alternax.core.errors import InputError
from alternax.core.fixed import Fixed


class Operator(eqx.Module):
    """Patterns that span the main part of x, and the analysis that reads their coordinates.

    Args:
        basis: Patterns, `(patterns, obs_dim)`.
        analysis: Rows whose inner product with x gives the coordinates, `(patterns, obs_dim)`; with it `analysis @
            basis.T` is the identity. Default: the pseudo-inverse of the basis.
    """

    basis: Fixed
    analysis: Fixed
    energy: Fixed

    def __init__(self, basis: ArrayLike, analysis: ArrayLike | None = None):
        basis = np.asarray(basis, dtype=float)
        if basis.ndim != 2 or basis.shape[0] > basis.shape[1]:
            raise InputError(
                f"an operator needs a basis of shape (patterns, obs_dim), patterns <= obs_dim; found {basis.shape}."
            )
        analysis = np.linalg.pinv(basis).T if analysis is None else np.asarray(analysis, dtype=float)
        if analysis.shape != basis.shape:
            raise InputError(f"basis and analysis must have one shape; found {basis.shape} and {analysis.shape}.")
        off = np.abs(analysis @ basis.T - np.eye(len(basis))).max()
        if not off < 1e-4:
            raise InputError(
                f"analysis @ basis.T must be the identity (largest difference {off:.2g}): the "
                "patterns depend on each other."
            )
        share = analysis**2 / (analysis**2).sum(1, keepdims=True)
        self.basis, self.analysis, self.energy = (Fixed(jnp.asarray(a, dtype=float)) for a in (basis, analysis, share))

    @property
    def count(self) -> int:
        """Number of patterns."""
        return self.basis.value.shape[0]

    @property
    def obs_dim(self) -> int:
        """Number of columns of x."""
        return self.basis.value.shape[1]

    def coordinates(self, x: Float[Array, "*rows obs_dim"]) -> Float[Array, "*rows patterns"]:
        """The coordinates of x in the patterns."""
        return x @ self.analysis.value.T

    def field(self, coordinates: Float[Array, "*rows patterns"]) -> Float[Array, "*rows obs_dim"]:
        """The field that the coordinates stand for."""
        return coordinates @ self.basis.value

    def missing_share(self, missing: Float[Array, "*rows obs_dim"]) -> Float[Array, "*rows patterns"]:
        """How much of each coordinate rests on missing entries, 0 to 1."""
        return missing @ self.energy.value.T
