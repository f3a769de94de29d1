"""What tasks hand back: frozen objects of NumPy arrays in the units of the data, and their way to frames and figures.

Arrays that a task produced (`samples`, `truth`, `times`, `valid`, `observed`) always have the series axis; statistics
(`mean`, `std`, `quantile`, ...) drop it when the data were one unbatched series. Covariates are never reported.
"""

from alternax.tasks.results.backtest import Backtest
from alternax.tasks.results.classified import Classified
from alternax.tasks.results.decoded import Decoded
from alternax.tasks.results.filtered import Filtered
from alternax.tasks.results.forecast import Forecast
from alternax.tasks.results.imputed import Imputed
from alternax.tasks.results.log_prob import LogProb
from alternax.tasks.results.modes import Modes
from alternax.tasks.results.pooled import pool
from alternax.tasks.results.samples import Samples
from alternax.tasks.results.smoothed import Smoothed

__all__ = [
    "Backtest",
    "Classified",
    "Decoded",
    "Filtered",
    "Forecast",
    "Imputed",
    "LogProb",
    "Modes",
    "Samples",
    "Smoothed",
    "pool",
]
