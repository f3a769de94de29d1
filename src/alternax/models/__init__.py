"""The models, one file each (a large family a folder), all implementing `alternax.core.model.Model`."""

from alternax.models.alternator import Alternator, Vendi
from alternax.models.alternator_plus import AlternatorPlusPlus
from alternax.models.autoregressive import Autoregressive
from alternax.models.schedules import schedule
from alternax.models.switching import SwitchingAlternator

__all__ = ["Alternator", "AlternatorPlusPlus", "Autoregressive", "SwitchingAlternator", "Vendi", "schedule"]
