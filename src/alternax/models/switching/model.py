"""Several Alternators, and a mode that says which of them emits the next row: behaviour that switches.

    s_t | s_{t-1} = i ~ P_i                          the mode, a Markov chain over rows
    x_t | s_t = k, z^k_{t-1} ~ OTN_k                 emitted by the Alternator of the mode
    z^k_t | z^k_{t-1}, x_t ~ FTN_k                   every Alternator takes every row in

Given x the latents are those of Alternators side by side, parallel over time, and the mode is summed out exactly.
"""

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Bool, Float, Int
from numpyro.distributions import Distribution

from alternax.core.errors import InputError
from alternax.core.model import ModeModel, Reader, per_entry, sample_rollout
from alternax.core.sequence import Sequence
from alternax.models.alternator.model import Alternator
from alternax.models.alternator.state import AlternatorState
from alternax.models.checks import check_counts, check_decodes, check_sequence
from alternax.models.switching.modes import filter_modes, smooth_modes, step_ahead

# Keys of the modes are far from those of steps.
FIRST_KEY = 2**31 - 1


class SwitchingState(eqx.Module):
    """The state after a row.

    Args:
        alternators: States of the Alternators, stacked over modes.
        belief: Log-probabilities of the mode at the row, of the mode to come once time has advanced.
        step: Absolute step: the number of rows taken in.
    """

    alternators: AlternatorState
    belief: Float[Array, "*rows modes"]
    step: Int[Array, "*rows"]


