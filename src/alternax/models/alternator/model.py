"""The Alternator (arXiv 2405.11848): an OTN that emits x_t from z_{t-1} and an FTN that takes x_t into z_t.

    x_t = base_t + f(z_{t-1}, c_t) + noise                                          OTN
    z_t = sqrt(a_t) g(x_{1:t}, c_t) + sqrt(1 - a_t - sz^2) z_{t-1} + sz e_t         FTN

f and g are any causal bodies; with `noise="paper"`, no residual and memoryless bodies this is the paper's model.
Given x the latent recurrence is linear, so an observed sequence takes one call of g, one linear scan and one call of f.
"""

from collections.abc import Callable
from collections.abc import Sequence as Several
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpyro.distributions import Distribution

from alternax.core.emission import complete, observed_log_prob
from alternax.core.model import (
    ChainModel,
    Reader,
    draw_key,
    latent_key,
    per_entry,
    sample_rollout,
    scan_unroll,
    where_tree,
)
from alternax.core.sequence import Sequence
from alternax.core.static import with_static
from alternax.models.alternator import build
from alternax.models.alternator.alpha import Alpha
from alternax.models.alternator.drawn import drawn_moments, fill_by_draws
from alternax.models.alternator.parallel import encode, flowed_spread, gather, moments, run
from alternax.models.alternator.state import AlternatorState
from alternax.models.alternator.transition import AlternatorChain, alternator_chain, chain_kind
from alternax.models.alternator.vendi import VendiAlpha, Window
from alternax.models.checks import check_choice, check_decodes, check_sequence
from alternax.nets.blind import blind_to
from alternax.nets.body import Body
from alternax.nets.context_scale import ContextScale
from alternax.nets.families import ColumnLaws, Family
from alternax.nets.flow import decay_rates, flow_factor, flow_variance
from alternax.nets.noise import Noise
from alternax.nets.operator import Operator
from alternax.nets.past import Past
from alternax.nets.residual import Residual
from alternax.nets.rows import TINY, counted_weight, predictor, reader, row_asked, row_law, row_taken, shown_dim
from alternax.nets.target_scale import spread_reader, target_scale

PATHS = 16


