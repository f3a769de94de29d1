"""Training: `fit` and the objectives it minimises."""

from alternax.fit.fit import fit
from alternax.fit.marginal_elbo import MarginalElbo
from alternax.fit.noise_matching import NoiseMatching
from alternax.fit.objectives import (
    Classify,
    CrossEntropy,
    Elbo,
    Masked,
    ModelLoss,
    Objective,
    RolloutScore,
    Supervised,
)

__all__ = [
    "Classify",
    "CrossEntropy",
    "Elbo",
    "MarginalElbo",
    "Masked",
    "ModelLoss",
    "NoiseMatching",
    "Objective",
    "RolloutScore",
    "Supervised",
    "fit",
]
