"""Checks at the Alternator's door, and its alpha and decoder made from their specifications."""

import jax

from alternax.core.errors import InputError
from alternax.models.alternator.alpha import Alpha
from alternax.models.alternator.vendi import Vendi, VendiAlpha
from alternax.models.checks import check_choice, check_counts, check_operator
from alternax.nets.body import Body, body
from alternax.nets.flow import KINDS as FLOWS
from alternax.nets.target_scale import KINDS as TARGET_NOISES

GAPS = ("hold", "draw")


def check(
    obs_dim, latent_dim, target_dim, control_dim, sigma_z, flow, context, gap, decode, target_noise, operator
) -> None:
    """Raise `InputError` on the first setting out of its bounds."""
    check_counts(1, obs_dim=obs_dim, latent_dim=latent_dim)
    check_counts(0, target_dim=target_dim, control_dim=control_dim)
    if context is not None:
        check_counts(1, context=context)
    if not 0.0 <= sigma_z < 1.0:
        raise InputError(f"sigma_z must satisfy 0 <= sigma_z^2 < 1; found sigma_z = {sigma_z:g}.")
    check_choice("flow", flow, FLOWS)
    check_choice("gap", gap, GAPS)
    check_choice("decode", decode, ("latent", "head"))
    check_choice("target_noise", target_noise, TARGET_NOISES)
    if decode == "latent" and target_dim > latent_dim:
        raise InputError(
            f"decode='latent' reads {target_dim} targets off z, which has latent_dim = {latent_dim}: raise latent_dim."
        )
    check_operator(operator, obs_dim, context)


def alpha(spec, latent_dim: int, sigma_z: float) -> Alpha | VendiAlpha:
    """What the specification stands for: alpha by step, or by the rows of a window."""
    spec = Vendi() if isinstance(spec, str) and spec == "vendi" else spec
    return VendiAlpha(spec, latent_dim, sigma_z) if isinstance(spec, Vendi) else Alpha(spec, latent_dim, sigma_z)


def head(decode: str, latent_dim: int, target_dim: int, width: int, key) -> Body | None:
    """The decoder of the targets; None when they are coordinates of z or there are none."""
    if decode == "latent" or target_dim == 0:
        return None
    return body("mlp", latent_dim, target_dim, width=width, depth=1, key=jax.random.fold_in(key, 1))
