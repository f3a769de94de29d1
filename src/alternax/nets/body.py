"""Bodies: causal maps `(time, in_dim) -> (time, out_dim)`, memoryless or around a sequence layer.

They are called and stepped exactly as a `Layer` is, so a model never asks which kind it holds.
"""

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar

from alternax.core.errors import InputError
from alternax.core.layer import Layer, LayerState, Mixer
from alternax.layers import NAMES, stack
from alternax.layers.inputs import check_size
from alternax.layers.rowwise import linear, network


class Body(eqx.Module):
    """A causal map over time between two widths, with state, `step` and keywords as in `Layer`.

    Attributes:
        in_dim: Width of input.
        out_dim: Width of output.
    """

    in_dim: eqx.AbstractVar[int]
    out_dim: eqx.AbstractVar[int]

    @property
    @abstractmethod
    def first(self) -> "eqx.nn.Linear | Gate":
        """The linear map that reads the input."""

    @property
    @abstractmethod
    def reads_last(self) -> bool:
        """Whether the body of a predictor is to be shown the last row beside the state."""

    @abstractmethod
    def init_state(self) -> LayerState:
        """The state before the first step."""

    @abstractmethod
    def __call__(
        self,
        x: Float[Array, "time in_dim"],
        state: LayerState | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time out_dim"], LayerState]:
        """Outputs for all rows, and the state after the rows `keep` stacked (default: after the last row)."""

    @abstractmethod
    def step(
        self,
        x_t: Float[Array, "in_dim"],
        state: LayerState,
        *,
        dt: Scalar | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "out_dim"], LayerState]:
        """One row: output and next state."""


class Gate(eqx.Module):
    """A learned factor on every number, 1 at the start: the first map of bodies that keep the numbers apart.

    Args:
        size: How many numbers.
    """

    weight: Float[Array, "1 size"]

    def __init__(self, size: int):
        self.weight = jnp.ones((1, size))

    def __call__(self, x: Float[Array, "*rows size"]) -> Float[Array, "*rows size"]:
        """Each number times its factor."""
        return x * self.weight[0]


class Memoryless(Body):
    """A body that maps every row by itself; the state is `()`, and of the keywords none matters."""

    @abstractmethod
    def rows(self, x: Float[Array, "time in_dim"]) -> Float[Array, "time out_dim"]:
        """What every row is mapped to."""

    def init_state(self) -> LayerState:
        """Nothing is carried."""
        return ()

    def __call__(
        self,
        x: Float[Array, "time in_dim"],
        state: LayerState | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time out_dim"], LayerState]:
        """See `Body`; only `x` matters."""
        check_width(self, x, 2)
        return self.rows(x), ()

    def step(
        self,
        x_t: Float[Array, "in_dim"],
        state: LayerState,
        *,
        dt: Scalar | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "out_dim"], LayerState]:
        """See `Body`."""
        check_width(self, x_t, 1)
        return self.rows(x_t[None])[0], ()


class Pointwise(Memoryless):
    """Every row by itself through a network.

    Attributes:
        in_dim: Width of input.
        out_dim: Width of output.
        net: The network of one row.
    """

    in_dim: int = eqx.field(static=True)
    out_dim: int = eqx.field(static=True)
    net: eqx.nn.Linear | eqx.nn.MLP

    def __init__(self, net: eqx.nn.Linear | eqx.nn.MLP):
        """A body of `net`, which maps `(in_dim,)` to `(out_dim,)`."""
        maps = (net,) if isinstance(net, eqx.nn.Linear) else net.layers
        self.in_dim, self.out_dim = maps[0].weight.shape[1], maps[-1].weight.shape[0]
        self.net = net

    @property
    def first(self) -> eqx.nn.Linear:
        """The linear map that reads the input."""
        return self.net if isinstance(self.net, eqx.nn.Linear) else self.net.layers[0]

    @property
    def reads_last(self) -> bool:
        """Never."""
        return False

    def rows(self, x: Float[Array, "time in_dim"]) -> Float[Array, "time out_dim"]:
        """The network of every row."""
        return network(self.net, x)


