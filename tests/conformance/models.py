"""The models that every law is checked on: small configurations that together use every part of each model."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from alternax.core.model import Model
from alternax.models import Alternator, Autoregressive
from alternax.nets.operator import Operator

OBS, CONTROLS = 3, 2
PATTERNS = jnp.array([[0.6, -0.5, 0.4], [0.3, 0.8, 0.2]])


def _alternator(**settings) -> Callable[..., Model]:
    def build(key: PRNGKeyArray, **changes) -> Model:
        sizes = {"latent_dim": 3, "control_dim": CONTROLS, "width": 4, "depth": 1, "sigma_z": 0.3}
        return Alternator(OBS, **(sizes | settings | changes), key=key)

    return build


def _autoregressive(**settings) -> Callable[..., Model]:
    def build(key: PRNGKeyArray, *, sigma_z: float = 0.0, **changes) -> Model:
        sizes = {"control_dim": CONTROLS, "width": 4, "depth": 1}
        return Autoregressive(OBS, **(sizes | settings | changes), key=key)

    return build


MODELS: dict[str, Callable[..., Model]] = {
    "default": _alternator(context=3),
    "paper": _alternator(ftn="affine", noise="paper", residual=None, alpha=np.linspace(0.1, 0.8, 5)),
    "recurrent": _alternator(ftn="mlp", otn="gru", residual="carry", alpha="learned", flow="decay", noise="learned"),
    "lowrank": _alternator(ftn="affine", otn="lru", noise="lowrank", rank=2, context=2),
    "operator": _alternator(ftn="mlp", operator=Operator(PATTERNS), noise="lowrank", residual="carry", alpha=0.3),
    "draw": _alternator(ftn="gru", gap="draw", alpha=0.4, flow="decay"),
    "autoregressive": _autoregressive(context=3),
    "student": _autoregressive(body="gru", law="student", residual="carry", flow="decay"),
    "patterns": _autoregressive(body="affine", head="affine", operator=Operator(PATTERNS), law="lowrank"),
}
"""Each builder takes a key, and `sigma_z=0.0` for the same model without latent noise after the first row."""

ESSENTIAL = ("default", "paper", "operator", "draw", "student")
"""The choice that `make test` takes; the others combine the same parts in other ways."""

NOT_LATENT = frozenset({"autoregressive", "student", "patterns"})
"""Models that draw nothing but observations, so that an observed series is predicted without noise."""

BY_STEP = frozenset({"paper"})
"""Models told to count rows and not time (a schedule of alpha), so that an unobserved instant does change them."""

DRAWN_GAPS = frozenset({"draw"})
"""Models that feed their own draws where nothing was observed, so that an unobserved instant does change them."""
