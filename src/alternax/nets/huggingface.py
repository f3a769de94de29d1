"""Language models of transformers as layers of this library: Mamba and Mamba-2, weight by weight, with equal logits.

What is read is data, `config.json` and safetensors. Names and defaults of the configuration are those of transformers'
`MambaConfig` and `Mamba2Config`; entries that change no output, such as how weights once started, are passed over.
"""

import math
import re
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from alternax.core.errors import InputError, ModelFileError
from alternax.core.layer import Layer
from alternax.files.pretrained import CONFIG, read_config, read_tensors
from alternax.layers import Mamba, Mamba2, Residual, Stack
from alternax.nets.language import Language

# Our places of the tensors of a mixer, seen from the layer.
_MAMBA = {
    "in_proj.weight": "block.in_weight",
    "in_proj.bias": "block.in_bias",
    "conv1d.weight": "block.conv",
    "conv1d.bias": "block.conv_bias",
    "x_proj.weight": "block.select_weight",
    "dt_proj.weight": "block.delta_weight",
    "dt_proj.bias": "block.delta_bias",
    "A_log": "A_log",
    "D": "block.D",
    "out_proj.weight": "block.out_weight",
    "out_proj.bias": "block.out_bias",
}
_MAMBA2 = {
    "in_proj.weight": "in_weight",
    "in_proj.bias": "in_bias",
    "conv1d.weight": "conv",
    "conv1d.bias": "conv_bias",
    "dt_bias": "delta_bias",
    "A_log": "A_log",
    "D": "D",
    "norm.weight": "norm_weight",
    "out_proj.weight": "out_weight",
    "out_proj.bias": "out_bias",
}
_MIXERS = {"mamba": _MAMBA, "mamba2": _MAMBA2}
_EMBEDDING, _OLD_EMBEDDING = "backbone.embeddings.weight", "backbone.embedding.weight"

_SHARED = {"conv_kernel": 4, "expand": 2, "layer_norm_epsilon": 1e-5, "use_conv_bias": True, "use_bias": False}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "mamba": _SHARED
    | {"vocab_size": 50280, "hidden_size": 768, "state_size": 16, "num_hidden_layers": 32, "tie_word_embeddings": True},
    "mamba2": _SHARED
    | {"vocab_size": 32768, "hidden_size": 4096, "state_size": 128, "num_hidden_layers": 64, "n_groups": 8}
    | {"num_heads": 128, "head_dim": 64, "tie_word_embeddings": False},
}

_LARGEST = 2**24

# Entries of which the layers have one form only.
_ONLY = {"hidden_act": ("silu", "swish"), "quantization_config": (None,)}


def from_huggingface(folder: str | Path) -> Language:
    """The language model in a folder that transformers' `save_pretrained` wrote, or a hub's copy of one.

    Half precision is widened to single; under `alternax.set_precision("float64")` all is double.

    Args:
        folder: With `config.json` of model_type "mamba" or "mamba2", and `model.safetensors` or its shards.

    Returns:
        The model, of `Residual` blocks around `Mamba` or `Mamba2`.

    Raises:
        ModelFileError: the folder is missing or damaged, holds pickles only, another kind of model, or options that the
            layers do not have; tensors are missing, left over or of another shape; the message names which.

    Example:
        >>> language = from_huggingface("mamba-130m-hf")
        >>> logits, state = language(jnp.array([510, 3158, 8516]))
    """
    folder = Path(folder)
    config = _checked(read_config(folder), folder / CONFIG)
    tensors = _named(read_tensors(folder), tied=config["tie_word_embeddings"], folder=folder)
    _check_depth(tensors, config["num_hidden_layers"], folder)
    try:
        skeleton = eqx.filter_eval_shape(_language, config, jax.random.key(0))
    except InputError as error:
        raise ModelFileError(f"{folder / CONFIG}: {error}") from error
    places = _places(config)
    stored = {name for name in places if config["use_conv_bias"] or not name.endswith("conv1d.bias")}
    _check_names(tensors, stored, folder)
    leaves = []
    for name, place in places.items():
        tensor = tensors.pop(name, None)
        shape = place(skeleton)
        leaves.append(jnp.zeros_like(shape) if tensor is None else _leaf(tensor, shape, f"{folder}: {name}"))
    return eqx.tree_at(lambda language: [place(language) for place in places.values()], skeleton, leaves)


