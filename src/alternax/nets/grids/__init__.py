"""Fields on grids with land: where columns stand, convolutions without land, and the networks made of them."""

from alternax.nets.grids.grid import Grid
from alternax.nets.grids.grid_net import GridNet
from alternax.nets.grids.predictor import GridPredictor
from alternax.nets.grids.reader import GridReader

__all__ = ["Grid", "GridNet", "GridPredictor", "GridReader"]
