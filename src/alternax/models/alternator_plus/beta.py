"""How much of the signal is in an observation: b_t of Alternator++, within 0 <= b_t <= 1 - sigma_x^2."""

import numpy as np
from jaxtyping import Array

from alternax.core.errors import InputError
from alternax.models.alternator.alpha import Alpha
from alternax.models.checks import check_share


def beta(spec: str | float | Array | np.ndarray, sigma_x: float) -> Alpha:
    """b_t by step, which is bounded and scheduled or learned as a_t is.

    Args:
        spec: "learned" (one scalar), a number, or values by step, the last one serving later steps.
        sigma_x: Standard deviation of the noise that is left, 0 < sigma_x < 1.

    Raises:
        InputError: Naming the bound that is broken.
    """
    if not 0.0 < sigma_x < 1.0:
        raise InputError(
            f"Alternator++ needs 0 < sigma_x^2 < 1, for beta <= 1 - sigma_x^2; found sigma_x = {sigma_x:g}. "
            "Scale the data, or choose an Alternator with noise='learned'."
        )
    if isinstance(spec, str):
        if spec != "learned":
            raise InputError(f"beta={spec!r} is not known: give 'learned', a number, or an array over time.")
        return Alpha("learned", 1, sigma_x)
    check_share("beta", spec, "sigma_x", sigma_x)
    return Alpha(spec, 1, sigma_x)
