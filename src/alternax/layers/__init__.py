"""Sequence layers: causal maps over time with a parallel and a one-step form that agree; one file each."""

from alternax.layers.aaren import Aaren
from alternax.layers.attention import Attention
from alternax.layers.block import Block
from alternax.layers.block_state import BlockState
from alternax.layers.cfc import CfC
from alternax.layers.ckconv import CKConv
from alternax.layers.deltaproduct import DeltaProduct, deltanet
from alternax.layers.dss import DSS
from alternax.layers.ffm import FFM
from alternax.layers.gateloop import GateLoop
from alternax.layers.gla import GLA
from alternax.layers.gru import GRU
from alternax.layers.gss import GSS
from alternax.layers.hydra import Hydra
from alternax.layers.lem import LEM
from alternax.layers.lightnet import LightNet
from alternax.layers.longhorn import Longhorn
from alternax.layers.lru import LRU
from alternax.layers.lssl import LSSL
from alternax.layers.lstm import LSTM
from alternax.layers.ltc import LTC
from alternax.layers.mamba import Mamba
from alternax.layers.mamba2 import Mamba2
from alternax.layers.mom import MoM
from alternax.layers.registry import NAMES, constructor, register
from alternax.layers.residual import Residual
from alternax.layers.s4 import S4
from alternax.layers.s4d import S4D
from alternax.layers.s5 import S5
from alternax.layers.s7 import S7
from alternax.layers.stack import Stack, stack
from alternax.layers.stu import STU
from alternax.layers.two_way import TwoWay

__all__ = [
    "DSS",
    "FFM",
    "GLA",
    "GRU",
    "GSS",
    "LEM",
    "LRU",
    "LSSL",
    "LSTM",
    "LTC",
    "NAMES",
    "S4",
    "S4D",
    "S5",
    "S7",
    "STU",
    "Aaren",
    "Attention",
    "Block",
    "BlockState",
    "CKConv",
    "CfC",
    "DeltaProduct",
    "GateLoop",
    "Hydra",
    "LightNet",
    "Longhorn",
    "Mamba",
    "Mamba2",
    "MoM",
    "Residual",
    "Stack",
    "TwoWay",
    "constructor",
    "deltanet",
    "register",
    "stack",
]
