"""Sequence modelling with latent dynamics, in JAX.

Names are imported when they are first used: `import alternax` and `alternax --help` answer at once.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from alternax.version import __version__

if TYPE_CHECKING:
    from alternax import layers as layers
    from alternax import metrics as metrics
    from alternax import ops as ops
    from alternax import plots as plots
    from alternax.core.errors import InferenceError as InferenceError
    from alternax.core.errors import InputError as InputError
    from alternax.core.errors import ModelFileError as ModelFileError
    from alternax.core.errors import TrainingError as TrainingError
    from alternax.core.layer import Layer as Layer
    from alternax.core.layer import Mixer as Mixer
    from alternax.core.model import ChainModel as ChainModel
    from alternax.core.model import Classifier as Classifier
    from alternax.core.model import LatentModel as LatentModel
    from alternax.core.model import Model as Model
    from alternax.core.precision import set_precision as set_precision
    from alternax.core.sequence import Sequence as Sequence
    from alternax.data import datasets as datasets
    from alternax.data import simulators as simulators
    from alternax.data import transforms as transforms
    from alternax.data.patterns import Patterns as Patterns
    from alternax.data.sequences import Sequences as Sequences
    from alternax.data.transforms import Chain as Chain
    from alternax.data.transforms import Identity as Identity
    from alternax.data.transforms import Log as Log
    from alternax.data.transforms import MinMax as MinMax
    from alternax.data.transforms import Scale as Scale
    from alternax.data.transforms import SeasonalAnomaly as SeasonalAnomaly
    from alternax.fit import Classify as Classify
    from alternax.fit import CrossEntropy as CrossEntropy
    from alternax.fit import Elbo as Elbo
    from alternax.fit import MarginalElbo as MarginalElbo
    from alternax.fit import Masked as Masked
    from alternax.fit import ModelLoss as ModelLoss
    from alternax.fit import NoiseMatching as NoiseMatching
    from alternax.fit import Objective as Objective
    from alternax.fit import RolloutScore as RolloutScore
    from alternax.fit import Supervised as Supervised
    from alternax.fit import fit as fit
    from alternax.fitted import Fitted as Fitted
    from alternax.models import Alternator as Alternator
    from alternax.models import AlternatorPlusPlus as AlternatorPlusPlus
    from alternax.models import Autoregressive as Autoregressive
    from alternax.models import SwitchingAlternator as SwitchingAlternator
    from alternax.models import Vendi as Vendi
    from alternax.models import schedule as schedule
    from alternax.nets import Grid as Grid
    from alternax.nets import GridNet as GridNet
    from alternax.nets import Operator as Operator
    from alternax.nets import families as families
    from alternax.report import report as report
    from alternax.saving import load as load
    from alternax.tasks.results import pool as pool

# Where each public name lives; the imports above say the same to type checkers and editors.
_HOMES = {
    "Alternator": "alternax.models",
    "AlternatorPlusPlus": "alternax.models",
    "Autoregressive": "alternax.models",
    "Chain": "alternax.data.transforms",
    "ChainModel": "alternax.core.model",
    "Classifier": "alternax.core.model",
    "Classify": "alternax.fit",
    "CrossEntropy": "alternax.fit",
    "Elbo": "alternax.fit",
    "Fitted": "alternax.fitted",
    "Grid": "alternax.nets",
    "GridNet": "alternax.nets",
    "Identity": "alternax.data.transforms",
    "InferenceError": "alternax.core.errors",
    "InputError": "alternax.core.errors",
    "LatentModel": "alternax.core.model",
    "Layer": "alternax.core.layer",
    "Log": "alternax.data.transforms",
    "MinMax": "alternax.data.transforms",
    "MarginalElbo": "alternax.fit",
    "Masked": "alternax.fit",
    "Mixer": "alternax.core.layer",
    "Model": "alternax.core.model",
    "ModelFileError": "alternax.core.errors",
    "ModelLoss": "alternax.fit",
    "NoiseMatching": "alternax.fit",
    "Objective": "alternax.fit",
    "Operator": "alternax.nets",
    "Patterns": "alternax.data.patterns",
    "RolloutScore": "alternax.fit",
    "Scale": "alternax.data.transforms",
    "SeasonalAnomaly": "alternax.data.transforms",
    "Sequence": "alternax.core.sequence",
    "Sequences": "alternax.data.sequences",
    "Supervised": "alternax.fit",
    "SwitchingAlternator": "alternax.models",
    "TrainingError": "alternax.core.errors",
    "Vendi": "alternax.models",
    "fit": "alternax.fit",
    "load": "alternax.saving",
    "pool": "alternax.tasks.results",
    "report": "alternax.report",
    "schedule": "alternax.models",
    "set_precision": "alternax.core.precision",
}
_MODULES = {
    "datasets": "alternax.data.datasets",
    "families": "alternax.nets.families",
    "layers": "alternax.layers",
    "metrics": "alternax.metrics",
    "ops": "alternax.ops",
    "plots": "alternax.plots",
    "simulators": "alternax.data.simulators",
    "transforms": "alternax.data.transforms",
}

__all__ = [
    "Alternator",
    "AlternatorPlusPlus",
    "Autoregressive",
    "Chain",
    "ChainModel",
    "Classifier",
    "Classify",
    "CrossEntropy",
    "Elbo",
    "Fitted",
    "Grid",
    "GridNet",
    "Identity",
    "InferenceError",
    "InputError",
    "LatentModel",
    "Layer",
    "Log",
    "MarginalElbo",
    "Masked",
    "MinMax",
    "Mixer",
    "Model",
    "ModelFileError",
    "ModelLoss",
    "NoiseMatching",
    "Objective",
    "Operator",
    "Patterns",
    "RolloutScore",
    "Scale",
    "SeasonalAnomaly",
    "Sequence",
    "Sequences",
    "Supervised",
    "SwitchingAlternator",
    "TrainingError",
    "Vendi",
    "__version__",
    "datasets",
    "families",
    "fit",
    "layers",
    "load",
    "metrics",
    "ops",
    "plots",
    "pool",
    "report",
    "schedule",
    "set_precision",
    "simulators",
    "transforms",
]


# Hidden from type checkers, which would otherwise take any misspelt name for granted.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name in _HOMES:
            value = getattr(import_module(_HOMES[name]), name)
        elif name in _MODULES:
            value = import_module(_MODULES[name])
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return __all__


class _Door(ModuleType):
    """Keeps `ax.fit` the function: importing the room of that name would put a module there."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Door
