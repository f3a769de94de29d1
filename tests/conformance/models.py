"""The models that every law is checked on: small configurations that together use every part of each model."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from alternax.core.model import Model
from alternax.models import Alternator, AlternatorPlusPlus, Autoregressive, SwitchingAlternator, Vendi
from alternax.nets import Grid, GridNet
from alternax.nets.families import Binned, Categorical, Mixture
from alternax.nets.operator import Operator

OBS, CONTROLS = 3, 2
FAMILIES = (Mixture(2), Categorical((-1, 0, 1)), Binned(8, frequencies=3))
GRID = Grid.of_mask(np.array([[True, True], [True, False]]))
PATTERNS = jnp.array([[0.6, -0.5, 0.4], [0.3, 0.8, 0.2]])


def _alternator(**settings) -> Callable[..., Model]:
    def build(key: PRNGKeyArray, **changes) -> Model:
        sizes = {"latent_dim": 3, "control_dim": CONTROLS, "width": 4, "depth": 1, "sigma_z": 0.3}
        return Alternator(OBS, **(sizes | settings | changes), key=key)

    return build


def _plus(**settings) -> Callable[..., Model]:
    def build(key: PRNGKeyArray, **changes) -> Model:
        sizes = {"latent_dim": 3, "control_dim": CONTROLS, "width": 4, "depth": 1, "sigma_z": 0.3, "sigma_x": 0.3}
        return AlternatorPlusPlus(OBS, **(sizes | settings | changes), key=key)

    return build


def _autoregressive(**settings) -> Callable[..., Model]:
    def build(key: PRNGKeyArray, *, sigma_z: float = 0.0, **changes) -> Model:
        sizes = {"control_dim": CONTROLS, "width": 4, "depth": 1}
        return Autoregressive(OBS, **(sizes | settings | changes), key=key)

    return build


def _switching(**settings) -> Callable[..., Model]:
    def build(key: PRNGKeyArray, **changes) -> Model:
        sizes = {"latent_dim": 2, "control_dim": CONTROLS, "width": 4, "depth": 1, "sigma_z": 0.3}
        return SwitchingAlternator(OBS, **(sizes | settings | changes), key=key)

    return build


MODELS: dict[str, Callable[..., Model]] = {
    "default": _alternator(context=3),
    "paper": _alternator(ftn="affine", noise="paper", residual=None, alpha=np.linspace(0.1, 0.8, 5)),
    "recurrent": _alternator(ftn="mlp", otn="gru", residual="carry", alpha="learned", flow="decay", noise="learned"),
    "lowrank": _alternator(ftn="affine", otn="lru", noise="lowrank", rank=2, context=2),
    "operator": _alternator(ftn="mlp", operator=Operator(PATTERNS), noise="lowrank", residual="carry", alpha=0.3),
    "draw": _alternator(ftn="gru", gap="draw", alpha=0.4, flow="decay"),
    "alpha over latents": _alternator(ftn="mlp", alpha=Vendi(window=3, over="latents"), flow="decay"),
    "ou": _alternator(ftn="gru", flow="ou", alpha=0.4, noise="student"),
    "families": _alternator(noise=FAMILIES, residual="carry", context=2, ftn="affine"),
    "grid": _alternator(ftn=GridNet(GRID, width=2, levels=1), otn=GridNet(GRID, width=2, levels=1, skip=True)),
    "plus": _plus(ftn="affine", beta="learned", alpha=0.4, context=3, flow="decay"),
    "plus, paper": _plus(ftn="mlp", noise="paper", residual=None, beta=np.linspace(0.2, 0.8, 5), flow="ou"),
    "plus, layers": _plus(ftn="gru", otn="gru", noise="lowrank", rank=2, flow="decay", noise_nets="affine"),
    "plus, operator": _plus(ftn="mlp", operator=Operator(PATTERNS), noise="lowrank", residual="carry", depth=2),
    "plus, draw": _plus(ftn="affine", gap="draw", alpha=0.4, noise_nets="affine"),
    "switching": _switching(modes=3, ftn="gru", otn="affine", context=2, residual="carry", noise="student"),
    "autoregressive": _autoregressive(context=3),
    "student": _autoregressive(body="gru", law="student", residual="carry", flow="decay"),
    "symbols": _autoregressive(body="gru", law=FAMILIES, residual=None),
    "patterns": _autoregressive(body="affine", head="affine", operator=Operator(PATTERNS), law="lowrank"),
}
"""Each builder takes a key, and `sigma_z=0.0` for the same model without latent noise after the first row."""

ESSENTIAL = ("default", "operator", "draw", "student")
"""The choice that `make test` takes; the others combine the same parts in other ways."""

NOT_LATENT = frozenset({"autoregressive", "student", "symbols", "patterns"})
"""Models that draw nothing but observations, so that an observed series is predicted without noise."""

BY_STEP = frozenset({"paper", "switching", "plus, paper"})
"""Models told to count rows and not time (a schedule of alpha, modes), which an unobserved instant does change."""

DRAWN_GAPS = frozenset({"draw", "plus, draw"})
"""Models that feed their own draws where nothing was observed, so that an unobserved instant does change them."""

NOISY_FLOW = frozenset({"ou"})
"""Models whose latent gains noise between rows, which an unobserved instant draws in two parts: the same law, which
tests/models/alternator/test_flow.py compares, and other draws."""
