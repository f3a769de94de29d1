"""Sequence layers by name: one place that stacks, bodies and the command line look in."""

from collections.abc import Callable, KeysView

from alternax.core.errors import InputError
from alternax.core.layer import Layer
from alternax.layers.aaren import Aaren
from alternax.layers.attention import Attention
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
from alternax.layers.s4 import S4
from alternax.layers.s4d import S4D
from alternax.layers.s5 import S5
from alternax.layers.s7 import S7
from alternax.layers.stu import STU

_LAYERS: dict[str, Callable[..., Layer]] = {
    "aaren": Aaren,
    "attention": Attention,
    "block_state": BlockState,
    "cfc": CfC,
    "ckconv": CKConv,
    "deltanet": deltanet,
    "deltaproduct": DeltaProduct,
    "dss": DSS,
    "ffm": FFM,
    "gateloop": GateLoop,
    "gla": GLA,
    "gru": GRU,
    "gss": GSS,
    "lem": LEM,
    "lightnet": LightNet,
    "longhorn": Longhorn,
    "lru": LRU,
    "lssl": LSSL,
    "lstm": LSTM,
    "ltc": LTC,
    "mamba": Mamba,
    "mamba2": Mamba2,
    "mom": MoM,
    "s4": S4,
    "s4d": S4D,
    "s5": S5,
    "s7": S7,
    "stu": STU,
}

NAMES: KeysView[str] = _LAYERS.keys()
"""The names known, those registered later included."""


def register(name: str, layer: Callable[..., Layer]) -> None:
    """Make a layer known by name.

    Args:
        name: A new name.
        layer: The class, or any function called as `layer(dim, *, key=..., **options)`.

    Raises:
        InputError: the name is taken.

    Example:
        >>> register("slow_lru", functools.partial(LRU, r_min=0.9, r_max=0.999))
    """
    if name in _LAYERS:
        raise InputError(f"register: the layer name {name!r} is taken by {_LAYERS[name]!r}.")
    _LAYERS[name] = layer


def constructor(name: str) -> Callable[..., Layer]:
    """What was registered under `name`.

    Raises:
        InputError: no such layer; the message lists the names there are.
    """
    if name not in _LAYERS:
        raise InputError(f"There is no layer named {name!r}; choose from {', '.join(sorted(NAMES))}.")
    return _LAYERS[name]