class Alternator(ChainModel, Reader):
    """An Alternator with every part of its family that is closed form given x.

    Args:
        obs_dim: Number of observed features.
        latent_dim: Length of z.
        target_dim: Number of target features to decode; 0 for none.
        control_dim: Number of control features (`data.control_dim`), seen by both networks.
        ftn: Body of g: a layer name ("lru", "gru", ...), "mlp", "affine", a `Layer`, or a `GridNet`.
        otn: Body of f, likewise.
        width: Width of both bodies.
        depth: Layers of the bodies (hidden layers of an "mlp").
        alpha: "multiscale" (learned per latent dimension, half-lives log-spaced from 1 to 100 steps at the start),
            "learned" (one scalar), a number, an array over time (its last value serves later steps), or "vendi" or a
            `Vendi` (it follows how varied the last rows were, the alpha-Alternator).
        sigma_z: Standard deviation of the latent noise; 0 <= alpha <= 1 - sigma_z^2.
        noise: "state", "student", "learned", "lowrank" or "paper" for real columns, see `Noise`; or a family for each
            column, such as `ax.families.of(data)` for counts, categories and the like.
        sigma_x: Observation noise of the paper, start value of the learned kinds, in scaled units.
        rank: Common noise factors of "lowrank" without an operator.
        residual: "change", "carry" or None; see `Residual`.
        operator: Fixed observation operator; f then emits its coordinates and g reads them.
        flow: None (the recurrences count rows), or for irregular times "decay" (between rows z decays by
            exp(-lambda dt), lambda >= 0 learned per dimension) or "ou" (and gains noise of variance
            1 - exp(-2 lambda dt): what is not observed for long is forgotten towards N(0, I)); recurrent bodies then
            see the elapsed time.
        context: Scale every series causally by its first `context` rows; None leaves scaling to the data's transform.
        gap: "hold" (missing rows leave the state untouched; parallel) or "draw" (missing entries are the OTN's own
            draws, the paper's rule; sequential).
        decode: "latent" (targets are the first coordinates of z, each with one memory: give alpha a number, since those
            of "multiscale" start far apart) or "head" (an MLP reads them off z).
        target_noise: "learned" (one standard deviation a decoded target) or "state" (an MLP reads them off z).
        key: Key of the initial weights.

    Raises:
        InputError: Naming the bound or shape that is broken.

    Example:
        >>> model = Alternator(3, latent_dim=8, key=jax.random.key(0))
        >>> seq = Sequence.build(jnp.zeros((20, 3)))
        >>> params, log_weights, state = model.unroll(seq, key=jax.random.key(1))

    Reference: Rezaei and Dieng, "Alternators For Sequence Modeling", arXiv 2405.11848, equations 1 to 5.
    """

    ftn: Body
    otn: Body
    alpha: Alpha | VendiAlpha
    noise: Noise | ColumnLaws
    residual: Residual
    operator: Operator | None
    scaling: ContextScale | None
    decay: Float[Array, "latent_dim"] | None
    head: Body | None
    target_log_scale: Float[Array, "target_dim"]
    obs_dim: int = eqx.field(static=True)
    latent_dim: int = eqx.field(static=True)
    target_dim: int = eqx.field(static=True)
    control_dim: int = eqx.field(static=True)
    context: int | None = eqx.field(static=True)
    sigma_z: float = eqx.field(static=True)
    gap: str = eqx.field(static=True)
    noisy_flow: bool = eqx.field(static=True, default=False)
    target_spread: Body | None = None

    def __init__(
        self,
        obs_dim: int,
        *,
        latent_dim: int,
        target_dim: int = 0,
        control_dim: int = 0,
        ftn: Any = "lru",
        otn: Any = "mlp",
        width: int = 64,
        depth: int = 2,
        alpha: Any = "multiscale",
        sigma_z: float = 0.1,
        noise: str | ColumnLaws | Several[Family] = "state",
        sigma_x: float = 0.3,
        rank: int = 4,
        residual: str | None = "change",
        operator: Operator | None = None,
        flow: str | None = None,
        context: int | None = None,
        gap: str = "hold",
        decode: str = "head",
        target_noise: str = "learned",
        key: Array,
    ):
        build.check(
            obs_dim, latent_dim, target_dim, control_dim, sigma_z, flow, context, gap, decode, target_noise, operator
        )
        ftn_key, otn_key, noise_key, head_key = jax.random.split(key, 4)
        self.noise = row_law(noise, obs_dim, sigma_x, rank, operator, noise_key)
        self.residual = Residual(residual, obs_dim)
        self.alpha = build.alpha(alpha, latent_dim, sigma_z)
        sizes = {"width": width, "depth": depth}
        self.ftn = reader(ftn, obs_dim, control_dim, latent_dim, self.noise, operator, **sizes, key=ftn_key)
        self.otn = predictor(otn, latent_dim, obs_dim, control_dim, self.noise, operator, **sizes, key=otn_key)
        self.head = build.head(decode, latent_dim, target_dim, width, head_key)
        self.decay = decay_rates(flow, latent_dim)
        self.scaling = None if context is None else ContextScale(obs_dim, context)
        self.target_log_scale = jnp.zeros(target_dim)
        self.target_spread = spread_reader(target_noise, latent_dim, target_dim, width, head_key)
        self.operator, self.obs_dim, self.latent_dim, self.target_dim = operator, obs_dim, latent_dim, target_dim
        self.control_dim, self.context, self.sigma_z, self.gap = control_dim, context, sigma_z, gap
        self.noisy_flow = flow == "ou"

    def init(self, *, key: Array) -> AlternatorState:
        """z_0 ~ N(0, I), nothing seen."""
        return AlternatorState(
            z=jnp.zeros(self.latent_dim),
            spread=jnp.ones(()),
            past=Past.none(self.obs_dim, self.scaling),
            ftn=self.ftn.init_state(),
            otn=self.otn.init_state(),
            step=jnp.zeros((), jnp.int32),
            window=self.alpha.empty(self.latent_dim if self.alpha.drawn else self.column_count),
        )

    def advance(self, state: AlternatorState, dt: Array, *, control: Array, key: Array) -> AlternatorState:
        """Lets z flow for `dt`, and draws the noise pending and that of the flow."""
        noise = jax.random.normal(latent_key(key, state.step), state.z.shape, state.z.dtype)
        diffusion = self.diffusion(dt) if self.noisy_flow else None
        flow = self.flow(dt)
        flowed = flow * state.z + flowed_spread(flow, diffusion, state.spread) * noise
        return eqx.tree_at(
            lambda s: (s.z, s.spread, s.past), state, (flowed, jnp.zeros_like(state.spread), state.past.wait(dt))
        )

    def predict(self, state: AlternatorState, *, control: Array) -> dict[str, Array]:
        """The OTN: location and scale of the next row."""
        asked = self.otn_input(state.z, state.past, control)
        raw, _ = self.otn.step(asked, state.otn, dt=self.layer_dt(state.past.elapsed))
        return self.law(raw, state.past)

    def emission(self, params: dict[str, Array]) -> Distribution:
        """Normal, Student-t, or low rank plus diagonal Normal, over the columns, or a family for each of them."""
        return self.noise.emission(**params)

    def update(
        self, state: AlternatorState, x: Array, observed: Array, *, control: Array, key: Array
    ) -> tuple[AlternatorState, Array]:
        """The FTN takes the row in; a row with nothing observed leaves everything but the clock as it was."""
        asked = self.otn_input(state.z, state.past, control)
        raw, otn = self.otn.step(asked, state.otn, dt=self.layer_dt(state.past.elapsed))
        law = self.emission(self.law(raw, state.past))
        log_weight = counted_weight(observed_log_prob(law, x, observed), state.past, self.scaling)
        after = self.take_in(state, x, observed, law, otn, lambda taken: state.z, control=control, key=key)
        return after, log_weight

    def take_in(
        self,
        state: AlternatorState,
        x: Array,
        observed: Array,
        law: Distribution,
        otn: Any,
        kept: Callable[[Array], Array],
        *,
        control: Array,
        key: Array,
    ) -> AlternatorState:
        """The state after a row whose law was `law`: `kept` is what stands of the latent, given what g is shown."""
        if self.gap == "draw":
            x, observed = complete(law, x, observed, draw_key(key, state.step)), jnp.ones_like(observed)
        past = state.past.take(x, observed, self.scaling)
        taken = self.ftn_input(past, observed, control)
        g, ftn = self.ftn.step(taken, state.ftn, dt=self.layer_dt(state.past.elapsed))
        held = state.z if self.alpha.drawn else self.columns(taken)
        window = None if state.window is None else state.window.take(held)
        a, carry = self.gains(state.step, window)
        updated = AlternatorState(
            z=jnp.sqrt(a) * g + carry * kept(taken),
            spread=jnp.full_like(state.spread, self.sigma_z),
            past=past,
            ftn=ftn,
            otn=otn,
            step=state.step,
            window=window,
        )
        after = where_tree(observed.any(), updated, state)
        return eqx.tree_at(lambda s: s.step, after, state.step + 1)

    def unroll(self, seq: Sequence, *, key: Array, state=None, keep=None):
        """One call of g, one linear scan, one call of f; the plain loop where a row waits for draws."""
        check_sequence(self, seq)
        if self.sequential:
            return scan_unroll(self, seq, key=key, state=state, keep=keep)
        start = self.first(key) if state is None else state
        trace = run(self, seq, start, key, keep)
        log_weights = observed_log_prob(self.emission(trace.params), seq.x, trace.rows.observed)
        return trace.params, counted_weight(log_weights, trace.rows.before, self.scaling), gather(trace, keep)

    def rollout(self, state: AlternatorState, horizon: int, *, controls: Array, dts: Array, key: Array) -> Array:
        """One path: the OTN emits, the FTN takes its own emission in."""
        assert controls.shape[0] == dts.shape[0] == horizon
        return sample_rollout(self, state, controls=controls, dts=dts, key=key)

    def loss(self, seq: Sequence, *, key: Array) -> Array:
        """Negative one-sample evidence bound per counted entry."""
        _, log_weights, _ = self.unroll(seq, key=key)
        return -per_entry(log_weights.sum(), seq, self.context)

    def filter(self, seq: Sequence, *, key: Array, state=None) -> tuple[Array, Array]:
        """Closed-form mean and variance of z_t given x_{1:t} (alternators.md, section 1: m_t, v_t).

        With `gap="draw"` the moments are those of one imputed path; with an alpha over latents they are estimated
        without bias from 16 paths, for z is not Gaussian then.
        """
        check_sequence(self, seq)
        if self.alpha.drawn:
            return drawn_moments(self, seq, key, state, PATHS)
        if self.gap == "draw":
            seq = fill_by_draws(self, seq, state, key)
        start = self.first(key) if state is None else state
        return moments(self, start, encode(self, seq, start))

    @property
    def chain_kind(self) -> str | None:
        """By the OTN: "linear" if affine with Gaussian noise of its own, "path" if recurrent, else "markov"."""
        return chain_kind(self)

    def chain(self, seq: Sequence, *, key: Array) -> AlternatorChain:
        """The latent given the rows, for particles and exact inference."""
        return alternator_chain(self, seq, key)[0]

    def decode(self, mean: Array, var: Array) -> tuple[Array, Array]:
        """Targets from the latent mean, and the scale of their residuals."""
        check_decodes(self)
        decoded = mean[:, : self.target_dim] if self.head is None else self.head(mean)[0]
        return decoded, target_scale(self.target_log_scale, self.target_spread, mean)

    def blind_to(self, columns: np.ndarray) -> "Alternator":
        """The same networks, g with zero weight on these columns."""
        first = blind_to(columns, self.ftn.first, self.noise, self.operator)
        return eqx.tree_at(lambda m: m.ftn.first, self, first)

    def first(self, key: Array) -> AlternatorState:
        """The state before the first row as the forms over whole sequences want it."""
        start = self.init(key=key)
        return start if self.sequential else start.without_memories()

    def with_gap(self, gap: str) -> "Alternator":
        """The same networks under the other gap rule, "hold" or "draw"."""
        check_choice("gap", gap, build.GAPS)
        return with_static(self, gap=gap)

    @property
    def sequential(self) -> bool:
        """Whether a row waits for draws: of what is missing before it, or of the latent."""
        return self.gap == "draw" or self.alpha.drawn

    # The pieces that the step and the parallel form share.

    def flow(self, dt: Array) -> Array:
        """Factor on z after time `dt`, trailing latent axis added."""
        return flow_factor(self.decay, dt, self.latent_dim)

    def diffusion(self, dt: Array) -> Array:
        """Variance that z gains in time `dt` from a noisy flow, trailing latent axis added."""
        return flow_variance(self.decay, dt, self.latent_dim)

    def layer_dt(self, elapsed: Array) -> Array | None:
        """The time that recurrent bodies see: None without a flow, where they count rows."""
        return None if self.decay is None else elapsed

    def gains(self, step: Array, window: Window | None = None) -> tuple[Array, Array]:
        """a_t and c_t = sqrt(1 - a_t - sz^2)."""
        a = self.alpha(step, window)
        return a, jnp.sqrt(jnp.maximum(1.0 - a - self.sigma_z**2, 0.0) + TINY)

    def ftn_input(self, past: Past, observed: Array, control: Array) -> Array:
        """What g sees of a row, given the past after it."""
        return row_taken(past, observed, control, self.noise, self.scaling, self.operator)

    def columns(self, taken: Array) -> Array:
        """The columns of x (or the operator's coordinates), as g is shown them."""
        return taken[..., : self.column_count]

    @property
    def column_count(self) -> int:
        """How many numbers these are."""
        return shown_dim(self.obs_dim, self.noise, self.operator)

    def otn_input(self, z: Array, past: Past, control: Array) -> Array:
        """What f sees before a row."""
        return row_asked(self.otn, z, past, control, self.noise, self.scaling, self.operator)

    def law(self, raw: Array, past: Past) -> dict[str, Array]:
        """Parameters of the emission in data units from the OTN's output."""
        return self.noise.params(raw, past, self.residual, self.scaling, self.operator)
