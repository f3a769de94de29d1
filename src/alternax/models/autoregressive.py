"""Any sequence layer as a forecaster: a causal body takes the rows in, a head puts out the law of the next one.

    h_t = body(x_{1:t}, c_{1:t}),    x_{t+1} ~ base_{t+1} + law(head(h_t, c_{t+1}))

Nothing is latent, so the likelihood is exact: one call of the body over all rows, shifted by one, and one of the head.
Further heads read targets off h_t row by row, and the class of the whole series off h pooled over the rows.
"""

from collections.abc import Sequence as Several
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpyro.distributions import Distribution

from alternax.core.emission import observed_log_prob
from alternax.core.layer import Layer
from alternax.core.model import Classifier, LatentModel, Reader, Tractable, per_entry, sample_rollout, where_tree
from alternax.core.sequence import Sequence
from alternax.models.checks import (
    check_choice,
    check_classifies,
    check_counts,
    check_decodes,
    check_operator,
    check_sequence,
)
from alternax.nets.blind import blind_to
from alternax.nets.body import Body
from alternax.nets.body import body as network
from alternax.nets.context_scale import ContextScale
from alternax.nets.families import ColumnLaws, Family
from alternax.nets.flow import NOISELESS as FLOWS
from alternax.nets.flow import decay_rates, flow_factor
from alternax.nets.noise import Noise
from alternax.nets.operator import Operator
from alternax.nets.past import Past, PastRows, past_rows, row_before
from alternax.nets.residual import Residual
from alternax.nets.rows import counted_weight, predictor, reader, row_asked, row_law, row_taken
from alternax.nets.target_scale import KINDS as TARGET_NOISES
from alternax.nets.target_scale import spread_reader, target_scale

LAWS = {"normal": "state", "student": "student", "lowrank": "lowrank", "constant": "learned"}
HEADS, POOLS = ("mlp", "affine"), ("mean", "last")


class AutoregressiveState(eqx.Module):
    """The state after a row.

    Args:
        features: What the body put out at the last row with anything observed, 0 before the first.
        past: Last values, their ages, the running scale.
        body: State of the body after that row; None where it begins by itself, in forms over whole sequences.
        step: Absolute step: the number of rows taken in.
    """

    features: Float[Array, "*rows latent_dim"]
    past: Past
    body: Any
    step: Int[Array, "*rows"]


