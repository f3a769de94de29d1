"""From the container of a person's data to the arrays a model sees."""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Shaped

from alternax.core.errors import InputError
from alternax.core.sequence import Sequence
from alternax.data.calendar import calendar_features

if TYPE_CHECKING:
    from alternax.data.sequences import Sequences


def beside(
    data: "Sequences", controls: Float[np.ndarray, "series rows controls"], times: Shaped[np.ndarray, "series rows"]
) -> Float[np.ndarray, "series rows control_dim"]:
    """The user's controls at some times with calendar features and static values beside them."""
    features = calendar_features(times, data.schema.calendar, timezone=data.schema.timezone)
    static = np.broadcast_to(data.static[:, None], (*times.shape, data.static.shape[1]))
    return np.concatenate([controls, features, static], axis=-1)


def jax_sequence(data: "Sequences", dtype: Any = None) -> Sequence:
    """See `Sequences.arrays`."""
    dtype = dtype or jax.dtypes.canonicalize_dtype(float)
    _check_range(data, dtype)
    cast = {"x": data.x, "dt": data.dt, "controls": data.all_controls(), "targets": data.targets}
    return Sequence(
        **{name: jnp.asarray(value, dtype) for name, value in cast.items()},
        observed=jnp.asarray(data.observed),
        valid=jnp.asarray(data.valid),
        labelled=jnp.asarray(data.labelled),
        resets=None,
        scored=jnp.asarray(np.broadcast_to(data.scored, (data.series, data.obs_dim))),
        label=jnp.asarray(data.labels, jnp.int32),
    )


def _check_range(data: "Sequences", dtype: Any) -> None:
    """Refuse what the precision of the model could hold only as infinity."""
    largest = float(jnp.finfo(dtype).max)
    schema = data.schema
    for names, array in ((schema.values, data.x), (schema.controls, data.controls), (schema.targets, data.targets)):
        size = np.abs(array).max((0, 1), initial=0.0)
        if (size > largest).any():
            column = int(size.argmax())
            raise InputError(
                f"Column {names[column]!r} holds {size[column]:.3g}, and {jnp.dtype(dtype).name} ends at "
                f"{largest:.2g}: use a transform such as Scale, or other units."
            )
