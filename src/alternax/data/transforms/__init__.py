"""Elementwise, invertible transforms of the observations, fitted on the training part only."""

from alternax.data.transforms.affine import Identity
from alternax.data.transforms.anomaly import SeasonalAnomaly
from alternax.data.transforms.chain import Chain
from alternax.data.transforms.log import Log
from alternax.data.transforms.scale import MinMax, Scale
from alternax.data.transforms.transform import Transform

__all__ = ["Chain", "Identity", "Log", "MinMax", "Scale", "SeasonalAnomaly", "Transform"]
