"""The models, one file each (a large family a folder), all implementing `alternax.core.model.Model`."""

from alternax.models.alternator import Alternator, Vendi
from alternax.models.autoregressive import Autoregressive

__all__ = ["Alternator", "Autoregressive", "Vendi"]
