"""Rows as the networks of a model see them, before and after they are observed, and the law of a row from an output.

What is missing of a row and how old the last values are reach a network through weights that start at zero: a model
trained on complete rows gets no gradient there, and a first gap in use must not meet random weights.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from alternax.core.layer import Layer, Mixer
from alternax.nets.body import Body, body, silence
from alternax.nets.context_scale import ContextScale
from alternax.nets.noise import Noise
from alternax.nets.operator import Operator
from alternax.nets.past import Past
from alternax.nets.residual import Residual

TINY = 1e-12


def seen_dim(obs_dim: int, operator: Operator | None) -> int:
    """Number of columns that networks see and emit: those of x, or the operator's coordinates."""
    return obs_dim if operator is None else operator.count


def reader(
    kind: str | Layer | Mixer,
    obs_dim: int,
    control_dim: int,
    out_dim: int,
    operator: Operator | None,
    *,
    width: int,
    depth: int,
    key: PRNGKeyArray,
) -> Body:
    """The body that takes rows in as `row_taken` shows them, blind at the start to what is missing."""
    columns = seen_dim(obs_dim, operator)
    net = body(kind, 2 * columns + control_dim, out_dim, width=width, depth=depth, key=key)
    return silence(net, columns, 2 * columns)


def predictor(
    kind: str | Layer | Mixer,
    state_dim: int,
    obs_dim: int,
    control_dim: int,
    noise: Noise,
    operator: Operator | None,
    *,
    width: int,
    depth: int,
    key: PRNGKeyArray,
) -> Body:
    """The body that `law` reads, asked as `row_asked` does, blind at the start to the ages."""
    ages = obs_dim if operator is None else 1
    out_dim = seen_dim(obs_dim, operator) + noise.out_dim
    net = body(kind, state_dim + ages + control_dim, out_dim, width=width, depth=depth, key=key)
    return silence(net, state_dim, state_dim + ages)


def row_taken(
    past: Past,
    observed: Bool[Array, "*rows obs_dim"],
    control: Float[Array, "*rows control_dim"],
    scaling: ContextScale | None,
    operator: Operator | None,
) -> Float[Array, "*rows in_dim"]:
    """A row taken in, of the past after it: the row completed by last values, what is missing of it, the controls."""
    last, missing = past.last, 1.0 - observed.astype(past.last.dtype)
    if scaling is not None:
        location, spread = scaling.location_scale(past.scale)
        last = (last - location) / spread
    if operator is not None:
        last, missing = operator.coordinates(last), operator.missing_share(missing)
    return jnp.concatenate([last, missing, control], axis=-1)


def row_asked(
    state: Float[Array, "*rows state_dim"],
    past: Past,
    control: Float[Array, "*rows control_dim"],
    operator: Operator | None,
) -> Float[Array, "*rows in_dim"]:
    """A row asked for: the state, the logarithm of the time since each column (or any row) was seen, the controls."""
    since = past.age if operator is None else past.elapsed[..., None]
    return jnp.concatenate([state, jnp.log(jnp.maximum(since, TINY)), control], axis=-1)


def law(
    raw: Float[Array, "*rows out_dim"],
    past: Past,
    noise: Noise,
    residual: Residual,
    scaling: ContextScale | None,
    operator: Operator | None,
) -> dict[str, Float[Array, "*rows obs_dim"]]:
    """What `Noise.emission` needs, in data units, from a predictor's output and the past of the row."""
    location, gain = jnp.zeros_like(past.last), jnp.ones_like(past.last)
    if scaling is not None:
        location, gain = scaling.location_scale(past.scale)
    split = raw.shape[-1] - noise.out_dim
    mean = noise.mean_factor * raw[..., :split]
    mean = mean if operator is None else operator.field(mean)
    mean = mean + residual((past.last - location) / gain, past.age, operator)
    return {"loc": location + gain * mean, "scale": noise.scale(raw[..., split:]), "gain": gain}
