"""One unbatched series as a pytree of arrays: what every model and objective reads."""

from typing import Self

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int


class Sequence(eqx.Module):
    """A single series with its masks; batches are the same object with a leading axis on every leaf.

    Args:
        x: Observations, 0 where `observed` is False (never NaN).
        observed: True where the entry of `x` was measured.
        valid: False on padding rows, which never enter a loss, a state, a draw or an output.
        dt: Time since the previous row, in units of the usual step (1 on regular data).
        controls: Inputs known in advance; static values are repeated on every row as the last columns.
        targets: Features to decode, 0 where not `labelled`.
        labelled: True where the entry of `targets` is known.
        resets: True where a new sequence starts inside a packed one; None where nothing is packed, which lets layers
            take their convolution and chunked forms.
        scored: False for covariates: modelled with x, neither scored nor reported.
        label: Number of the class of the whole series, -1 where it is not known.
    """

    x: Float[Array, "*batch time obs_dim"]
    observed: Bool[Array, "*batch time obs_dim"]
    valid: Bool[Array, "*batch time"]
    dt: Float[Array, "*batch time"]
    controls: Float[Array, "*batch time control_dim"]
    targets: Float[Array, "*batch time target_dim"]
    labelled: Bool[Array, "*batch time target_dim"]
    resets: Bool[Array, "*batch time"] | None
    scored: Bool[Array, "*batch obs_dim"]
    label: Int[Array, "*batch"]

    @classmethod
    def build(
        cls,
        x: ArrayLike,
        observed: ArrayLike | None = None,
        *,
        valid: ArrayLike | None = None,
        dt: ArrayLike | None = None,
        controls: ArrayLike | None = None,
        targets: ArrayLike | None = None,
        resets: ArrayLike | None = None,
        scored: ArrayLike | None = None,
        label: ArrayLike | None = None,
    ) -> Self:
        """A sequence from `x` `(..., time, obs_dim)` alone or with any of its companions.

        NaN in `x` becomes `observed = False`, NaN in `targets` becomes `labelled = False`.

        Example:
            >>> Sequence.build(jnp.ones((5, 2))).length
            5
        """
        x = jnp.asarray(x, dtype=float)
        finite = jnp.isfinite(x)
        observed = finite if observed is None else jnp.asarray(observed, bool) & finite
        rows, none = x.shape[:-1], jnp.zeros((*x.shape[:-1], 0), x.dtype)
        targets = none if targets is None else jnp.asarray(targets, x.dtype)
        labelled = jnp.isfinite(targets)
        return cls(
            x=jnp.where(observed, x, 0.0),
            observed=observed,
            valid=jnp.ones(rows, bool) if valid is None else jnp.asarray(valid, bool),
            dt=jnp.ones(rows, x.dtype) if dt is None else jnp.asarray(dt, x.dtype),
            controls=none if controls is None else jnp.asarray(controls, x.dtype),
            targets=jnp.where(labelled, targets, 0.0),
            labelled=labelled,
            resets=None if resets is None else jnp.asarray(resets, bool),
            scored=jnp.ones((*x.shape[:-2], x.shape[-1]), bool) if scored is None else jnp.asarray(scored, bool),
            label=jnp.full(x.shape[:-2], -1, jnp.int32) if label is None else jnp.asarray(label, jnp.int32),
        )

    @property
    def length(self) -> int:
        """Number of rows, padding included."""
        return self.x.shape[-2]

    @property
    def starts(self) -> Bool[Array, "*batch time"]:
        """True on the rows that `resets` names and no padding."""
        return jnp.zeros_like(self.valid) if self.resets is None else self.resets & self.valid

    @property
    def obs_dim(self) -> int:
        """Number of observed features."""
        return self.x.shape[-1]

    @property
    def control_dim(self) -> int:
        """Number of control features."""
        return self.controls.shape[-1]

    @property
    def target_dim(self) -> int:
        """Number of target features."""
        return self.targets.shape[-1]

    def rows(self, start: int, stop: int) -> Self:
        """Rows `start` to `stop` (static slice) of an unbatched sequence."""
        return self._by_rows(lambda a: a[start:stop])

    def window(self, start: Array, length: int) -> Self:
        """`length` rows from the traced index `start` on, of an unbatched sequence."""
        return self._by_rows(lambda a: jax.lax.dynamic_slice_in_dim(a, start, length))

    def _by_rows(self, cut) -> Self:
        timed = {
            n: jax.tree.map(cut, getattr(self, n))
            for n in ("x", "observed", "valid", "dt", "controls", "targets", "labelled", "resets")
        }
        return type(self)(**timed, scored=self.scored, label=self.label)
