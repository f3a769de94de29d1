"""The protocol of sequence layers: causal maps over time with a parallel form and a one-step form that agree."""

from abc import abstractmethod
from typing import Any, ClassVar

import equinox as eqx
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

LayerState = Any

# Measured in benchmarks/segments.md. Recurrences made of products wait for memory: pieces of this many rows are both
# smaller and faster. Loops over rows wait for arithmetic: only very long sequences, and so with GSS.
CACHED_ROWS, STORED_ROWS = 256, 4_096


class Layer(eqx.Module):
    """A causal map `(time, dim) -> (time, dim)` of ONE unbatched sequence; batch it with `jax.vmap`.

    Attributes:
        dim: Width of input and output.
        segment_rows: How many rows at a time a `Stack` of such layers best works on when it runs on a CPU: pieces that
            stay in the cache, computed again for the gradient. None where the whole at once is better.
    """

    dim: eqx.AbstractVar[int]
    segment_rows: ClassVar[int | None] = None

    @abstractmethod
    def init_state(self) -> LayerState:
        """The state before the first step."""

    @abstractmethod
    def __call__(
        self,
        x: Float[Array, "time dim"],
        state: LayerState | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time dim"], LayerState]:
        """Outputs for all rows, and the state after the rows `keep` stacked (default: after the last row, unstacked).

        Where `valid` is False the output is still that of `step`, but the state is held: the row is asked about and not
        taken in. Where `resets` is True the state is that of `init_state` before the row, valid or not.
        """

    @abstractmethod
    def step(
        self, x_t: Float[Array, "dim"], state: LayerState, *, dt: Scalar | None = None, key: PRNGKeyArray | None = None
    ) -> tuple[Float[Array, "dim"], LayerState]:
        """One row: output and next state; equal to `__call__` row by row."""


class Mixer(eqx.Module):
    """A map over time that sees both ways: call only, refused wherever a causal layer is needed.

    Attributes:
        dim: Width of input and output.
    """

    dim: eqx.AbstractVar[int]

    @abstractmethod
    def __call__(
        self, x: Float[Array, "time dim"], *, valid: Bool[Array, "time"] | None = None, key: PRNGKeyArray | None = None
    ) -> Float[Array, "time dim"]:
        """Outputs for all rows; rows where `valid` is False are neither read nor meaningful."""