def _checked(found: dict[str, Any], path: Path) -> dict[str, Any]:
    """The entries that say what the model computes, with transformers' values for those left out."""
    kind = found.get("model_type")
    if kind not in tuple(_DEFAULTS):
        raise ModelFileError(f"{path}: model_type {kind!r} cannot be read; known are {', '.join(_DEFAULTS)}")
    config = {name: found.get(name, default) for name, default in _DEFAULTS[kind].items()}
    for name, default in _DEFAULTS[kind].items():
        _check_entry(name, config[name], default, path)
    for name, allowed in _ONLY.items():
        if name in found and found[name] not in allowed:
            raise ModelFileError(f"{path}: {name}={found[name]!r} is not supported; only {allowed[0]!r} is")
    rank = found.get("time_step_rank", "auto")
    if rank != "auto":
        _check_entry("time_step_rank", rank, 1, path)
    if kind == "mamba2" and config["num_heads"] * config["head_dim"] != config["expand"] * config["hidden_size"]:
        raise ModelFileError(
            f"{path}: expected num_heads * head_dim = expand * hidden_size, found {config['num_heads']} * "
            f"{config['head_dim']} and {config['expand']} * {config['hidden_size']}"
        )
    limit = _limit(found.get("time_step_limit", [0.0, math.inf]), path)
    rank = None if rank == "auto" else rank
    return config | {"model_type": kind, "time_step_rank": rank, "time_step_limit": limit}


def _limit(found: Any, path: Path) -> tuple[float, float]:
    """The two bounds of step sizes; transformers writes infinity as an object."""
    pair = [math.inf if v == {"__float__": "Infinity"} else v for v in found] if isinstance(found, list) else []
    if len(pair) != 2 or not all(type(v) in (int, float) for v in pair) or not 0 <= pair[0] <= pair[1]:
        raise ModelFileError(f"{path}: expected time_step_limit of two bounds 0 <= a <= b, found {found!r}")
    return float(pair[0]), float(pair[1])


def _check_entry(name: str, value: Any, default: Any, path: Path) -> None:
    """`value` must be of the kind of `default`: true or false, a size, or a positive number."""
    if type(default) is bool:
        fits, wanted = type(value) is bool, "true or false"
    elif type(default) is int:
        fits, wanted = type(value) is int and 1 <= value <= _LARGEST, f"an integer from 1 to {_LARGEST}"
    else:
        fits, wanted = type(value) in (int, float) and 0 < value < math.inf, "a positive number"
    if not fits:
        raise ModelFileError(f"{path}: expected {name} to be {wanted}, found {value!r}")


def _named(tensors: dict[str, np.ndarray], *, tied: bool, folder: Path) -> dict[str, np.ndarray]:
    """The tensors under today's names, without a head that repeats the embedding."""
    if _EMBEDDING not in tensors and _OLD_EMBEDDING in tensors:
        tensors[_EMBEDDING] = tensors.pop(_OLD_EMBEDDING)
    head = tensors.pop("lm_head.weight", None) if tied else None
    if head is not None and not np.array_equal(head, tensors.get(_EMBEDDING, np.zeros(0))):
        raise ModelFileError(
            f"{folder}: lm_head.weight differs from the embedding while {CONFIG} ties them; where the head is to be "
            "one of its own, set tie_word_embeddings to false there"
        )
    return tensors


