"""The protocol of every sequence model: time advances, the model predicts, the observation updates the state."""

from abc import abstractmethod
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Scalar
from numpyro.distributions import Distribution

from alternax.core.chain import LatentChain
from alternax.core.sequence import Sequence

State = Any
Params = Any


class Model(eqx.Module):
    """A sequence model for ONE unbatched series; `fit` and the tasks batch it with `jax.vmap`.

    Classes are abstract or final: a model implements every method, calling the free functions `scan_unroll` and
    `sample_rollout` where it has no better form of its own.

    Attributes:
        obs_dim: Number of observed features.
        control_dim: Number of control features read by `advance`, `predict` and `update`.
        context: Rows of history the model is meant to be given before it predicts; None means all there are.
    """

    obs_dim: eqx.AbstractVar[int]
    control_dim: eqx.AbstractVar[int]
    context: eqx.AbstractVar[int | None]

    @abstractmethod
    def init(self, *, key: PRNGKeyArray) -> State:
        """The state before the first row."""

    @abstractmethod
    def advance(self, state: State, dt: Scalar, *, control: Float[Array, "control_dim"], key: PRNGKeyArray) -> State:
        """Time `dt` passes without observation, up to the instant of the next row."""

    @abstractmethod
    def predict(self, state: State, *, control: Float[Array, "control_dim"]) -> Params:
        """Parameters of the law of the next observation given the advanced state."""

    @abstractmethod
    def emission(self, params: Params) -> Distribution:
        """The law itself, event shape `(obs_dim,)`; build it where it is used, it never crosses a transformation."""

    @abstractmethod
    def update(
        self,
        state: State,
        x: Float[Array, "obs_dim"],
        observed: Bool[Array, "obs_dim"],
        *,
        control: Float[Array, "control_dim"],
        key: PRNGKeyArray,
    ) -> tuple[State, Scalar]:
        """The advanced state takes the row in; also an unbiased estimate, in logs, of p(x[observed] | past)."""

    @abstractmethod
    def unroll(
        self, seq: Sequence, *, key: PRNGKeyArray, state: State | None = None, keep: Int[Array, "kept"] | None = None
    ) -> tuple[Params, Float[Array, "time"], State]:
        """The three over an observed sequence: stacked params, log-weights, and states.

        The states are those after the rows `keep`, stacked; by default the one after the last row, unstacked.
        """

    @abstractmethod
    def rollout(
        self,
        state: State,
        horizon: int,
        *,
        controls: Float[Array, "horizon control_dim"],
        dts: Float[Array, "horizon"],
        key: PRNGKeyArray,
    ) -> Float[Array, "horizon obs_dim"]:
        """One sample path of the next `horizon` rows, each drawn given the ones before it."""

    @abstractmethod
    def loss(self, seq: Sequence, *, key: PRNGKeyArray) -> Scalar:
        """The model's own training loss of one sequence, per observed entry."""


class LatentModel(Model):
    """A model with a vector latent: its filtering moments, in closed form or estimated, and targets decoded from them.

    Attributes:
        latent_dim: Length of the latent vector z.
        target_dim: Number of target features it decodes; 0 for none.
    """

    latent_dim: eqx.AbstractVar[int]
    target_dim: eqx.AbstractVar[int]

    @abstractmethod
    def filter(
        self, seq: Sequence, *, key: PRNGKeyArray, state: State | None = None
    ) -> tuple[Float[Array, "time latent_dim"], Float[Array, "time latent_dim"]]:
        """Mean and variance of z after each row, given the rows up to it."""

    @abstractmethod
    def decode(
        self, mean: Float[Array, "time latent_dim"], var: Float[Array, "time latent_dim"]
    ) -> tuple[Float[Array, "time target_dim"], Float[Array, "time target_dim"]]:
        """Mean and standard deviation of the targets given the latent moments."""


class ChainModel(LatentModel):
    """A latent model whose latent, given the rows, is a chain: what particle and exact inference need to know of it."""

    @property
    @abstractmethod
    def chain_kind(self) -> str | None:
        """What the chain allows.

        "linear": everything exact. "markov": smoothing row by row. "path": predictions depend on the whole path of the
        latent, so that smoothed paths are those the particles came along. None: no chain as the model is set.
        """

    @abstractmethod
    def chain(self, seq: Sequence, *, key: PRNGKeyArray) -> LatentChain:
        """The chain of one observed series.

        Raises:
            InputError: If there is none, with what to set.
        """


class Tractable(Model):
    """A model that draws nothing in `unroll`, so that its log-weights are exact log-probabilities."""


