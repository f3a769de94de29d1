"""What training minimises: objectives that add and scale, each a mean over one sequence.

Elbo() + 0.5 * RolloutScore("crps", horizon=24)
"""

from abc import abstractmethod
from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray, Scalar

from alternax.core.errors import InputError
from alternax.core.model import Classifier, LatentModel, Model, ModeModel, per_entry
from alternax.core.sequence import Sequence
from alternax.data.schema import Schema
from alternax.metrics.differentiable import crps, energy_score
from alternax.models.alternator.cross_entropy import cross_entropy
from alternax.models.alternator.model import Alternator
from alternax.nets.families import ColumnLaws


class Objective:
    """A training loss `(model, seq, key) -> scalar` of one unbatched sequence; `+` and `*` combine them.

    Attributes:
        horizon: Rows beyond the model's context that a window must hold at the least.
        whole: True where a window must be a whole series.
    """

    horizon: int = 1
    whole: bool = False

    @abstractmethod
    def __call__(self, model: Model, seq: Sequence, *, key: PRNGKeyArray) -> Scalar:
        """The loss, a mean over the entries it counts."""

    def check(self, model: Model, schema: Schema) -> None:
        """Refuse, before anything is compiled, a model or data that this objective cannot train."""

    def __add__(self, other: "Objective") -> "Objective":
        if not isinstance(other, Objective):
            return NotImplemented
        return Weighted(((1.0, self), (1.0, other)))

    def __mul__(self, weight: float) -> "Objective":
        return Weighted(((float(weight), self),))

    __rmul__ = __mul__


@dataclass(frozen=True)
class Weighted(Objective):
    """A weighted sum of objectives."""

    terms: tuple[tuple[float, Objective], ...]

    @property
    def horizon(self) -> int:  # type: ignore[override]
        """The longest that any term needs."""
        return max(term.horizon for _, term in self.terms)

    @property
    def whole(self) -> bool:  # type: ignore[override]
        """Whether any term needs whole series."""
        return any(term.whole for _, term in self.terms)

    def check(self, model: Model, schema: Schema) -> None:
        """Check every term."""
        for _, term in self.terms:
            term.check(model, schema)

    def __call__(self, model: Model, seq: Sequence, *, key: PRNGKeyArray) -> Scalar:
        """The sum; every term draws noise of its own."""
        parts = [
            weight * term(model, seq, key=jax.random.fold_in(key, i)) for i, (weight, term) in enumerate(self.terms)
        ]
        return jnp.sum(jnp.stack(parts))


@dataclass(frozen=True)
class ModelLoss(Objective):
    """Whatever `model.loss` says."""

    def __call__(self, model: Model, seq: Sequence, *, key: PRNGKeyArray) -> Scalar:
        """The model's own loss."""
        return model.loss(seq, key=key)


@dataclass(frozen=True)
class Elbo(Objective):
    """Negative evidence lower bound per counted entry, in nats.

    Args:
        particles: With K > 1 the tighter importance-weighted bound log mean_k w_k (Burda et al., arXiv 1509.00519).
    """

    particles: int = 1

    def __call__(self, model: Model, seq: Sequence, *, key: PRNGKeyArray) -> Scalar:
        """The bound from `particles` independent latent paths."""
        total = lambda k: model.unroll(seq, key=k)[1].sum()  # noqa: E731
        log_weight = jax.vmap(total)(jax.random.split(key, self.particles))
        bound = jax.nn.logsumexp(log_weight) - jnp.log(self.particles)
        return -per_entry(bound, seq, model.context)

    def check(self, model: Model, schema: Schema) -> None:
        """At least one particle."""
        if self.particles < 1:
            raise InputError(f"Elbo needs particles >= 1; found {self.particles}.")