class Through(Body):
    """Linear in, a sequence layer, linear out; the state is the layer's.

    Attributes:
        in_dim: Width of input.
        out_dim: Width of output.
        encoder: Into the layer's width.
        layer: The causal layer.
        decoder: Out of the layer's width.
    """

    in_dim: int = eqx.field(static=True)
    out_dim: int = eqx.field(static=True)
    encoder: eqx.nn.Linear
    layer: Layer
    decoder: eqx.nn.Linear

    def __init__(self, layer: Layer, in_dim: int, out_dim: int, *, key: PRNGKeyArray):
        """A body around `layer` with linear maps of `in_dim` and `out_dim` before and after it."""
        encoder_key, decoder_key = jax.random.split(key)
        self.in_dim, self.out_dim = in_dim, out_dim
        self.encoder = eqx.nn.Linear(in_dim, layer.dim, key=encoder_key)
        self.layer = layer
        self.decoder = eqx.nn.Linear(layer.dim, out_dim, key=decoder_key)

    @property
    def first(self) -> eqx.nn.Linear:
        """The linear map that reads the input."""
        return self.encoder

    @property
    def reads_last(self) -> bool:
        """Never."""
        return False

    def init_state(self) -> LayerState:
        """The layer's."""
        return self.layer.init_state()

    def __call__(
        self,
        x: Float[Array, "time in_dim"],
        state: LayerState | None = None,
        *,
        valid: Bool[Array, "time"] | None = None,
        resets: Bool[Array, "time"] | None = None,
        dt: Float[Array, "time"] | None = None,
        keep: Int[Array, "kept"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "time out_dim"], LayerState]:
        """See `Body`."""
        check_width(self, x, 2)
        coded = linear(self.encoder, x)
        y, state = self.layer(coded, state, valid=valid, resets=resets, dt=dt, keep=keep, key=key)
        return linear(self.decoder, y), state

    def step(
        self,
        x_t: Float[Array, "in_dim"],
        state: LayerState,
        *,
        dt: Scalar | None = None,
        key: PRNGKeyArray | None = None,
    ) -> tuple[Float[Array, "out_dim"], LayerState]:
        """See `Body`."""
        check_width(self, x_t, 1)
        y_t, state = self.layer.step(self.encoder(x_t), state, dt=dt, key=key)
        return self.decoder(y_t), state


def body(
    kind: str | Layer, in_dim: int, out_dim: int, *, width: int = 64, depth: int = 2, key: PRNGKeyArray
) -> Pointwise | Through:
    """A body by name.

    Args:
        kind: "affine" (one linear map), "mlp" (GELU network of every row by itself), a name of `alternax.layers.NAMES`
            (a stack of residual blocks), or a causal layer of your own, whose own width and depth then count.
        in_dim: Width of input.
        out_dim: Width of output.
        width: Hidden width of the network or stack.
        depth: Hidden layers of the network or blocks of the stack.
        key: JAX random key.

    Raises:
        InputError: an unknown name, a two-way layer (`Mixer`), a size below 1.

    Example:
        >>> net = body("lru", 3, 5, width=32, depth=2, key=jax.random.key(0))
        >>> y, state = net(jnp.ones((10, 3)))
    """
    check_size("body", in_dim=in_dim, out_dim=out_dim, width=width, depth=depth)
    inner, outer = jax.random.split(key)
    if isinstance(kind, Layer):
        return Through(kind, in_dim, out_dim, key=outer)
    if isinstance(kind, Mixer):
        name = type(kind).__name__
        raise InputError(f"body: {name} is a Mixer, which reads future rows; a body must be causal, so give a Layer.")
    if kind == "affine":
        return Pointwise(eqx.nn.Linear(in_dim, out_dim, key=key))
    if kind == "mlp":
        return Pointwise(eqx.nn.MLP(in_dim, out_dim, width, depth, activation=jax.nn.gelu, key=key))
    if kind not in NAMES:
        raise InputError(
            f"body: unknown kind {kind!r}; choose affine, mlp, {', '.join(sorted(NAMES))}, or give a Layer."
        )
    return Through(stack(kind, depth=depth, dim=width, key=inner), in_dim, out_dim, key=outer)


def silence(body: Body, start: int, stop: int) -> Body:
    """The same body with zero weight on its input columns `start` to `stop` (trainable from there).

    Raises:
        InputError: columns outside the body's input.
    """
    if not 0 <= start <= stop <= body.in_dim:
        raise InputError(f"silence: columns {start} to {stop} are not within the {body.in_dim} inputs.")
    return eqx.tree_at(lambda b: b.first.weight, body, body.first.weight.at[:, start:stop].set(0.0))


def check_width(body: Body, x: Array, axes: int) -> None:
    """The input of a body must be a row, or rows, of its width."""
    if x.ndim != axes or x.shape[-1] != body.in_dim:
        wanted = f"(time, {body.in_dim})" if axes == 2 else f"({body.in_dim},)"
        raise InputError(f"{type(body).__name__}: expected input of shape {wanted}, found {x.shape}.")
