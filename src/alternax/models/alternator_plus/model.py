"""Alternator++ (arXiv 2505.12544): an Alternator with models of the noise in its observations and in its latent.

    x_t = base_t + sqrt(b_t) f(z_{t-1}) + sqrt(1 - b_t - sx^2) e_psi(z_{t-1}) + sx e_t            OTN
    z_t = sqrt(a_t) g(x_{1:t}) + sqrt(1 - a_t - sz^2) e_nu(z_{t-1}, x_t) + sz n_t                 FTN

The Alternator's linear carry of z_{t-1} is gone: what is kept of the past is what e_nu makes of it, so that the latent
is no longer Gaussian given x and training walks through the rows.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from numpyro.distributions import Distribution

from alternax.core.emission import observed_log_prob
from alternax.core.errors import InputError
from alternax.core.model import ChainModel, Reader, per_entry, sample_rollout, scan_unroll
from alternax.core.sequence import Sequence
from alternax.core.static import with_static
from alternax.models.alternator.alpha import Alpha
from alternax.models.alternator.drawn import drawn_moments
from alternax.models.alternator.model import Alternator
from alternax.models.alternator.parallel import gather
from alternax.models.alternator.state import AlternatorState
from alternax.models.alternator_plus.beta import beta as share_of_signal
from alternax.models.alternator_plus.latent_noise import KINDS, LatentNoise
from alternax.models.alternator_plus.sequential import walk
from alternax.models.alternator_plus.transition import PlusChain, plus_chain, plus_kind
from alternax.models.checks import check_choice, check_counts, check_sequence
from alternax.nets.blind import blind_to
from alternax.nets.body import Body, body, silence
from alternax.nets.noise import Noise
from alternax.nets.operator import Operator
from alternax.nets.past import Past
from alternax.nets.rows import TINY, counted_weight


class AlternatorPlusPlus(ChainModel, Reader):
    """An Alternator whose OTN and FTN have a noise model each.

    Everything but `beta`, `noise_nets` and `paths` is as in `Alternator`, defaults included. With `noise="paper"`, no
    residual and memoryless bodies it is the paper's model; with other noise `sigma_x` stays in the square roots and the
    noise that is left has a scale of its own. f and e_psi see the same state: in the law of x they are one mean, and
    what each of them is for follows from the objective (`NoiseMatching`).

    Args:
        obs_dim: Number of observed features.
        latent_dim: Length of z.
        beta: Share of the signal in an observation, 0 <= beta <= 1 - sigma_x^2: a number, an array over time (its last
            value serves later steps; see `schedule`), or "learned" (one scalar).
        noise_nets: e_psi and e_nu: "mlp" (of `width` and `depth`) or "affine".
        paths: Independent latent paths whose mean and variance `filter` reports.
        target_dim: Number of target features to decode; 0 for none.
        control_dim: Number of control features (`data.control_dim`), seen by all networks.
        ftn: Body of g: a layer name, "mlp", "affine", or a `Layer`.
        otn: Body of f, likewise.
        width: Width of all bodies.
        depth: Layers of the bodies (hidden layers of an "mlp").
        alpha: Share of the observation in the latent, 0 <= alpha <= 1 - sigma_z^2; see `Alternator`.
        sigma_z: Standard deviation of the latent noise that is left.
        noise: Kind of the observation noise that is left; see `Alternator`.
        sigma_x: Its standard deviation, or the start value of the learned kinds; 0 < sigma_x < 1.
        rank: Common noise factors of "lowrank" without an operator.
        residual: "change", "carry" or None; see `Residual`.
        operator: Fixed observation operator; f and e_psi then emit its coordinates, g and e_nu read them.
        flow: What elapsed time does to z; see `Alternator`.
        context: Scale every series causally by its first `context` rows; None leaves scaling to the data's transform.
        gap: "hold" (missing rows leave the state untouched) or "draw" (missing entries are the OTN's own draws).
        decode: "latent" (targets are the first coordinates of z) or "head" (an MLP reads them off z).
        target_noise: "learned" (one standard deviation a decoded target) or "state" (an MLP reads them off z).
        key: Key of the initial weights.

    Raises:
        InputError: Naming the bound or shape that is broken.

    Example:
        >>> model = AlternatorPlusPlus(3, latent_dim=8, beta=0.6, key=jax.random.key(0))
        >>> seq = Sequence.build(jnp.zeros((20, 3)))
        >>> params, log_weights, state = model.unroll(seq, key=jax.random.key(1))

    Reference: Rezaei and Dieng, "Alternators With Noise Models", arXiv 2505.12544.
    """

    base: Alternator
    beta: Alpha
    psi: Body
    nu: LatentNoise
    obs_dim: int = eqx.field(static=True)
    latent_dim: int = eqx.field(static=True)
    target_dim: int = eqx.field(static=True)
    control_dim: int = eqx.field(static=True)
    context: int | None = eqx.field(static=True)
    paths: int = eqx.field(static=True)

    def __init__(
        self,
        obs_dim: int,
        *,
        latent_dim: int,
        beta: Any = 0.7,
        noise_nets: str = "mlp",
        paths: int = 16,
        target_dim: int = 0,
        control_dim: int = 0,
        ftn: Any = "lru",
        otn: Any = "mlp",
        width: int = 64,
        depth: int = 2,
        alpha: Any = "multiscale",
        sigma_z: float = 0.1,
        noise: str = "state",
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
        check_choice("noise_nets", noise_nets, KINDS)
        if not isinstance(noise, str):
            raise InputError(
                "an Alternator++ adds noise to a mean, so that its columns must be real: choose noise='state' or "
                "another name, or an Alternator, which takes families of counts, categories and other kinds."
            )
        check_counts(2, paths=paths)
        base_key, psi_key, nu_key = jax.random.split(key, 3)
        sizes = {"width": width, "depth": depth}
        self.base = base = Alternator(
            obs_dim, latent_dim=latent_dim, target_dim=target_dim, control_dim=control_dim, ftn=ftn, otn=otn, **sizes,
            alpha=alpha, sigma_z=sigma_z, noise=noise, sigma_x=sigma_x, rank=rank, residual=residual, operator=operator,
            flow=flow, context=context, gap=gap, decode=decode, target_noise=target_noise, key=base_key,
        )  # fmt: skip
        self.beta = share_of_signal(beta, sigma_x)
        columns, ages = base.column_count, obs_dim if operator is None else 1
        psi = body(noise_nets, base.otn.in_dim, columns, **sizes, key=psi_key)
        self.psi = silence(psi, latent_dim, latent_dim + ages)
        blind = (columns, 2 * columns)
        self.nu = LatentNoise(noise_nets, latent_dim, base.ftn.in_dim, blind=blind, **sizes, key=nu_key)
        self.obs_dim, self.latent_dim, self.target_dim = obs_dim, latent_dim, target_dim
        self.control_dim, self.context, self.paths = control_dim, context, paths

    def init(self, *, key: Array) -> AlternatorState:
        """z_0 ~ N(0, I), nothing seen."""
        return self.base.init(key=key)

    def advance(self, state: AlternatorState, dt: Array, *, control: Array, key: Array) -> AlternatorState:
        """Lets z flow for `dt`, and draws the noise pending and that of the flow."""
        return self.base.advance(state, dt, control=control, key=key)

    def predict(self, state: AlternatorState, *, control: Array) -> dict[str, Array]:
        """The OTN with its noise model: location and scale of the next row."""
        return self._asked(state, control)[0]

    def emission(self, params: dict[str, Array]) -> Distribution:
        """The law over the columns."""
        return self.base.emission(params)

    def update(
        self, state: AlternatorState, x: Array, observed: Array, *, control: Array, key: Array
    ) -> tuple[AlternatorState, Array]:
        """The FTN and its noise model take the row in; one with nothing observed leaves all but the clock as it was."""
        params, otn = self._asked(state, control)
        law = self.emission(params)
        log_weight = counted_weight(observed_log_prob(law, x, observed), state.past, self.base.scaling)
        kept = lambda taken: self.nu(state.z, self.nu.shown(taken))  # noqa: E731
        return self.base.take_in(state, x, observed, law, otn, kept, control=control, key=key), log_weight

    def unroll(self, seq: Sequence, *, key: Array, state=None, keep=None):
        """One call of g, a loop over z, one call of f and e_psi; the plain loop where a row waits for draws."""
        check_sequence(self, seq)
        if self.base.sequential:
            return scan_unroll(self, seq, key=key, state=state, keep=keep)
        start = self.first(key) if state is None else state
        trace = walk(self, seq, start, key, keep).trace
        log_weights = observed_log_prob(self.emission(trace.params), seq.x, trace.rows.observed)
        return trace.params, counted_weight(log_weights, trace.rows.before, self.base.scaling), gather(trace, keep)

    def rollout(self, state: AlternatorState, horizon: int, *, controls: Array, dts: Array, key: Array) -> Array:
        """One path: the OTN emits, the FTN takes its own emission in."""
        assert controls.shape[0] == dts.shape[0] == horizon
        return sample_rollout(self, state, controls=controls, dts=dts, key=key)

    def loss(self, seq: Sequence, *, key: Array) -> Array:
        """Negative one-sample evidence bound per counted entry; the paper's loss is `NoiseMatching`."""
        _, log_weights, _ = self.unroll(seq, key=key)
        return -per_entry(log_weights.sum(), seq, self.context)

    def filter(self, seq: Sequence, *, key: Array, state=None) -> tuple[Array, Array]:
        """Mean and variance of z_t given x_{1:t}, estimated from `paths` draws of the latent.

        e_nu makes the law of z other than Gaussian, without a closed form.
        """
        check_sequence(self, seq)
        return drawn_moments(self, seq, key, state, self.paths)

    @property
    def chain_kind(self) -> str | None:
        """As for `Alternator`; "linear" needs affine noise models too."""
        return plus_kind(self)

    def chain(self, seq: Sequence, *, key: Array) -> PlusChain:
        """The latent given the rows, for particles and exact inference."""
        return plus_chain(self, seq, key)

    def decode(self, mean: Array, var: Array) -> tuple[Array, Array]:
        """Targets from the latent mean, and their learned residual scale."""
        return self.base.decode(mean, var)

    def blind_to(self, columns: np.ndarray) -> "AlternatorPlusPlus":
        """The same networks, g and e_nu with zero weight on these columns."""
        of_row = blind_to(columns, self.nu.of_row, self.base.noise, self.base.operator)
        return eqx.tree_at(lambda m: (m.base, m.nu.of_row), self, (self.base.blind_to(columns), of_row))

    def first(self, key: Array) -> AlternatorState:
        """As for `Alternator`."""
        return self.base.first(key)

    def with_gap(self, gap: str) -> "AlternatorPlusPlus":
        """The same networks under the other gap rule, "hold" or "draw"."""
        return eqx.tree_at(lambda m: m.base, self, self.base.with_gap(gap))

    def with_paths(self, paths: int) -> "AlternatorPlusPlus":
        """The same networks with another number of paths behind `filter` and `decode`."""
        check_counts(2, paths=paths)
        return with_static(self, paths=paths)

    # The pieces that the step and the form for whole sequences share.

    @property
    def noise(self) -> Noise:
        """The noise that is left."""
        assert isinstance(self.base.noise, Noise)
        return self.base.noise

    def observation_noise(self, asked: Array) -> Array:
        """e_psi of one row or of all, in what f emits."""
        return self.psi(asked)[0] if asked.ndim == 2 else self.psi.step(asked, ())[0]

    def shares(self, step: Array) -> tuple[Array, Array]:
        """sqrt(b_t) and sqrt(1 - b_t - sx^2)."""
        b = self.beta(step)
        return jnp.sqrt(b), jnp.sqrt(jnp.maximum(1.0 - b - self.noise.sigma_x**2, 0.0) + TINY)

    def law(self, raw: Array, e_psi: Array, past: Past, step: Array) -> dict[str, Array]:
        """Parameters of the emission in data units from the outputs of f and e_psi."""
        signal, rest = self.shares(step)
        columns = self.base.column_count
        # The schedule stands where the Alternator of the first paper has sqrt(1 - sx^2).
        mean = (signal * raw[..., :columns] + rest * e_psi) / self.noise.mean_factor
        return self.base.law(jnp.concatenate([mean, raw[..., columns:]], axis=-1), past)

    def _asked(self, state: AlternatorState, control: Array) -> tuple[dict[str, Array], Any]:
        """The law of the next row, and the state of f's body after it."""
        asked = self.base.otn_input(state.z, state.past, control)
        raw, otn = self.base.otn.step(asked, state.otn, dt=self.base.layer_dt(state.past.elapsed))
        return self.law(raw, self.observation_noise(asked), state.past, state.step), otn
