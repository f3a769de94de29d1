"""The loss of Alternator++ as an objective."""

from dataclasses import dataclass

from jaxtyping import PRNGKeyArray, Scalar

from alternax.core.errors import InputError
from alternax.core.model import Model
from alternax.core.sequence import Sequence
from alternax.data.schema import Schema
from alternax.fit.objectives import Objective
from alternax.models.alternator_plus.model import AlternatorPlusPlus
from alternax.models.alternator_plus.noise_matching import noise_matching


@dataclass(frozen=True)
class NoiseMatching(Objective):
    """The Alternator's loss, and the noise models of an Alternator++ matched to the noise there was.

    Args:
        weight: Factor on the matching beside the Alternator's loss; 0 leaves that loss alone.

    Reference: arXiv 2505.12544; the noise that is matched and the weights are ours, see `noise_matching`.

    Example:
        >>> fitted = fit(model, train, objective=NoiseMatching() + RolloutScore("crps", horizon=6))
    """

    weight: float = 1.0

    def check(self, model: Model, schema: Schema) -> None:
        """An Alternator++ and a weight that is not negative."""
        if not isinstance(model, AlternatorPlusPlus):
            raise InputError(
                f"NoiseMatching is the objective of AlternatorPlusPlus; found a {type(model).__name__}. "
                "Use CrossEntropy() for an Alternator, ModelLoss() for others."
            )
        if model.base.alpha.drawn:
            raise InputError("NoiseMatching has no loop for an alpha over latents: use ModelLoss().")
        if not 0.0 <= self.weight < float("inf"):
            raise InputError(f"NoiseMatching needs a weight of at least 0; found {self.weight:g}.")

    def __call__(self, model: Model, seq: Sequence, *, key: PRNGKeyArray) -> Scalar:
        """The loss, per row."""
        assert isinstance(model, AlternatorPlusPlus)
        return noise_matching(model, seq, weight=self.weight, key=key)
