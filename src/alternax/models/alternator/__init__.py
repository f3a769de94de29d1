"""The Alternator and its parts."""

from alternax.models.alternator.model import Alternator
from alternax.models.alternator.state import AlternatorState
from alternax.models.alternator.vendi import Vendi

__all__ = ["Alternator", "AlternatorState", "Vendi"]