@dataclass(frozen=True)
class RolloutScore(Objective):
    """Score of sample paths rolled out from random origins: what a forecaster is judged by.

    Args:
        kind: "crps" (per entry) or "energy" (the joint energy score of each row, divided by the square root of its
            width).
        horizon: Rows ahead.
        samples: Sample paths per origin (at least 2: the scores are unbiased for any number).
        origins: Random origins per sequence.

    Raises:
        InputError: For an unknown kind, or a number that is too small.
    """

    kind: str = "crps"
    horizon: int = 12
    samples: int = 8
    origins: int = 4

    def __post_init__(self) -> None:
        if self.kind not in ("crps", "energy"):
            raise InputError(f"RolloutScore knows 'crps' and 'energy'; found {self.kind!r}.")
        for name, least in (("horizon", 1), ("samples", 2), ("origins", 1)):
            if getattr(self, name) < least:
                raise InputError(f"RolloutScore needs {name} >= {least}; found {getattr(self, name)}.")

    def check(self, model: Model, schema: Schema) -> None:
        """Draws that have a gradient."""
        if not smooth_draws(model):
            raise InputError(
                "RolloutScore needs draws that are differentiable; this model has modes, or families of counts, "
                "categories, bins or mixtures, whose draws are not. Use Elbo() or ModelLoss()."
            )

    def __call__(self, model: Model, seq: Sequence, *, key: PRNGKeyArray) -> Scalar:
        """Mean score over origins, rows and entries."""
        origin_key, path_key = jax.random.split(key)
        first, last = (model.context or 1) - 1, seq.length - self.horizon - 1
        origins = jax.random.randint(origin_key, (self.origins,), first, last + 1)
        ahead = jax.vmap(lambda origin: seq.window(origin + 1, self.horizon))(origins)

        def paths(k):
            states = model.unroll(seq, key=k, keep=origins)[2]

            def roll(state, row, controls, dts):
                return model.rollout(state, self.horizon, controls=controls, dts=dts, key=jax.random.fold_in(k, row))

            return jax.vmap(roll)(states, jnp.arange(self.origins), ahead.controls, ahead.dt)

        samples = jax.vmap(paths)(jax.random.split(path_key, self.samples))
        counts = ahead.observed & ahead.valid[..., None] & seq.scored
        if self.kind == "crps":
            return jnp.where(counts, crps(samples, ahead.x), 0.0).sum() / jnp.maximum(counts.sum(), 1)
        rows = counts.any(axis=-1)
        width = jnp.sqrt(jnp.maximum(counts.sum(axis=-1), 1))
        return jnp.where(rows, energy_score(samples, ahead.x, counts) / width, 0.0).sum() / jnp.maximum(rows.sum(), 1)


@dataclass(frozen=True)
class Supervised(Objective):
    """Mean squared error of the decoded targets; their scale is fitted beside it without touching the mean.

    Args:
        weight: Factor on the whole term.
    """

    weight: float = 1.0

    def check(self, model: Model, schema: Schema) -> None:
        """A decoder and targets of its width."""
        found, wanted = model.target_dim if isinstance(model, LatentModel) else 0, len(schema.targets)
        if not found or found != wanted:
            raise InputError(
                "Supervised needs a model that decodes the data's targets: the data have "
                f"{wanted}, the model decodes {found}."
            )

    def __call__(self, model: Model, seq: Sequence, *, key: PRNGKeyArray) -> Scalar:
        """Squared error plus the likelihood of the scale."""
        assert isinstance(model, LatentModel)
        mean, scale = model.decode(*model.filter(seq, key=key))
        labelled = seq.labelled & seq.valid[:, None]
        squared = (mean - seq.targets) ** 2
        fit_scale = jnp.log(scale) + 0.5 * jax.lax.stop_gradient(squared) / scale**2
        return self.weight * jnp.where(labelled, squared + fit_scale, 0.0).sum() / jnp.maximum(labelled.sum(), 1)


@dataclass(frozen=True)
class Classify(Objective):
    """Cross-entropy of the class of whole series, in nats; series without a label count nothing.

    Args:
        weight: Factor on the whole term.
    """

    weight: float = 1.0
    whole = True

    def check(self, model: Model, schema: Schema) -> None:
        """A model that tells the data's classes apart, of which there are two at the least."""
        found, wanted = model.class_count if isinstance(model, Classifier) else 0, len(schema.classes)
        if wanted < 2:
            raise InputError(
                f"Classify needs data with at least 2 classes, found {wanted}: give labels= to Sequences.from_numpy "
                "or label= to Sequences.from_frame."
            )
        if found != wanted:
            raise InputError(
                f"Classify needs a model that tells the data's classes apart: the data have {wanted}, the model "
                f"knows {found}. Give class_count=data.class_count when building it."
            )

    def __call__(self, model: Model, seq: Sequence, *, key: PRNGKeyArray) -> Scalar:
        """Negative log-probability of the series' own class."""
        assert isinstance(model, Classifier)
        surprise = -jax.nn.log_softmax(model.classify(seq, key=key))[jnp.maximum(seq.label, 0)]
        return self.weight * jnp.where(seq.label >= 0, surprise, 0.0)


