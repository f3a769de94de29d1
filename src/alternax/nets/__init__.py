"""Networks that models are built of: bodies over time by name, the law of a row, scaling, fixed linear operators."""

from alternax.nets.body import Body, Gate, Pointwise, Through, body, silence
from alternax.nets.body_maker import BodyMaker, RowLayout
from alternax.nets.context_scale import ContextScale, ContextState
from alternax.nets.grids import Grid, GridNet, GridPredictor, GridReader
from alternax.nets.huggingface import from_huggingface
from alternax.nets.language import Language
from alternax.nets.noise import Noise
from alternax.nets.operator import Operator
from alternax.nets.residual import Residual

__all__ = [
    "Body",
    "BodyMaker",
    "ContextScale",
    "ContextState",
    "Gate",
    "Grid",
    "GridNet",
    "GridPredictor",
    "GridReader",
    "Language",
    "Noise",
    "Operator",
    "Pointwise",
    "Residual",
    "RowLayout",
    "Through",
    "body",
    "from_huggingface",
    "silence",
]