class Reader(Model):
    """A model that takes in rows through weights of their own for every column."""

    @abstractmethod
    def blind_to(self, columns: Bool[np.ndarray, "obs_dim"]) -> Self:
        """The same model with zero weight on these columns of the rows it takes in, trainable from there."""


class ModeModel(LatentModel):
    """A latent model with modes of behaviour that it can tell apart.

    Attributes:
        mode_count: Number of modes.
    """

    mode_count: eqx.AbstractVar[int]

    @abstractmethod
    def mode_probabilities(
        self, seq: Sequence, *, key: PRNGKeyArray, smoothed: bool = False
    ) -> Float[Array, "time modes"]:
        """Probability of every mode at every row given the rows up to it, or `smoothed` given all of them."""


class Classifier(Model):
    """A model that tells which of some classes a whole series belongs to.

    Attributes:
        class_count: Number of classes it tells apart; 0 for none.
    """

    class_count: eqx.AbstractVar[int]

    @abstractmethod
    def classify(self, seq: Sequence, *, key: PRNGKeyArray) -> Float[Array, "class_count"]:
        """Log-odds of the classes, up to a constant, given all rows since the last reset."""


def where_tree(condition: Array, if_true: State, if_false: State) -> State:
    """Choose between two states of one structure by a scalar condition."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), if_true, if_false)


def scan_unroll(
    model: Model, seq: Sequence, *, key: PRNGKeyArray, state: State | None = None, keep: Array | None = None
) -> tuple[Params, Array, State]:
    """`Model.unroll` as the plain loop: the definition that every parallel form is tested against."""
    start = model.init(key=key) if state is None else state

    def body(state, row):
        x, observed, valid, dt, control, reset = row
        state = where_tree(reset, restart(model, state, key), state)
        moved = model.advance(state, dt, control=control, key=key)
        params = model.predict(moved, control=control)
        updated, log_weight = model.update(moved, x, observed, control=control, key=key)
        after = where_tree(valid, updated, state)
        return after, (params, jnp.where(valid, log_weight, 0.0), None if keep is None else after)

    rows = (seq.x, seq.observed, seq.valid, seq.dt, seq.controls, seq.starts)
    last, (params, log_weights, states) = jax.lax.scan(body, start, rows)
    return params, log_weights, last if keep is None else jax.tree.map(lambda a: a[keep], states)


def restart(model: Model, state: State, key: PRNGKeyArray) -> State:
    """A fresh state that goes on counting steps, so that noise is never used twice."""
    return eqx.tree_at(lambda s: s.step, model.init(key=key), state.step)


def sample_rollout(
    model: Model, state: State, *, controls: Array, dts: Array, key: PRNGKeyArray
) -> Float[Array, "horizon obs_dim"]:
    """`Model.rollout` as the plain loop: draw the next row, feed it back."""
    seen = jnp.ones(model.obs_dim, bool)

    def body(state, row):
        control, dt = row
        moved = model.advance(state, dt, control=control, key=key)
        law = model.emission(model.predict(moved, control=control))
        x = law.sample(draw_key(key, moved.step))
        return model.update(moved, x, seen, control=control, key=key)[0], x

    return jnp.asarray(jax.lax.scan(body, state, (controls, dts))[1])


def counted(seq: Sequence, context: int | None) -> Bool[Array, "time obs_dim"]:
    """Entries that enter a likelihood: observed, not padding, and past the first `context` rows of their sequence."""
    observed = seq.observed & seq.valid[:, None]
    if context is None:
        return observed
    seen = observed.any(axis=1).astype(jnp.int32)
    before = jnp.cumsum(seen) - seen
    at_start = jax.lax.cummax(jnp.where(seq.starts, before, 0))
    return observed & (before - at_start >= context)[:, None]


def per_entry(value: Scalar, seq: Sequence, context: int | None) -> Scalar:
    """A log-probability of the whole sequence by the entries that enter it."""
    return value / jnp.maximum(counted(seq, context).sum(), 1)


def latent_key(key: PRNGKeyArray, step: Int[Array, ""]) -> PRNGKeyArray:
    """Key of the latent noise at absolute step `step` of a series."""
    return jax.random.fold_in(jax.random.fold_in(key, step), 0)


def latent_noise(
    key: PRNGKeyArray, steps: Int[Array, "time"], shape: tuple[int, ...], dtype: Any
) -> Float[Array, "time *shape"]:
    """The latent noise of rows by their absolute steps, so that padding changes no draw."""
    return jax.vmap(lambda step: jax.random.normal(latent_key(key, step), shape, dtype))(steps)


def draw_key(key: PRNGKeyArray, step: Int[Array, ""]) -> PRNGKeyArray:
    """Key of the observation drawn at absolute step `step` of a series."""
    return jax.random.fold_in(jax.random.fold_in(key, step), 1)
