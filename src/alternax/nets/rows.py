"""Rows as the networks of a model see them, before and after they are observed, and the kind of law of a row.

What is missing of a row and how old the last values are reach a network through weights that start at zero: a model
trained on complete rows gets no gradient there, and a first gap in use must not meet random weights.
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from alternax.core.errors import InputError
from alternax.core.layer import Layer, Mixer
from alternax.nets.body import Body, body, silence
from alternax.nets.body_maker import BodyMaker, RowLayout
from alternax.nets.context_scale import ContextScale
from alternax.nets.families import ColumnLaws, Family
from alternax.nets.noise import Noise
from alternax.nets.operator import Operator
from alternax.nets.past import Past

TINY = 1e-12


def shown_dim(obs_dim: int, noise: Noise | ColumnLaws, operator: Operator | None) -> int:
    """Numbers by which a row is shown to a network: its columns, families of them, or the operator's coordinates."""
    if isinstance(noise, ColumnLaws):
        return noise.shown_dim
    return obs_dim if operator is None else operator.count


def row_law(
    spec: str | ColumnLaws | Sequence[Family],
    obs_dim: int,
    sigma_x: float,
    rank: int,
    operator: Operator | None,
    key: PRNGKeyArray,
) -> Noise | ColumnLaws:
    """The law of a row by name (see `Noise`), or of a family for each column."""
    if isinstance(spec, str):
        return Noise(spec, obs_dim, sigma_x, rank, operator, key)
    laws = spec if isinstance(spec, ColumnLaws) else ColumnLaws(spec)
    if laws.obs_dim != obs_dim:
        raise InputError(f"the families are for {laws.obs_dim} columns, the model for obs_dim = {obs_dim}.")
    if operator is not None:
        raise InputError("an observation operator mixes real columns: use one of the named noises with it.")
    return laws


def reader(
    kind: str | Layer | Mixer | BodyMaker,
    obs_dim: int,
    control_dim: int,
    out_dim: int,
    noise: Noise | ColumnLaws,
    operator: Operator | None,
    *,
    width: int,
    depth: int,
    key: PRNGKeyArray,
) -> Body:
    """The body that takes rows in as `row_taken` shows them, blind at the start to what is missing."""
    shown, missing = shown_dim(obs_dim, noise, operator), obs_dim if operator is None else operator.count
    if isinstance(kind, BodyMaker):
        net = kind.reader(_layout(obs_dim, control_dim, noise, operator), out_dim, key=key)
    else:
        net = body(kind, shown + missing + control_dim, out_dim, width=width, depth=depth, key=key)
    return silence(net, shown, shown + missing)


def predictor(
    kind: str | Layer | Mixer | BodyMaker,
    state_dim: int,
    obs_dim: int,
    control_dim: int,
    noise: Noise | ColumnLaws,
    operator: Operator | None,
    *,
    width: int,
    depth: int,
    key: PRNGKeyArray,
) -> Body:
    """The body that the law of a row is read off, asked as `row_asked` does, blind at the start to the ages."""
    ages = obs_dim if operator is None else 1
    if isinstance(kind, BodyMaker):
        net = kind.predictor(_layout(obs_dim, control_dim, noise, operator), state_dim, key=key)
        return silence(net, state_dim, state_dim + ages)
    out_dim = (
        noise.asked_dim if isinstance(noise, ColumnLaws) else (shown_dim(obs_dim, noise, operator) + noise.out_dim)
    )
    net = body(kind, state_dim + ages + control_dim, out_dim, width=width, depth=depth, key=key)
    return silence(net, state_dim, state_dim + ages)


def row_taken(
    past: Past,
    observed: Bool[Array, "*rows obs_dim"],
    control: Float[Array, "*rows control_dim"],
    noise: Noise | ColumnLaws,
    scaling: ContextScale | None,
    operator: Operator | None,
) -> Float[Array, "*rows in_dim"]:
    """A row taken in, of the past after it: the row completed by last values, what is missing of it, the controls."""
    missing = 1.0 - observed.astype(past.last.dtype)
    missing = missing if operator is None else operator.missing_share(missing)
    return jnp.concatenate([noise.shown(past, scaling, operator), missing, control], axis=-1)


def row_asked(
    net: Body,
    state: Float[Array, "*rows state_dim"],
    past: Past,
    control: Float[Array, "*rows control_dim"],
    noise: Noise | ColumnLaws,
    scaling: ContextScale | None,
    operator: Operator | None,
) -> Float[Array, "*rows in_dim"]:
    """A row asked for: the state, the logarithm of the time since each column (or any row) was seen, the controls.

    Before the controls stand the last values, where the predictor `net` reads them.
    """
    since = past.age if operator is None else past.elapsed[..., None]
    last = [noise.shown(past, scaling, operator)] if net.reads_last else []
    return jnp.concatenate([state, jnp.log(jnp.maximum(since, TINY)), *last, control], axis=-1)


def counted_weight(
    log_weight: Float[Array, "*rows"], past: Past, scaling: ContextScale | None
) -> Float[Array, "*rows"]:
    """Log-weights of rows, given the past before them: 0 in those that set the scale of the context."""
    return log_weight if scaling is None else jnp.where(scaling.warmed(past.scale), log_weight, 0.0)


def _layout(obs_dim: int, control_dim: int, noise: Noise | ColumnLaws, operator: Operator | None) -> RowLayout:
    """Which columns the numbers belong to that networks read and put out."""
    if operator is not None:
        raise InputError(
            "a network for fields on a grid reads the cells, an operator shows coordinates of patterns in their place: "
            "leave out operator=, or use named bodies."
        )
    if isinstance(noise, ColumnLaws):
        return RowLayout(obs_dim, control_dim, noise.shown_columns, noise.asked_columns)
    columns = np.arange(obs_dim)
    scales = columns[: noise.out_dim]
    return RowLayout(obs_dim, control_dim, columns, np.concatenate([columns, scales]))
