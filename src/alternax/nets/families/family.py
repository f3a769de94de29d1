"""The law of one column of observations: how a value looks to a network, and what a network's outputs mean."""

from abc import abstractmethod
from typing import ClassVar

import equinox as eqx
from jaxtyping import Array, Float
from numpyro.distributions import Distribution


class Family(eqx.Module):
    """A family of univariate laws; it has settings and no parameters, so that equal columns are handled as one.

    Every column has a unit `(location, gain)`: mean and standard deviation of a real column, 0 and the level of one of
    counts or positive values, 0 and 1 of all others.

    Attributes:
        kinds: Kinds of columns (`Schema.kinds`) whose values it can describe.
        width: Numbers that a network puts out for a column.
        shown_width: Numbers by which a value is shown to a network.
        persistent: Whether a residual adds what persists of the last value to the first of the outputs.
        unit: "spread" (mean and standard deviation), "level" (0 and the level) or "one" (0 and 1).
        smooth: Whether draws are differentiable in the outputs, as rollout scores need.
    """

    kinds: ClassVar[tuple[str, ...]]
    unit: ClassVar[str] = "spread"
    persistent: ClassVar[bool] = False
    smooth: ClassVar[bool] = False

    @property
    @abstractmethod
    def width(self) -> int:
        """See above."""

    @property
    def shown_width(self) -> int:
        """See above."""
        return 1

    @abstractmethod
    def shown(
        self, x: Float[Array, "*rows columns"], location: Float[Array, "*rows columns"], gain: Array
    ) -> Float[Array, "*rows columns shown"]:
        """Values as a network sees them; any number is a value here, also the 0 of a column never observed."""

    @abstractmethod
    def law(
        self,
        raw: Float[Array, "*rows columns width"],
        base: Float[Array, "*rows columns"],
        location: Float[Array, "*rows columns"],
        gain: Float[Array, "*rows columns"],
    ) -> Distribution:
        """The laws of the columns, batch shape `(*rows, columns)`, in the units of x.

        Args:
            raw: A network's outputs, about 0 at the start.
            base: What persists of the last value, as it is shown; read by a persistent family only.
            location: See the class.
            gain: See the class.
        """
