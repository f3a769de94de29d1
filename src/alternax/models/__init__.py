"""The models, one file each (a large family a folder), all implementing `alternax.core.model.Model`."""

from alternax.models.alternator import Alternator

__all__ = ["Alternator"]
