"""The latent recurrence of Alternator++ through observed rows, with a gradient written by hand.

    u_t = flow_t z_{t-1} + drawn_t        z_t = drive_t + carry_t e_nu(u_t, x_t)

z_t = u_t where nothing was observed, z_{t-1} on padding, and z_{t-1} is 0 where a new sequence starts. With cotangents
bar,

    e_t bar += carry_t (z_t bar),    u_t bar += J_t' (e_t bar),    z_{t-1} bar += flow_t (u_t bar),

J_t the Jacobian of e_nu in u: so the loop backward has the same few products as the loop forward. What the weights of
e_nu, and the rows it was shown, have to do with it is one call for all rows, outside both loops.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from alternax.models.alternator_plus.latent_noise import LatentNoise


class Rows(eqx.Module):
    """What the recurrence needs of every row; see above."""

    flow: Float[Array, "time latent_dim"]
    drawn: Float[Array, "time latent_dim"]
    carry: Float[Array, "time latent_dim"]
    drive: Float[Array, "time latent_dim"]


class Masks(eqx.Module):
    """Rows with anything observed, no padding, starts of new sequences; the first and last are among the second."""

    seen: Bool[Array, "time"]
    valid: Bool[Array, "time"]
    resets: Bool[Array, "time"]


def latent_path(
    nu: LatentNoise, z0: Float[Array, "latent_dim"], shown: Float[Array, "time width"], rows: Rows, masks: Masks
) -> tuple[Float[Array, "time latent_dim"], Float[Array, "time latent_dim"], Float[Array, "time latent_dim"]]:
    """u_t, z_t and e_nu(u_t, x_t) of all rows, the last 0 where nothing was observed; reverse mode only.

    Args:
        nu: The noise model of the latent.
        z0: State before the first row.
        shown: `nu.shown` of the rows.
        rows: Flow, noise, carry and drive.
        masks: What to do at which row.
    """
    held, held_shown = jax.lax.stop_gradient((nu, shown))
    u, z = _loop(held, *jax.lax.stop_gradient((z0, shown, rows)), masks)
    e = jnp.where(masks.seen[:, None], nu(u, shown), 0.0)
    slopes = held.slopes(u, held_shown)
    return _attached(e, z0, rows, (u, z), held, slopes, masks)


def _loop(nu: LatentNoise, z0: Array, shown: Array, rows: Rows, masks: Masks) -> tuple[Array, Array]:
    def body(z, row):
        shown, at, mask = row
        u = at.flow * jnp.where(mask.resets, 0.0, z) + at.drawn
        after = jnp.where(mask.seen, at.drive + at.carry * nu(u, shown), jnp.where(mask.valid, u, z))
        return after, (u, after)

    return jax.lax.scan(body, z0, (shown, rows, masks))[1]


@jax.custom_vjp
def _attached(e: Array, z0: Array, rows: Rows, path: tuple[Array, Array], nu: LatentNoise, slopes, masks: Masks):
    """The path that the loop found, differentiable in e, z0 and the rows."""
    return *path, e


def _forward(e, z0, rows, path, nu, slopes, masks):
    return (*path, e), (e, z0, rows, path[1], nu, slopes, masks)


def _backward(kept, cotangents):
    e, z0, rows, z, nu, slopes, masks = kept

    def body(later, row):
        (u_bar, z_bar, e_bar), at, slopes, mask = row
        z_bar = z_bar + later
        e_bar = jnp.where(mask.seen, e_bar + at.carry * z_bar, 0.0)
        held = jnp.where(mask.valid, z_bar, 0.0)
        u_bar = u_bar + jnp.where(mask.seen, nu.pulled(e_bar, slopes), held)
        before = jnp.where(mask.resets, 0.0, at.flow * u_bar) + jnp.where(mask.valid, 0.0, z_bar)
        return before, (u_bar, z_bar, e_bar)

    z0_bar, (u_bar, z_bar, e_bar) = jax.lax.scan(
        body, jnp.zeros_like(z0), (cotangents, rows, slopes, masks), reverse=True
    )
    z_before = jnp.where(masks.resets[:, None], 0.0, jnp.concatenate([z0[None], z[:-1]]))
    drive_bar = jnp.where(masks.seen[:, None], z_bar, 0.0)
    rows_bar = Rows(flow=u_bar * z_before, drawn=u_bar, carry=drive_bar * e, drive=drive_bar)
    return e_bar, z0_bar, rows_bar, None, None, None, None


_attached.defvjp(_forward, _backward)
