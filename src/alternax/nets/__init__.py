"""Networks that models are built of: bodies over time by name, scaling, and fixed linear operators."""

from alternax.nets.body import Body, Pointwise, Through, body, silence
from alternax.nets.context_scale import ContextScale, ContextState
from alternax.nets.operator import Operator

__all__ = ["Body", "ContextScale", "ContextState", "Operator", "Pointwise", "Through", "body", "silence"]
