"""A diagonal recurrence h_t = a_t h_{t-1} + b_t as layers use it: with masks, and in real weights and states.

A mode is one entry of h. Complex numbers are kept as real and imaginary part in a leading axis of length 2, in weights
and states alike; products with them are products of real matrices.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float, Inexact, Int

from alternax.ops import linear_scan


def held_scan(
    a: Inexact[Array, "..."],
    b: Inexact[Array, "time *features"],
    start: Inexact[Array, "*features"],
    *,
    valid: Bool[Array, "time"] | None,
    resets: Bool[Array, "time"] | None,
) -> tuple[Inexact[Array, "time *features"], Inexact[Array, "time *features"]]:
    """All h twice, as each row's output reads it and as it is kept; see `Layer` for the masks.

    Args:
        a: Factors, one row for each of b or constant in time.
        b: Inputs.
        start: h before the first row.
        valid: Where False, the row reads what it would make of the state, which itself is held.
        resets: Where True, h is zero before the row.
    """
    if valid is None:
        h = linear_scan(a, b, start, resets=resets)
        return h, h
    each_row = (-1,) + (1,) * start.ndim
    taken = valid.reshape(each_row)
    h = linear_scan(jnp.where(taken, a, 1.0), jnp.where(taken, b, 0.0), start, resets=resets)
    before = jnp.concatenate([start[None], h[:-1]])
    before = before if resets is None else jnp.where(resets.reshape(each_row), 0.0, before)
    return jnp.where(taken, h, a * before + b), h


def scan_modes(
    a: Complex[Array, "..."],
    b: Complex[Array, "time modes"],
    state: Float[Array, "2 modes"],
    *,
    valid: Bool[Array, "time"] | None,
    resets: Bool[Array, "time"] | None,
    keep: Int[Array, "kept"] | None,
) -> tuple[Complex[Array, "time modes"], Float[Array, "*kept_shape 2 modes"]]:
    """`held_scan` of complex modes from a real state: all h as the rows read it, and the states to return.

    Args:
        a: Factors, one row for each of b or constant in time.
        b: Inputs.
        state: h before the first row.
        valid: As in `held_scan`.
        resets: As in `held_scan`.
        keep: Rows after which the state is wanted; the last one if None.
    """
    read, h = held_scan(a, b, jax.lax.complex(*state), valid=valid, resets=resets)
    return read, real_state(h[-1] if keep is None else h[keep])


def real_state(h: Complex[Array, "*rows modes"]) -> Float[Array, "*rows 2 modes"]:
    """Complex modes as a state: real and imaginary part."""
    return jnp.stack([h.real, h.imag], axis=-2)


def into_modes(B: Float[Array, "2 modes dim"], x: Float[Array, "*time dim"]) -> Complex[Array, "*time modes"]:
    """The product B x."""
    real, imaginary = jnp.split(x @ B.reshape(-1, B.shape[-1]).T, 2, axis=-1)
    return jax.lax.complex(real, imaginary)


def out_of_modes(C: Float[Array, "2 dim modes"], h: Complex[Array, "*time modes"]) -> Float[Array, "*time dim"]:
    """The product Re(C h)."""
    return h.real @ C[0].T - h.imag @ C[1].T
