"""Networks that models are built of: bodies over time by name, the law of a row, scaling, fixed linear operators."""

from alternax.nets.body import Body, Pointwise, Through, body, silence
from alternax.nets.context_scale import ContextScale, ContextState
from alternax.nets.huggingface import from_huggingface
from alternax.nets.language import Language
from alternax.nets.noise import Noise
from alternax.nets.operator import Operator
from alternax.nets.residual import Residual

__all__ = [
    "Body",
    "ContextScale",
    "ContextState",
    "Language",
    "Noise",
    "Operator",
    "Pointwise",
    "Residual",
    "Through",
    "body",
    "from_huggingface",
    "silence",
]