class Autoregressive(LatentModel, Classifier, Tractable, Reader):
    """A causal body with heads for the next row, for targets at every row and for the class of a series.

    As a `LatentModel` its latent are the features h, which are known once the rows are: their variance is 0.

    Args:
        obs_dim: Number of observed features.
        body: What takes the rows in: a layer name ("lru", "gru", ...), "mlp", "affine", or a `Layer`.
        width: Width of the body and of every head's hidden layer, and number of features h.
        depth: Layers of the body (hidden layers of an "mlp").
        head: "mlp" (one hidden layer) or "affine": the map from h to the law of the next row.
        law: "normal" (standard deviations depend on h), "student" (the same with Student-t tails), "constant" (one
            learned standard deviation a column), or "lowrank" (that, and `rank` common factors), see `Noise`; or a
            family for each column, such as `ax.families.of(data)`.
        sigma_x: Start value of the scale of the law, in scaled units.
        rank: Common noise factors of "lowrank" without an operator.
        residual: "change" (the head puts out the change since the last value), "carry" (since a learned share of it
            that fades with its age) or None; see `Residual`.
        target_dim: Number of target features to decode; 0 for none.
        target_noise: "learned" (one standard deviation a decoded target) or "state" (an MLP reads them off h).
        class_count: Number of classes of whole series (`data.class_count`); 0 for none.
        pool: "mean" (over the rows with anything observed) or "last": the features that tell the class.
        control_dim: Number of control features (`data.control_dim`), seen by body and head.
        operator: Fixed observation operator; the head then emits its coordinates and the body reads them.
        flow: None (the body counts rows), or "decay" for irregular times: between rows h decays by exp(-lambda dt),
            lambda >= 0 learned per dimension, and the body sees the elapsed time.
        context: Scale every series causally by its first `context` rows; None leaves scaling to the data's transform.
        key: Key of the initial weights.

    Raises:
        InputError: Naming the bound or shape that is broken.

    Example:
        >>> model = Autoregressive(3, body="gru", width=16, depth=1, key=jax.random.key(0))
        >>> model.unroll(Sequence.build(jnp.zeros((20, 3))), key=jax.random.key(1))[1].shape
        (20,)
    """

    body: Body
    head: Body
    noise: Noise | ColumnLaws
    residual: Residual
    operator: Operator | None
    scaling: ContextScale | None
    decay: Float[Array, "latent_dim"] | None
    decoder: Body | None
    target_log_scale: Float[Array, "target_dim"]
    classifier: Body | None
    obs_dim: int = eqx.field(static=True)
    latent_dim: int = eqx.field(static=True)
    target_dim: int = eqx.field(static=True)
    class_count: int = eqx.field(static=True)
    control_dim: int = eqx.field(static=True)
    context: int | None = eqx.field(static=True)
    pool: str = eqx.field(static=True)
    target_spread: Body | None = None

    def __init__(
        self,
        obs_dim: int,
        *,
        body: str | Layer = "lru",
        width: int = 64,
        depth: int = 2,
        head: str = "mlp",
        law: str | ColumnLaws | Several[Family] = "normal",
        sigma_x: float = 0.3,
        rank: int = 4,
        residual: str | None = "change",
        target_dim: int = 0,
        target_noise: str = "learned",
        class_count: int = 0,
        pool: str = "mean",
        control_dim: int = 0,
        operator: Operator | None = None,
        flow: str | None = None,
        context: int | None = None,
        key: Array,
    ):
        check_counts(1, obs_dim=obs_dim, width=width, depth=depth, **({} if context is None else {"context": context}))
        check_counts(0, target_dim=target_dim, class_count=class_count, control_dim=control_dim)
        for name, value, known in (
            ("head", head, HEADS),
            ("law", law if isinstance(law, str) else "normal", LAWS),
            ("pool", pool, POOLS),
            ("flow", flow, FLOWS),
            ("target_noise", target_noise, TARGET_NOISES),
        ):
            check_choice(name, value, known)
        check_operator(operator, obs_dim, context)
        body_key, head_key, noise_key, decoder_key, class_key = jax.random.split(key, 5)
        named = LAWS[law] if isinstance(law, str) else law
        self.noise = row_law(named, obs_dim, sigma_x, rank, operator, noise_key)
        self.residual = Residual(residual, obs_dim)
        sizes = (obs_dim, control_dim)
        self.body = reader(body, *sizes, width, self.noise, operator, width=width, depth=depth, key=body_key)
        self.head = predictor(head, width, *sizes, self.noise, operator, width=width, depth=1, key=head_key)
        self.decoder = _head(width, target_dim, decoder_key)
        self.classifier = _head(width, class_count, class_key)
        self.decay = decay_rates(flow, width)
        self.scaling = None if context is None else ContextScale(obs_dim, context)
        self.target_log_scale = jnp.zeros(target_dim)
        self.target_spread = spread_reader(target_noise, width, target_dim, width, decoder_key)
        self.operator, self.context, self.pool = operator, context, pool
        self.obs_dim, self.control_dim, self.latent_dim = obs_dim, control_dim, width
        self.target_dim, self.class_count = target_dim, class_count

    def init(self, *, key: Array) -> AutoregressiveState:
        """Nothing seen."""
        return AutoregressiveState(
            features=jnp.zeros(self.latent_dim),
            past=Past.none(self.obs_dim, self.scaling),
            body=self.body.init_state(),
            step=jnp.zeros((), jnp.int32),
        )

    def advance(self, state: AutoregressiveState, dt: Array, *, control: Array, key: Array) -> AutoregressiveState:
        """Only the clock runs on; the features flow where they are read."""
        return eqx.tree_at(lambda s: s.past, state, state.past.wait(dt))

    def predict(self, state: AutoregressiveState, *, control: Array) -> dict[str, Array]:
        """The head: location and scale of the next row."""
        return self._law(state.features, state.past, control)

    def emission(self, params: dict[str, Array]) -> Distribution:
        """The law over the columns."""
        return self.noise.emission(**params)

    def update(
        self, state: AutoregressiveState, x: Array, observed: Array, *, control: Array, key: Array
    ) -> tuple[AutoregressiveState, Array]:
        """The body takes the row in; a row with nothing observed leaves everything but the clock as it was."""
        log_weight = self._log_weight(self.predict(state, control=control), x, observed, state.past)
        past = state.past.take(x, observed, self.scaling)
        shown = row_taken(past, observed, control, self.noise, self.scaling, self.operator)
        features, body = self.body.step(shown, state.body, dt=self._layer_dt(state.past))
        updated = AutoregressiveState(features, past, body, state.step)
        after = where_tree(observed.any(), updated, state)
        return eqx.tree_at(lambda s: s.step, after, state.step + 1), log_weight

    def unroll(self, seq: Sequence, *, key: Array, state=None, keep=None):
        """One call of the body, one of the head."""
        start = self._first(key) if state is None else state
        rows, features, body = self._encode(seq, start, keep)
        last = _last_seen(features, rows, start.features)
        before = row_before(last, start.features, rows.resets)
        params = self._law(before, rows.before, seq.controls)
        log_weights = self._log_weight(params, seq.x, rows.observed, rows.before)
        at = seq.length - 1 if keep is None else keep
        past = jax.tree.map(lambda a: a[at], rows.after)
        return params, log_weights, AutoregressiveState(last[at], past, body, (rows.step + rows.valid)[at])

    def rollout(self, state: AutoregressiveState, horizon: int, *, controls: Array, dts: Array, key: Array) -> Array:
        """One path: a row is drawn and taken in, again and again."""
        assert controls.shape[0] == dts.shape[0] == horizon
        return sample_rollout(self, state, controls=controls, dts=dts, key=key)

    def loss(self, seq: Sequence, *, key: Array) -> Array:
        """Negative log-likelihood per counted entry; exact."""
        _, log_weights, _ = self.unroll(seq, key=key)
        return -per_entry(log_weights.sum(), seq, self.context)

    def filter(self, seq: Sequence, *, key: Array, state=None) -> tuple[Array, Array]:
        """The features after every row, with variance 0."""
        start = self._first(key) if state is None else state
        rows, features, _ = self._encode(seq, start)
        last = _last_seen(features, rows, start.features)
        mean = flow_factor(self.decay, rows.after.elapsed, self.latent_dim) * last
        return mean, jnp.zeros_like(mean)

    def decode(self, mean: Array, var: Array) -> tuple[Array, Array]:
        """Targets from the features row by row, and the scale of their residuals."""
        check_decodes(self)
        assert self.decoder is not None
        decoded = self.decoder(mean)[0]
        return decoded, target_scale(self.target_log_scale, self.target_spread, mean)

    def blind_to(self, columns: np.ndarray) -> "Autoregressive":
        """The same networks, the body with zero weight on these columns."""
        first = blind_to(columns, self.body.first, self.noise, self.operator)
        return eqx.tree_at(lambda m: m.body.first, self, first)

    def classify(self, seq: Sequence, *, key: Array) -> Array:
        """The pooled features through the classifier's head."""
        check_classifies(self)
        assert self.classifier is not None
        start = self._first(key)
        rows, features, _ = self._encode(seq, start)
        if self.pool == "last":
            pooled = _last_seen(features, rows, start.features)[-1]
        else:
            starts = jnp.cumsum(rows.starts)
            use = (rows.seen & (starts == starts[-1]))[:, None]
            pooled = jnp.where(use, features, 0.0).sum(0) / jnp.maximum(use.sum(), 1)
        return self.classifier(pooled[None])[0][0]

    def _first(self, key: Array) -> AutoregressiveState:
        """The state before the first row, whose body begins by itself: it need not read a memory that is empty."""
        return replace(self.init(key=key), body=None)

    def _encode(self, seq: Sequence, start: AutoregressiveState, keep=None) -> tuple[PastRows, Array, Any]:
        """Masks and pasts by row, the body's outputs, and its states after the rows `keep`."""
        check_sequence(self, seq)
        rows = past_rows(seq, start.past, start.step, self.scaling)
        shown = row_taken(rows.after, rows.observed, seq.controls, self.noise, self.scaling, self.operator)
        dt = self._layer_dt(rows.before)
        features, body = self.body(shown, start.body, valid=rows.seen, resets=rows.resets, dt=dt, keep=keep)
        return rows, features, body

    def _law(self, features: Array, past: Past, control: Array) -> dict[str, Array]:
        """Of rows whose last features and past, at their time, are these."""
        flowed = flow_factor(self.decay, past.elapsed, self.latent_dim) * features
        asked = row_asked(self.head, flowed, past, control, self.noise, self.scaling, self.operator)
        raw = self.head(asked)[0] if asked.ndim == 2 else self.head.step(asked, self.head.init_state())[0]
        return self.noise.params(raw, past, self.residual, self.scaling, self.operator)

    def _log_weight(self, params: dict[str, Array], x: Array, observed: Array, past: Past) -> Array:
        """Log density of what was observed, once the scale of the context is frozen."""
        return counted_weight(observed_log_prob(self.emission(params), x, observed), past, self.scaling)

    def _layer_dt(self, past: Past) -> Array | None:
        """The time that recurrent bodies see: None without a flow, where they count rows."""
        return None if self.decay is None else past.elapsed


def _head(width: int, out_dim: int, key: Array) -> Body | None:
    """A network from features to targets or classes; None where there are none."""
    return None if out_dim == 0 else network("mlp", width, out_dim, width=width, depth=1, key=key)


def _last_seen(
    features: Float[Array, "time width"], rows: PastRows, start: Float[Array, "width"]
) -> Float[Array, "time width"]:
    """After every row the features of the last one with anything observed, `start` before it, 0 after a reset."""
    place = jnp.arange(len(features))
    seen = jax.lax.cummax(jnp.where(rows.seen, place, -1))
    fresh = jax.lax.cummax(jnp.where(rows.starts, place, -1))
    held = jnp.where((seen >= 0)[:, None], features[jnp.maximum(seen, 0)], start)
    return jnp.where((seen < fresh)[:, None], 0.0, held)
