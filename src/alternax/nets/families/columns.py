"""The law of a whole row whose columns are of any kinds, independent given the state."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from alternax.core.emission import Columns
from alternax.core.errors import InputError
from alternax.core.fixed import Fixed
from alternax.nets.context_scale import ContextScale
from alternax.nets.families.family import Family
from alternax.nets.past import Past
from alternax.nets.residual import Residual


class ColumnLaws(eqx.Module):
    """One family a column, and the level of counts and positive values, which is 1 where nothing is known.

    It stands in a model where `Noise` does when all columns are real.

    Args:
        families: One for each column.
        levels: Typical sizes of the columns; only counts and positive values are measured by them.

    Raises:
        InputError: If something else than a family is given, or a level that is not positive.

    Example:
        >>> laws = ColumnLaws([Normal(), Poisson()], levels=[1.0, 40.0])
        >>> model = Alternator(2, latent_dim=4, noise=laws, key=jax.random.key(0))
    """

    families: tuple[Family, ...]
    levels: Fixed

    def __init__(self, families: Sequence[Family], levels: Sequence[float] | np.ndarray | None = None):
        self.families = tuple(families)
        for column, family in enumerate(self.families):
            if not isinstance(family, Family):
                raise InputError(
                    f"expected a family for each column, such as ax.families.Poisson(); found {family!r} for "
                    f"column {column}."
                )
        sizes = np.ones(len(self.families)) if levels is None else np.asarray(levels, float)
        if not self.families or sizes.shape != (len(self.families),) or not np.all(sizes > 0) or np.isinf(sizes).any():
            raise InputError(
                f"expected a positive level for each of {len(self.families)} columns; found {sizes.tolist()}."
            )
        self.levels = Fixed(jnp.asarray(sizes, dtype=float))

    @property
    def obs_dim(self) -> int:
        """Number of columns."""
        return len(self.families)

    @property
    def shown_dim(self) -> int:
        """Numbers by which a row is shown to a network."""
        return sum(family.shown_width for family in self.families)

    @property
    def shown_columns(self) -> np.ndarray:
        """The column behind each of these numbers."""
        return np.concatenate([np.repeat(at, family.shown_width) for family, at in self._groups()])

    @property
    def asked_dim(self) -> int:
        """Numbers that a network puts out for a row."""
        return sum(family.width for family in self.families)

    @property
    def asked_columns(self) -> np.ndarray:
        """The column behind each of these numbers."""
        return np.concatenate([np.repeat(at, family.width) for family, at in self._groups()])

    @property
    def smooth(self) -> bool:
        """Whether draws are differentiable in what the network puts out."""
        return all(family.smooth for family in self.families)

    def shown(self, past: Past, scaling: ContextScale | None, operator: None = None) -> Float[Array, "*rows shown"]:
        """The last values, column by column within each family."""
        location, gain = self._units(past, scaling)
        pieces = [family.shown(past.last[..., at], location[..., at], gain[..., at]) for family, at in self._groups()]
        return jnp.concatenate([piece.reshape(*piece.shape[:-2], -1) for piece in pieces], axis=-1)

    def params(
        self,
        raw: Float[Array, "*rows asked"],
        past: Past,
        residual: Residual,
        scaling: ContextScale | None,
        operator: None = None,
    ) -> dict[str, Float[Array, "*rows any"]]:
        """What `emission` needs, from a network's output and the past of the row."""
        location, gain = self._units(past, scaling)
        base = residual(self._persistent(past.last, location, gain), past.age, None)
        return {
            "raw": raw,
            "base": jnp.broadcast_to(jnp.asarray(base, raw.dtype), past.last.shape),
            "location": location,
            "gain": gain,
        }

    def emission(self, raw: Array, base: Array, location: Array, gain: Array) -> Columns:
        """The law of the row."""
        parts, start = [], 0
        for family, at in self._groups():
            stop = start + family.width * len(at)
            own = raw[..., start:stop].reshape(*raw.shape[:-1], len(at), family.width)
            columns = tuple(int(column) for column in at)
            parts.append((columns, family.law(own, base[..., at], location[..., at], gain[..., at])))
            start = stop
        return Columns(tuple(parts))

    def _groups(self) -> list[tuple[Family, np.ndarray]]:
        """Every family that occurs, with its columns."""
        groups: dict[Family, list[int]] = {}
        for column, family in enumerate(self.families):
            groups.setdefault(family, []).append(column)
        return [(family, np.array(columns)) for family, columns in groups.items()]

    def _persistent(self, last: Array, location: Array, gain: Array) -> Array:
        """Last values as shown, 0 in columns where nothing persists."""
        value = jnp.zeros_like(last)
        for family, at in self._groups():
            if family.persistent:
                value = value.at[..., at].set(family.shown(last[..., at], location[..., at], gain[..., at])[..., 0])
        return value

    def _units(self, past: Past, scaling: ContextScale | None) -> tuple[Array, Array]:
        """Location and gain of every column: see `Family`."""
        levels = jnp.broadcast_to(self.levels.value.astype(past.last.dtype), past.last.shape)
        location, gain = jnp.zeros_like(past.last), jnp.ones_like(past.last)
        if scaling is not None:
            location, gain = scaling.location_scale(past.scale)
            levels = scaling.level(past.scale, levels)
        centred = np.array([family.unit == "spread" for family in self.families])
        levelled = np.array([family.unit == "level" for family in self.families])
        return jnp.where(centred, location, 0.0), jnp.where(centred, gain, jnp.where(levelled, levels, 1.0))
