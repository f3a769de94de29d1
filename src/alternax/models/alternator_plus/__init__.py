"""Alternator++ and its parts."""

from alternax.models.alternator_plus.model import AlternatorPlusPlus

__all__ = ["AlternatorPlusPlus"]
