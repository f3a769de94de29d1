"""Switching Alternators: several Alternators and a discrete mode that says which of them is at work."""

from alternax.models.switching.model import SwitchingAlternator

__all__ = ["SwitchingAlternator"]
