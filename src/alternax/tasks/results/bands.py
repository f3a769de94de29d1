"""How targets scatter around what was decoded, measured on rows held out: what makes bands hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from jaxtyping import Float

from alternax.core.errors import InputError
from alternax.data.sequences import Sequences

if TYPE_CHECKING:
    from alternax.tasks.results.decoded import Decoded

PROBABILITIES = np.arange(1, 200) / 200
LEAST_ROWS = 20


@dataclass(frozen=True, eq=False)
class Bands:
    """The law of the standardised residuals (truth - mean) / std of every target, as quantiles.

    A model that fits its training rows more closely than others, or errors that are not Gaussian, make bands of a
    Gaussian around the mean too narrow or too wide. These quantiles put the edges where the truth was seen to lie.

    Attributes:
        scale: Root mean square of the residuals: what the model's standard deviation has to be multiplied by.
        quantiles: Quantiles of residuals divided by `scale`, at the probabilities 1/200 to 199/200.
    """

    scale: Float[np.ndarray, "target"]
    quantiles: Float[np.ndarray, "probability target"]

    @classmethod
    def measured(cls, decoded: "Decoded", data: Sequences, rows: slice = slice(None)) -> Self:
        """Scale and quantiles of the residuals at the labelled rows of `data`, which `decoded` answers.

        Those outside `rows`, which are positions in every series, do not count.

        The quantiles are those of rank p (n + 1) (Hyndman and Fan 1996, type 6): a further residual of the same law
        falls below that of p with probability p for any n.

        Raises:
            InputError: If a target has fewer than 20 labelled rows, or is decoded exactly.
        """
        shape, inside = data.targets.shape, np.zeros_like(data.valid)
        for series, length in zip(inside, data.lengths, strict=True):
            series[:length][rows] = True
        known = data.labelled & inside[..., None]
        residuals = (data.targets - decoded.mean.reshape(shape)) / decoded.std.reshape(shape)
        laws = [_law(residuals[..., i][known[..., i]], name) for i, name in enumerate(decoded.names)]
        return cls(*(np.stack(parts, -1) for parts in zip(*laws, strict=True)))

    def at(self, probabilities: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape target"]:
        """Edges in standard deviations from the mean; beyond the outermost quantiles in Gaussian steps."""
        inside = np.asarray(np.clip(probabilities, PROBABILITIES[0], PROBABILITIES[-1]))
        beyond = gaussian(probabilities) - gaussian(inside)
        edges = [np.interp(inside, PROBABILITIES, column) + beyond for column in self.quantiles.T]
        return np.stack(edges, -1)

    def to_dict(self) -> dict[str, np.ndarray]:
        """The arrays, as they are saved."""
        return {"scale": self.scale, "quantiles": self.quantiles}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any], targets: int) -> Self:
        """The bands that `to_dict` wrote for so many targets.

        Raises:
            ValueError: If they are none.
        """
        for name, shape in (("scale", (targets,)), ("quantiles", (len(PROBABILITIES), targets))):
            array = saved[name]
            if not isinstance(array, np.ndarray) or array.dtype != np.float64 or array.shape != shape:
                raise ValueError(f"bands.{name} must be float64 {shape}")
        bands = cls(**saved)
        rising = (np.diff(bands.quantiles, axis=0) >= 0).all() and np.isfinite(bands.quantiles).all()
        if not rising or not (np.isfinite(bands.scale) & (bands.scale > 0)).all():
            raise ValueError("bands need positive scales and rising quantiles")
        return bands


def gaussian(probabilities: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Quantiles of the standard normal law."""
    from scipy.special import ndtri

    return np.asarray(ndtri(probabilities))


def _law(residuals: Float[np.ndarray, "row"], name: str) -> tuple[float, np.ndarray]:
    if len(residuals) < LEAST_ROWS:
        raise InputError(
            f"calibrate: target {name!r} has {len(residuals)} labelled rows, bands need {LEAST_ROWS} at the least: "
            "give labelled rows that were not trained on (with rows=, only those inside count)."
        )
    scale = float(np.sqrt(np.mean(residuals**2)))
    if not (np.isfinite(scale) and scale > 0):
        raise InputError(f"calibrate: target {name!r} has residuals without a scale (it is {scale:g}).")
    return scale, np.quantile(residuals / scale, PROBABILITIES, method="weibull")
