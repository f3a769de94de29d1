"""The Alternator and its parts."""

from alternax.models.alternator.model import Alternator
from alternax.models.alternator.state import AlternatorState

__all__ = ["Alternator", "AlternatorState"]
