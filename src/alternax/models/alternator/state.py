"""What an Alternator carries from row to row."""

from dataclasses import replace
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float, Int

from alternax.models.alternator.vendi import Window
from alternax.nets.past import Past


class AlternatorState(eqx.Module):
    """The state after a row.

    The latent is held as N(z, spread^2 I): the FTN's noise of the row just seen is drawn when time advances, so that
    particles resampled in between get noise of their own.

    Args:
        z: Mean of the latent after the last jump, given the draws before it.
        spread: Standard deviation of the noise not drawn yet: 1 at the start, sigma_z after a jump, 0 once drawn.
        past: Last values, their ages, the running scale.
        ftn: State of the FTN's body; None where it begins by itself, in forms over whole sequences.
        otn: State of the OTN's body, likewise.
        step: Absolute step: the number of rows taken in.
        window: The last rows taken in, where alpha follows them.
    """

    z: Float[Array, "*rows latent_dim"]
    spread: Float[Array, "*rows"]
    past: Past
    ftn: Any
    otn: Any
    step: Int[Array, "*rows"]
    window: Window | None = None

    def without_memories(self) -> "AlternatorState":
        """A first state whose bodies begin by themselves; it cannot be stepped from.

        A body that is given no state need not read a memory that is empty: attention reads the rows of the sequence
        alone and a long convolution reaches no further back than they do.
        """
        return replace(self, ftn=None, otn=None)
