"""Sequence layers: causal maps over time with a parallel and a one-step form that agree; one file each."""

from alternax.layers.block import Block
from alternax.layers.gru import GRU
from alternax.layers.lru import LRU
from alternax.layers.registry import NAMES, constructor, register
from alternax.layers.residual import Residual
from alternax.layers.stack import Stack, stack

__all__ = ["GRU", "LRU", "NAMES", "Block", "Residual", "Stack", "constructor", "register", "stack"]