class SwitchingAlternator(ModeModel, Reader):
    """A mixture of Alternators over time, with a discrete mode of behaviour.

    Its latent are the latents of all Alternators one after another and, last, the probabilities of the modes. The mode
    changes from row to row, however much time lies between them.

    Args:
        obs_dim: Number of observed features.
        modes: Number of modes K, at least 2.
        stay: Probability to stay in a mode from row to row at the start of training, between 0 and 1.
        key: Key of the initial weights.
        **settings: Everything else is as in `Alternator`; all modes have the same settings and weights of their own.
            `gap="draw"`, an `operator` and a family for each column are not offered.

    Raises:
        InputError: Naming the bound or setting that is broken.

    Example:
        >>> model = SwitchingAlternator(3, modes=2, latent_dim=4, key=jax.random.key(0))
        >>> model.mode_probabilities(Sequence.build(jnp.zeros((20, 3))), key=jax.random.key(1)).shape
        (20, 2)

    Reference: the modes are those of switching state-space models, Ghahramani and Hinton (2000); here each runs all the
    time and is driven by the data, so that no sum over past modes is left out.
    """

    alternators: Alternator
    initial: Float[Array, "modes"]
    transition: Float[Array, "modes modes"]
    obs_dim: int = eqx.field(static=True)
    latent_dim: int = eqx.field(static=True)
    target_dim: int = eqx.field(static=True)
    control_dim: int = eqx.field(static=True)
    context: int | None = eqx.field(static=True)
    mode_count: int = eqx.field(static=True)

    def __init__(self, obs_dim: int, *, modes: int = 2, stay: float = 0.95, key: Array, **settings: Any):
        check_counts(2, modes=modes)
        if not 0.0 < stay < 1.0:
            raise InputError(f"stay must lie between 0 and 1; found {stay:g}.")
        _check_settings(settings)
        each = [Alternator(obs_dim, **settings, key=k) for k in jax.random.split(key, modes)]
        self.alternators = jax.tree.map(lambda *leaf: jnp.stack(leaf) if eqx.is_array(leaf[0]) else leaf[0], *each)
        self.initial = jnp.zeros(modes)
        self.transition = jnp.where(jnp.eye(modes, dtype=bool), np.log(stay), np.log((1.0 - stay) / (modes - 1)))
        one = each[0]
        self.obs_dim, self.control_dim, self.context = one.obs_dim, one.control_dim, one.context
        self.target_dim, self.mode_count = one.target_dim, modes
        self.latent_dim = modes * (one.latent_dim + 1)

    def init(self, *, key: Array) -> SwitchingState:
        """Every Alternator's own start."""
        alternators = eqx.filter_vmap(lambda one, k: one.init(key=k))(self.alternators, self._keys(key))
        return SwitchingState(alternators, jax.nn.log_softmax(self.initial), jnp.zeros((), jnp.int32))

    def advance(self, state: SwitchingState, dt: Array, *, control: Array, key: Array) -> SwitchingState:
        """The mode takes a step; every latent flows."""
        moved = eqx.filter_vmap(lambda one, s, k: one.advance(s, dt, control=control, key=k))(
            self.alternators, self._in_step(state), self._keys(key)
        )
        return SwitchingState(moved, step_ahead(state.belief, self._transition()), state.step)

    def predict(self, state: SwitchingState, *, control: Array) -> dict[str, Any]:
        """Log-probabilities of the modes, and what each of them predicts."""
        each = eqx.filter_vmap(lambda one, s: one.predict(s, control=control))(self.alternators, state.alternators)
        return {"modes": state.belief, "each": each}

    def emission(self, params: dict[str, Any]) -> Distribution:
        """A mixture of what the modes predict."""
        each = self.alternators.noise.emission(**params["each"])
        return dist.MixtureSameFamily(dist.Categorical(logits=params["modes"]), each)

    def update(
        self, state: SwitchingState, x: Array, observed: Array, *, control: Array, key: Array
    ) -> tuple[SwitchingState, Array]:
        """Every Alternator takes the row in; the mode is believed as far as it predicted the row."""
        after, weights = eqx.filter_vmap(lambda one, s, k: one.update(s, x, observed, control=control, key=k))(
            self.alternators, self._in_step(state), self._keys(key)
        )
        joint = state.belief + weights
        gained = jax.nn.logsumexp(joint)
        return SwitchingState(after, joint - gained, state.step + 1), gained

    def unroll(self, seq: Sequence, *, key: Array, state: SwitchingState | None = None, keep: Array | None = None):
        """The Alternators side by side, then one scan of the mode."""
        check_sequence(self, seq)
        start = self._first(key) if state is None else state
        params, weights, after = self._each(seq, start, key, keep)
        before, beliefs, gained = self._believe(seq, start.belief, weights)
        at = seq.length - 1 if keep is None else keep
        steps = (start.step + jnp.cumsum(seq.valid)).astype(jnp.int32)
        # Modes lead in what vmap returns; they follow the rows in what is handed out.
        each = jax.tree.map(lambda a: jnp.moveaxis(a, 0, 1), params)
        after = after if keep is None else jax.tree.map(lambda a: jnp.moveaxis(a, 0, 1), after)
        return {"modes": before, "each": each}, gained, SwitchingState(after, beliefs[at], steps[at])

    def rollout(self, state: SwitchingState, horizon: int, *, controls: Array, dts: Array, key: Array) -> Array:
        """One path: the mode is summed out before every draw, and believed anew after it."""
        assert controls.shape[0] == dts.shape[0] == horizon
        return sample_rollout(self, state, controls=controls, dts=dts, key=key)

    def loss(self, seq: Sequence, *, key: Array) -> Array:
        """Negative one-sample evidence bound per counted entry; exact over the modes."""
        _, log_weights, _ = self.unroll(seq, key=key)
        return -per_entry(log_weights.sum(), seq, self.context)

    def filter(self, seq: Sequence, *, key: Array, state: SwitchingState | None = None) -> tuple[Array, Array]:
        """Closed-form moments of every Alternator's latent, and the probabilities of the modes with variance 0.

        The probabilities are those of one draw of the latents.
        """
        check_sequence(self, seq)
        start = self._first(key) if state is None else state
        mean, var = eqx.filter_vmap(lambda one, s, k: one.filter(seq, key=k, state=s))(
            self.alternators, self._in_step(start), self._keys(key)
        )
        believed = jnp.exp(self._believe(seq, start.belief, self._each(seq, start, key, None)[1])[1])
        side_by_side = lambda a: jnp.moveaxis(a, 0, 1).reshape(seq.length, -1)  # noqa: E731
        return (
            jnp.concatenate([side_by_side(mean), believed], axis=1),
            jnp.concatenate([side_by_side(var), jnp.zeros_like(believed)], axis=1),
        )

    def decode(self, mean: Array, var: Array) -> tuple[Array, Array]:
        """Targets of the modes by their probabilities: mean, and the standard deviation within and between modes."""
        check_decodes(self)
        split = lambda a: jnp.moveaxis(a[:, : -self.mode_count].reshape(len(a), self.mode_count, -1), 1, 0)  # noqa: E731
        each, scale = eqx.filter_vmap(lambda one, m, v: one.decode(m, v))(self.alternators, split(mean), split(var))
        share = jnp.moveaxis(mean[:, -self.mode_count :], 1, 0)[..., None]
        centre = (share * each).sum(0)
        return centre, jnp.sqrt((share * (scale**2 + (each - centre) ** 2)).sum(0))

    def mode_probabilities(self, seq: Sequence, *, key: Array, smoothed: bool = False) -> Float[Array, "time modes"]:
        """Probability of every mode at every row given the rows up to it, or `smoothed` given all of them.

        Exact given one draw of the latents.
        """
        check_sequence(self, seq)
        start = self._first(key)
        weights = self._each(seq, start, key, None)[1]
        before, after, _ = self._believe(seq, start.belief, weights)
        if not smoothed:
            return jnp.exp(after)
        return jnp.exp(smooth_modes(before, after, self._transition(), seq.valid, seq.starts))

    def blind_to(self, columns: Bool[np.ndarray, "obs_dim"]) -> "SwitchingAlternator":
        """Every Alternator's, likewise."""
        blind = eqx.filter_vmap(lambda one: one.blind_to(columns))(self.alternators)
        return eqx.tree_at(lambda m: m.alternators, self, blind)

    def _first(self, key: Array) -> SwitchingState:
        """The state before the first row as the Alternators' forms over whole sequences want it."""
        alternators = eqx.filter_vmap(lambda one, k: one.first(k))(self.alternators, self._keys(key))
        return replace(self.init(key=key), alternators=alternators)

    def _each(self, seq: Sequence, start: SwitchingState, key: Array, keep: Array | None):
        """Params and states of the Alternators, modes leading, and their log-weights `(time, modes)`."""
        run = lambda one, s, k: one.unroll(seq, key=k, state=s, keep=keep)  # noqa: E731
        params, weights, after = eqx.filter_vmap(run)(self.alternators, self._in_step(start), self._keys(key))
        return params, weights.T, after

    def _believe(self, seq: Sequence, start: Array, weights: Array) -> tuple[Array, Array, Array]:
        initial = jax.nn.log_softmax(self.initial)
        return filter_modes(weights, start, initial, self._transition(), seq.valid, seq.starts)

    def _transition(self) -> Float[Array, "modes modes"]:
        return jax.nn.log_softmax(self.transition, axis=1)

    def _in_step(self, state: SwitchingState) -> AlternatorState:
        """The Alternators' states, counting as the whole does also after a restart."""
        steps = jnp.full(self.mode_count, state.step, jnp.int32)
        return eqx.tree_at(lambda s: s.step, state.alternators, steps)

    def _keys(self, key: Array) -> Array:
        return jax.vmap(lambda mode: jax.random.fold_in(key, FIRST_KEY - mode))(jnp.arange(self.mode_count))


def _check_settings(settings: dict[str, Any]) -> None:
    """Refuse what a mixture of modes cannot hold."""
    if settings.get("gap", "hold") != "hold":
        raise InputError("a SwitchingAlternator holds its latents over gaps: leave out gap=.")
    if settings.get("operator") is not None:
        raise InputError("a SwitchingAlternator has no observation operator: give it coordinates as data.")
    if not isinstance(settings.get("noise", "state"), str):
        raise InputError("a SwitchingAlternator takes its noise by name ('state', 'student', 'learned', 'lowrank').")
