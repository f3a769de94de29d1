"""What makes the bodies of a model itself, because it knows what the numbers of a row are."""

from abc import abstractmethod
from dataclasses import dataclass

import equinox as eqx
import numpy as np
from jaxtyping import Int, PRNGKeyArray

from alternax.nets.body import Body


@dataclass(frozen=True)
class RowLayout:
    """What the numbers are that a model's networks read and put out for a row.

    A reader is given [shown, one for each column what is missing, controls]; a predictor [state, one for each column
    how old it is, shown if it `reads_last`, controls], and puts out what is asked.

    Args:
        obs_dim: Number of columns.
        control_dim: Number of controls.
        shown: The column of every number by which a row is shown.
        asked: The column of every number that is asked of a predictor.
    """

    obs_dim: int
    control_dim: int
    shown: Int[np.ndarray, "shown"]
    asked: Int[np.ndarray, "asked"]


class BodyMaker(eqx.Module):
    """Stands where the name of a body does, with sizes of its own."""

    @abstractmethod
    def reader(self, layout: RowLayout, out_dim: int, *, key: PRNGKeyArray) -> Body:
        """The body that takes rows in."""

    @abstractmethod
    def predictor(self, layout: RowLayout, state_dim: int, *, key: PRNGKeyArray) -> Body:
        """The body that is asked for rows."""