@dataclass(frozen=True)
class Masked(Objective):
    """Another objective on sequences of which a random share of the observed entries is hidden.

    It trains a model for gaps, and keeps one with many inputs from leaning on single ones.

    Args:
        objective: What to minimise.
        share: Share of the observed entries hidden anew at every step, 0 to below 1.

    Reference: the observation masking of the alpha-Alternator, arXiv 2502.04593.
    """

    objective: Objective
    share: float = 0.3

    @property
    def horizon(self) -> int:  # type: ignore[override]
        """That of the objective."""
        return self.objective.horizon

    @property
    def whole(self) -> bool:  # type: ignore[override]
        """Likewise."""
        return self.objective.whole

    def check(self, model: Model, schema: Schema) -> None:
        """A share below 1, and what the objective checks."""
        if not 0.0 <= self.share < 1.0:
            raise InputError(f"Masked hides a share of at least 0 and below 1; found {self.share:g}.")
        self.objective.check(model, schema)

    def __call__(self, model: Model, seq: Sequence, *, key: PRNGKeyArray) -> Scalar:
        """The objective, on what is left."""
        hide_key, loss_key = jax.random.split(key)
        left = seq.observed & jax.random.bernoulli(hide_key, 1.0 - self.share, seq.observed.shape)
        hidden = eqx.tree_at(lambda s: (s.observed, s.x), seq, (left, jnp.where(left, seq.x, 0.0)))
        return self.objective(model, hidden, key=loss_key)


@dataclass(frozen=True)
class CrossEntropy(Objective):
    """The paper's trajectory cross-entropy of an Alternator.

    Args:
        feed: "data" (the FTN is fed the observations, as in the authors' experiments) or "own" (the model's own
            samples, as Algorithm 1 is printed).
    """

    feed: str = "data"

    def check(self, model: Model, schema: Schema) -> None:
        """Alternators only."""
        if not isinstance(model, Alternator):
            raise InputError(
                f"CrossEntropy is the Alternator's objective; found a {type(model).__name__}. Use ModelLoss()."
            )
        if isinstance(model.noise, ColumnLaws):
            raise InputError("CrossEntropy compares means of real columns; with a family for each column use Elbo().")
        if self.feed == "data" and model.alpha.drawn:
            raise InputError("CrossEntropy() has no loop for an alpha over latents: use Elbo() or feed='own'.")
        if self.feed not in ("data", "own"):
            raise InputError(f"CrossEntropy feeds 'data' or 'own'; found {self.feed!r}.")

    def __call__(self, model: Model, seq: Sequence, *, key: PRNGKeyArray) -> Scalar:
        """Section 1 of the paper, per row."""
        assert isinstance(model, Alternator)
        return cross_entropy(model, seq, feed=self.feed, key=key)


def smooth_draws(model: Model) -> bool:
    """Whether the model's draws of observations are differentiable in its parameters."""
    if isinstance(model, ModeModel):
        return False
    laws = getattr(model, "noise", None)
    return laws.smooth if isinstance(laws, ColumnLaws) else True


def default_objective(model: Model, horizon: int) -> Objective:
    """Likelihood (its bound for a latent model) with what the model decodes or classifies, else with rollout CRPS.

    Rollout CRPS is left out where draws have no gradient.
    """
    latent = isinstance(model, LatentModel)
    terms: list[Objective] = [Elbo() if latent else ModelLoss()]
    if latent and model.target_dim:
        terms.append(Supervised())
    if isinstance(model, Classifier) and model.class_count:
        terms.append(Classify())
    if latent and len(terms) == 1 and smooth_draws(model):
        terms.append(RolloutScore("crps", horizon=horizon))
    return terms[0] if len(terms) == 1 else Weighted(tuple((1.0, term) for term in terms))
