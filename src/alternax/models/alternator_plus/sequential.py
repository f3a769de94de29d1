"""Alternator++ over an observed sequence: a loop over z alone, everything else called once for all rows.

e_nu reads z_{t-1}, so the latent recurrence is no longer linear and must be walked through. What waits for it is one
small network; g is called before the loop, f and e_psi after it.
"""

from typing import TYPE_CHECKING

import equinox as eqx
from jaxtyping import Array, Float

from alternax.core.sequence import Sequence
from alternax.models.alternator.parallel import Encoded, Trace, draw_noise, encode, put_known
from alternax.models.alternator.state import AlternatorState
from alternax.models.alternator_plus.recurrence import Masks, Rows, latent_path

if TYPE_CHECKING:
    from alternax.models.alternator_plus.model import AlternatorPlusPlus


class Walk(eqx.Module):
    """A path of the latent through an observed sequence.

    Args:
        trace: Predictions and states by row.
        code: The sequence as it is taken in.
        e_psi: The observation's noise as the noise model has it, in what f emits.
        e_nu: The latent's, likewise; 0 at rows with nothing observed.
    """

    trace: Trace
    code: Encoded
    e_psi: Float[Array, "time columns"]
    e_nu: Float[Array, "time latent_dim"]


def walk(
    model: "AlternatorPlusPlus",
    seq: Sequence,
    start: AlternatorState,
    key: Array,
    keep: Array | None = None,
    *,
    known_z: tuple[Array, Array] | None = None,
) -> Walk:
    """Predictions and states of an observed sequence under `gap="hold"`.

    `known_z` holds values of the first latent coordinates after every row and where they are known: f and e_psi are
    then given these in place of the draws, as a latent that was observed (the recurrence itself runs free).
    """
    base = model.base
    code = encode(base, seq, start, keep)
    rows = code.rows
    spread, drawn = draw_noise(base, code, start, key)
    at, masks = Rows(code.flow, drawn, code.carry, code.drive), Masks(rows.seen, rows.valid, rows.starts)
    before, z, e_nu = latent_path(model.nu, start.z, model.nu.shown(code.taken), at, masks)
    if known_z is not None:
        before = put_known(before, *known_z, rows.starts)
    asked = base.otn_input(before, rows.before, seq.controls)
    raw, otn = base.otn(
        asked, start.otn, valid=rows.seen, resets=rows.resets, dt=base.layer_dt(rows.before.elapsed), keep=keep
    )
    e_psi = model.observation_noise(asked)
    params = model.law(raw, e_psi, rows.before, rows.step)
    return Walk(Trace(params, rows, z, spread, code.ftn, otn, code.window), code, e_psi, e_nu)
