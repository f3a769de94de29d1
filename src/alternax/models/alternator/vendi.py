"""alpha that follows how varied the last rows were: the alpha-Alternator (arXiv 2502.04593).

    a_t = (1 - sigma_z^2) sigmoid(weight VS_t + bias),    VS_t the Vendi score of the last `window` rows taken in

`weight` and `bias` are learned and shared by all series: weight < 0 makes a model that trusts its past where the rows
vary much (noise), weight > 0 one that takes varied rows in. Over observed rows the latent recurrence stays linear given
x; over latents, the draws of z before the last jumps, it is walked through.
"""

import math
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from alternax.core.errors import InputError
from alternax.metrics.vendi import check_order
from alternax.models.alternator.alpha import start_logit
from alternax.models.checks import check_choice, check_counts
from alternax.ops.effective_rank import effective_rank

JITTER = 1e-6


class Vendi(eqx.Module):
    """What `Alternator(alpha=...)` takes for an alpha that follows the Vendi score.

    Args:
        window: Rows in a window; where fewer have been seen, these.
        order: Order of the score, above 0; 1 is the paper's default here, 2 needs no eigenvalues and is the fastest.
        kernel: "rbf", exp(-|x - y|^2 / (2 length_scale^2 columns)), or "cosine".
        length_scale: Of "rbf", in scaled units of one column.
        base: What alpha is before it follows the score: "learned", one scalar with one weight (the paper), or
            "multiscale", a bias and a weight of its own for every latent dimension, log-spaced at the start.
        over: "rows" (those observed; parallel over time) or "latents" (z before each of the last jumps; sequential,
            and z is no longer Gaussian given the rows).

    Raises:
        InputError: a window below 2, an order not above 0, an unknown kernel, base or over, a length scale not above 0.

    Example:
        >>> model = Alternator(3, latent_dim=8, alpha=Vendi(window=10), key=jax.random.key(0))
    """

    window: int = eqx.field(static=True)
    order: float = eqx.field(static=True)
    kernel: Literal["rbf", "cosine"] = eqx.field(static=True)
    length_scale: float = eqx.field(static=True)
    base: Literal["learned", "multiscale"] = eqx.field(static=True)
    over: Literal["rows", "latents"] = eqx.field(static=True, default="rows")

    def __init__(
        self,
        window: int = 10,
        order: float = 1.0,
        kernel: Literal["rbf", "cosine"] = "rbf",
        length_scale: float = 1.0,
        base: Literal["learned", "multiscale"] = "multiscale",
        over: Literal["rows", "latents"] = "rows",
    ):
        self.window, self.order, self.kernel, self.length_scale, self.base = window, order, kernel, length_scale, base
        self.over = over
        check_counts(2, window=self.window)
        check_order(self.order)
        check_choice("kernel", self.kernel, ("rbf", "cosine"))
        check_choice("base", self.base, ("learned", "multiscale"))
        check_choice("over", self.over, ("rows", "latents"))
        if not 0 < self.length_scale < math.inf:
            raise InputError(f"length_scale must be above 0 and finite; found {self.length_scale!r}.")


class Window(eqx.Module):
    """The last rows taken in, or latents that took one in, the newest last; those not there are zero.

    Args:
        rows: Rows as the FTN sees them, completed and scaled; or latents.
        count: How many there are.
    """

    rows: Float[Array, "*time window columns"]
    count: Int[Array, "*time"]

    def take(self, row: Float[Array, "columns"]) -> "Window":
        """One row later."""
        return Window(jnp.concatenate([self.rows[1:], row[None]]), jnp.minimum(self.count + 1, self.rows.shape[-2]))

    def present(self) -> Bool[Array, "*time window"]:
        """Which rows are there."""
        size = self.rows.shape[-2]
        return jnp.arange(size) >= size - self.count[..., None]


class VendiAlpha(eqx.Module):
    """a_t within its bound 0 <= a_t <= 1 - sigma_z^2, by the Vendi score of a window."""

    weight: Float[Array, "any_latent"]
    bias: Float[Array, "any_latent"]
    spec: Vendi
    bound: float = eqx.field(static=True)

    def __init__(self, spec: Vendi, latent_dim: int, sigma_z: float):
        """Starts constant, where the alpha named `base` does."""
        self.spec, self.bound = spec, 1.0 - sigma_z**2
        self.bias = start_logit(spec.base, latent_dim, self.bound)
        self.weight = jnp.zeros_like(self.bias)

    @property
    def drawn(self) -> bool:
        """Whether alpha waits for draws of the latent."""
        return self.spec.over == "latents"

    def __call__(self, step: Int[Array, "*rows"], window: Window) -> Float[Array, "*rows any_latent"]:
        """a of rows whose windows, themselves included, are given; the last axis has length 1 or latent_dim."""
        return self.bound * jax.nn.sigmoid(self.weight * self.score(window)[..., None] + self.bias)

    def score(self, window: Window) -> Float[Array, "*rows"]:
        """Vendi scores of windows, from 1 to the rows that are there; 1 where there are none."""
        present = window.present()
        K = self._similarity(window.rows) + JITTER * jnp.eye(self.spec.window, dtype=window.rows.dtype)
        K = jnp.where(present[..., :, None] & present[..., None, :], K, 0.0)
        count = jnp.maximum(window.count, 1).astype(K.dtype)[..., None, None]
        A = K / (count * (1 + JITTER))
        empty = (window.count == 0)[..., None, None]
        # Any matrix of trace 1 and rank 1 stands for a window without rows.
        return effective_rank(jnp.where(empty, jnp.zeros_like(A).at[..., -1, -1].set(1.0), A), self.spec.order)

    def _similarity(self, rows: Float[Array, "*time window columns"]) -> Float[Array, "*time window window"]:
        if self.spec.kernel == "cosine":
            unit = rows * jax.lax.rsqrt(jnp.sum(rows**2, axis=-1, keepdims=True) + JITTER)
            same = jnp.eye(self.spec.window, dtype=bool)
            return jnp.where(same, 1.0, unit @ jnp.swapaxes(unit, -1, -2))
        apart = jnp.sum((rows[..., :, None, :] - rows[..., None, :, :]) ** 2, axis=-1)
        return jnp.exp(-apart / (2 * self.spec.length_scale**2 * rows.shape[-1]))

    def empty(self, columns: int) -> Window:
        """The window before the first row."""
        return Window(jnp.zeros((self.spec.window, columns)), jnp.zeros((), jnp.int32))

    def windows(
        self,
        rows: Float[Array, "time columns"],
        seen: Bool[Array, "time"],
        resets: Bool[Array, "time"],
        start: Window,
    ) -> Window:
        """The window after every row: the last rows seen since the sequence began, from the window before the first."""
        size, early = self.spec.window, start.present()
        taken = jnp.concatenate([early, seen])
        segment = jnp.concatenate([jnp.zeros(size, jnp.int32), jnp.cumsum(resets, dtype=jnp.int32)])
        order = jnp.argsort(~taken, stable=True)
        packed, packed_segment = jnp.concatenate([start.rows, rows])[order], segment[order]
        place = jnp.cumsum(taken)[size:, None] - size + jnp.arange(size)
        there = (place >= 0) & (packed_segment[place] == segment[size:, None])
        return Window(jnp.where(there[..., None], packed[place], 0.0), there.sum(1, dtype=jnp.int32))
