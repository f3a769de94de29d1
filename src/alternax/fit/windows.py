"""Windows of the training series: drawn at random for training, laid out evenly for validation."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, PRNGKeyArray

from alternax.core.errors import InputError
from alternax.core.sequence import Sequence

VALIDATION_WINDOWS = 32


class Windows(eqx.Module):
    """Stretches of `length` rows of a padded batch of series, each wholly inside its series.

    Args:
        series: The padded batch.
        starts: First and last start row allowed, `(series, 2)`.
        length: Rows of a window.
    """

    series: Sequence
    starts: Int[Array, "series 2"]
    length: int = eqx.field(static=True)

    def draw(self, count: int, key: PRNGKeyArray) -> Sequence:
        """`count` random windows, every start row of every series equally likely."""
        room = self.starts[:, 1] - self.starts[:, 0] + 1
        edges = jnp.cumsum(room)
        ticket = jax.random.randint(key, (count,), 0, edges[-1])
        index = jnp.searchsorted(edges, ticket, side="right")
        start = self.starts[index, 0] + ticket - (edges[index] - room[index])
        return jax.vmap(self.take)(index, start)

    def take(self, index: Array, start: Array) -> Sequence:
        """One window."""
        return jax.tree.map(lambda a: a[index], self.series).window(start, self.length)

    def constant_columns(self) -> Bool[np.ndarray, "obs_dim"]:
        """Columns whose observed entries, in all rows that a window may hold, are the same."""
        x, valid = np.asarray(self.series.x), np.asarray(self.series.valid)
        within = np.arange(x.shape[1]) < np.asarray(self.starts)[:, 1:] + self.length
        seen = np.asarray(self.series.observed) & (valid & within)[..., None]
        lowest = x.min((0, 1), where=seen, initial=np.inf)
        return x.max((0, 1), where=seen, initial=-np.inf) <= lowest


def window_length(given: int | None, lengths: np.ndarray, context: int | None, horizon: int) -> int:
    """The window asked for, or by default the context and some horizons, or 256 rows where the data have them."""
    least, shortest = (context or 0) + horizon + 1, int(lengths.min())
    if given is None:
        wanted = least + max(horizon, 24) if context else max(least, 256)
        given = max(min(wanted, shortest), min(least, shortest))
    if given < least:
        raise InputError(
            f"a window must hold the context and the objective's horizon, {least} rows; found {given}"
            + (f" (series {int(lengths.argmin())} has {shortest} rows)" if shortest < least else "")
            + ". Give longer series, or a shorter context or horizon."
        )
    if given > shortest:
        raise InputError(
            f"window={given} is longer than series {int(lengths.argmin())}, which has "
            f"{shortest} rows: lower window, or leave that series out."
        )
    return given


def training_windows(series: Sequence, lengths: np.ndarray, held_out: int, length: int) -> Windows:
    """Windows that end before the last `held_out` rows of every series."""
    last = np.maximum(lengths - held_out - length, 0)
    return Windows(series, jnp.asarray(np.stack([np.zeros_like(last), last], 1)), length)


def validation_batch(
    series: Sequence, lengths: np.ndarray, held_out: np.ndarray | int, length: int, context: int | None
) -> Sequence:
    """Evenly laid windows whose rows after the context lie in the last `held_out` rows of every series.

    They are as long as the training windows where the held-out part has room for that, shorter where not.
    """
    first = np.maximum(lengths - held_out - (context or 0), 0)
    length = min(length, int((lengths - first).max()))
    windows = Windows(series, jnp.zeros((len(lengths), 2), int), length)
    stops = lengths - length + 1
    spots = [(i, start) for i in range(len(lengths)) for start in range(int(first[i]), int(stops[i]))]
    chosen = [spots[i] for i in np.unique(np.linspace(0, len(spots) - 1, VALIDATION_WINDOWS).round().astype(int))]
    index, start = (jnp.asarray(a) for a in zip(*chosen, strict=True))
    return jax.vmap(windows.take)(index, start)