def _check_depth(tensors: dict[str, np.ndarray], depth: int, folder: Path) -> None:
    numbers = {int(match[1]) for name in tensors if (match := re.match(r"backbone\.layers\.([0-9]{1,9})\.", name))}
    found = max(numbers, default=-1) + 1
    if found != depth:
        raise ModelFileError(f"{folder}: {CONFIG} says {depth} layers, the tensors have {found}; they do not match")


def _check_names(tensors: dict[str, np.ndarray], wanted: set[str], folder: Path) -> None:
    missing, left_over = sorted(wanted - tensors.keys()), sorted(tensors.keys() - wanted)
    if missing:
        raise ModelFileError(f"{folder}: {len(missing)} tensors are missing, first {missing[0]!r}")
    if left_over:
        raise ModelFileError(f"{folder}: {len(left_over)} tensors belong nowhere, first {left_over[0]!r}")


def _language(config: dict[str, Any], key: PRNGKeyArray) -> Language:
    """A model of the sizes of `config`, with weights of its own."""
    eps, layers = config["layer_norm_epsilon"], []
    for _ in range(config["num_hidden_layers"]):
        block = Residual(_layer(config, key))
        norm = eqx.nn.RMSNorm(block.dim, eps=eps, use_bias=False)
        layers.append(eqx.tree_at(lambda block: block.norm, block, norm))
    tied = config["tie_word_embeddings"]
    return Language(config["vocab_size"], Stack(tuple(layers)), tied=tied, eps=eps, key=key)


def _layer(config: dict[str, Any], key: PRNGKeyArray) -> Layer:
    dim, sizes = config["hidden_size"], {"expand": config["expand"], "state_dim": config["state_size"]}
    sizes["conv_width"], bias = config["conv_kernel"], config["use_bias"]
    if config["model_type"] == "mamba":
        return Mamba(dim, **sizes, delta_rank=config["time_step_rank"], bias=bias, key=key)
    own = {"delta_limit": config["time_step_limit"], "norm_eps": config["layer_norm_epsilon"], "bias": bias}
    return Mamba2(dim, **sizes, head_dim=config["head_dim"], groups=config["n_groups"], **own, key=key)


def _places(config: dict[str, Any]) -> dict[str, Callable[[Any], Any]]:
    """Where in a `Language` each tensor goes."""
    places = {_EMBEDDING: attrgetter("embedding"), "backbone.norm_f.weight": attrgetter("norm.weight")}
    if not config["tie_word_embeddings"]:
        places["lm_head.weight"] = attrgetter("head")
    block = {"norm.weight": "norm.weight"}
    block |= {f"mixer.{name}": f"layer.{place}" for name, place in _MIXERS[config["model_type"]].items()}
    if not config["use_bias"]:
        block = {name: place for name, place in block.items() if not name.endswith("_proj.bias") or "dt" in name}
    for index in range(config["num_hidden_layers"]):
        for name, place in block.items():
            places[f"backbone.layers.{index}.{name}"] = partial(_in_block, index=index, place=attrgetter(place))
    return places


def _in_block(language: Any, *, index: int, place: Callable[[Any], Any]) -> Any:
    return place(language.blocks.layers[index])


def _leaf(tensor: np.ndarray, wanted: jax.ShapeDtypeStruct, where: str) -> Array:
    """A tensor in our shape and dtype; the weights of a convolution are stored as (channels, 1, width)."""
    turned = where.endswith("conv1d.weight")
    shape = (wanted.shape[1], 1, wanted.shape[0]) if turned else wanted.shape
    if tensor.shape != shape:
        raise ModelFileError(f"{where}: expected shape {shape}, found {tensor.shape}: not of the sizes in {CONFIG}")
    if tensor.dtype == np.float64 and wanted.dtype != np.float64:
        raise ModelFileError(
            f"{where} is in double precision while JAX runs in single; call "
            'alternax.set_precision("float64") or set JAX_ENABLE_X64=1 before reading'
        )
    return jnp.asarray(tensor[:, 0].T if turned else tensor, wanted.dtype)
