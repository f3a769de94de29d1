"""A tree of modules as JSON plus named arrays, and back; building it runs no code that the file brings.

JSON values stand for themselves, lists and dicts for lists and dicts. Everything else is an object with one `$` tag:
`{"$module": name, "fields": {...}}`, `{"$array": name, "dtype", "shape", "of": "jax" | "numpy"}`, `{"$tuple": [...]}`,
`{"$float": "inf"}`, `{"$function": "relu"}`, and `{"$dict": [[key, value], ...]}` for a dict whose keys begin with `$`.
"""

import dataclasses
import inspect
import math
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from alternax.core.errors import InputError, ModelFileError
from alternax.files import names
from alternax.files.arrays import restored, storable
from alternax.files.config import shown

MAX_ARRAYS = 100_000
MAX_DEPTH = 64
# What an entry with a tag holds, nothing more and nothing less.
TAGGED = {
    "$array": {"$array", "dtype", "shape", "of"},
    "$dict": {"$dict"},
    "$float": {"$float"},
    "$function": {"$function"},
    "$module": {"$module", "fields"},
    "$tuple": {"$tuple"},
}
FLOATS = ("inf", "-inf", "nan")
SAVED = "None, bool, int, float, str, arrays, lists, tuples, dicts, modules and activation functions"


def dump(
    tree: Any, *, name: str = "tree", classes: Iterable[type[eqx.Module]] = ()
) -> tuple[Any, dict[str, np.ndarray]]:
    """A tree as a JSON-able structure and the arrays it names.

    Args:
        tree: Any nesting of modules of this library, the common ones of `equinox.nn`, lists, tuples, dicts with text
            keys, plain values, NumPy and JAX arrays, and named activation functions. NumPy scalars become plain ones.
        name: First part of every array's name.
        classes: Module classes of your own that may occur in it.

    Raises:
        InputError: Something in the tree cannot be saved; the message says where and what.

    Example:
        >>> structure, arrays = dump({"scale": np.ones(2), "depth": 3})
        >>> structure["depth"], list(arrays)
        (3, ['tree.scale'])
    """
    writer = _Writer(tuple(classes))
    structure = writer.node(tree, name)
    if len(writer.arrays) > MAX_ARRAYS:
        raise InputError(f"{name}: {len(writer.arrays)} arrays are more than the {MAX_ARRAYS} a model file may hold")
    return structure, writer.arrays


def build(
    structure: Any, arrays: Mapping[str, np.ndarray], *, name: str = "tree", classes: Iterable[type[eqx.Module]] = ()
) -> Any:
    """The tree that `dump` was given, leaf for leaf.

    Args:
        structure: What `dump` returned, or JSON read from a file.
        arrays: All the arrays it names and no others.
        name: First part of every array's name, as `dump` was given it.
        classes: Module classes of your own that may occur in it.

    Raises:
        ModelFileError: A class or function is unknown, an array missing, left over or of another dtype or shape, or
            the structure is malformed; the message says where and what.
    """
    if len(arrays) > MAX_ARRAYS:
        raise ModelFileError(f"{name}: {len(arrays)} arrays are more than the {MAX_ARRAYS} a model file may hold")
    reader = _Reader(dict(arrays), tuple(classes))
    try:
        tree = reader.node(structure, name)
    except RecursionError as error:
        raise ModelFileError(f"{name}: nested too deeply to be a model") from error
    if reader.arrays:
        raise ModelFileError(f"{name}: {len(reader.arrays)} arrays belong nowhere, first {min(reader.arrays)!r}")
    return tree


class _Writer:
    """Collects the arrays while it writes the structure."""

    def __init__(self, classes: tuple[type, ...]):
        self.arrays: dict[str, np.ndarray] = {}
        self.classes = classes

    def node(self, value: Any, where: str) -> Any:
        if where.count(".") > MAX_DEPTH:
            raise InputError(f"{where[:80]}...: nested more than {MAX_DEPTH} deep; a model file holds no deeper tree")
        if isinstance(value, np.bool_ | np.integer | np.floating | np.str_):
            value = value.item()
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"$float": repr(value)}
        if type(value) is list:
            return self.items(value, where)
        if type(value) is tuple:
            return {"$tuple": self.items(value, where)}
        if type(value) is dict:
            return self.mapping(value, where)
        if isinstance(value, jax.Array) or type(value) is np.ndarray:
            return self.array(value, where)
        if isinstance(value, eqx.Module):
            return self.module(value, where)
        return self.function(value, where)

    def items(self, values: list | tuple, where: str) -> list:
        return [self.node(value, f"{where}.{index}") for index, value in enumerate(values)]

    def mapping(self, values: dict, where: str) -> dict:
        for key in values:
            if not isinstance(key, str):
                raise InputError(f"{where}: the key {key!r} of a dict is not text; only text keys can be saved")
        written = {str(key): self.node(value, f"{where}.{_escaped(key)}") for key, value in values.items()}
        return {"$dict": [list(pair) for pair in written.items()]} if any(k[:1] == "$" for k in written) else written

    def array(self, value: jax.Array | np.ndarray, where: str) -> dict:
        if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.extended):
            raise InputError(f"{where}: random keys cannot be saved; keep the seed instead")
        # A copy on the host: where the array lived, one device or many, is not part of the file.
        array = np.asarray(value)
        self.arrays[where] = storable(array, where)
        kind = "jax" if isinstance(value, jax.Array) else "numpy"
        return {"$array": where, "dtype": array.dtype.name, "shape": list(array.shape), "of": kind}

    def module(self, value: eqx.Module, where: str) -> dict:
        name = names.class_name(type(value), self.classes)
        if name is None:
            kind = f"{type(value).__module__}.{type(value).__qualname__}"
            raise InputError(f"{where}: cannot save a {kind}; hand the class over in `classes` when saving and loading")
        fields = [field.name for field in dataclasses.fields(value)]
        return {"$module": name, "fields": {f: self.node(getattr(value, f), f"{where}.{f}") for f in fields}}

    def function(self, value: Any, where: str) -> dict:
        name = names.function_name(value)
        if name is None and callable(value):
            raise InputError(f"{where}: cannot save the function {value}; known are {', '.join(names.FUNCTIONS)}")
        if name is None:
            raise InputError(f"{where}: cannot save a {type(value).__qualname__}; a model may hold {SAVED}")
        return {"$function": name}


class _Reader:
    """Takes the arrays out one by one while it builds the tree, so that none is used twice."""

    def __init__(self, arrays: dict[str, np.ndarray], classes: tuple[type, ...]):
        self.arrays = arrays
        self.classes = classes

    def node(self, node: Any, where: str) -> Any:
        if where.count(".") > MAX_DEPTH:
            raise ModelFileError(f"{where[:80]}...: nested too deeply to be a model")
        if node is None or type(node) in (bool, int, float, str):
            return node
        if type(node) is list:
            return self.items(node, where)
        if type(node) is not dict:
            raise ModelFileError(f"{where}: {type(node).__name__} is not JSON")
        tags = [key for key in node if key[:1] == "$"]
        if not tags:
            return {key: self.node(value, f"{where}.{_escaped(key)}") for key, value in node.items()}
        try:
            return self.tagged(tags, node, where)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, ModelFileError):
                raise
            raise ModelFileError(f"{where}: malformed {tags[0]!r} entry") from error

    def items(self, nodes: list, where: str) -> list:
        return [self.node(node, f"{where}.{index}") for index, node in enumerate(nodes)]

    def tagged(self, tags: list[str], node: dict, where: str) -> Any:
        if len(tags) != 1 or tags[0] not in TAGGED:
            raise ModelFileError(
                f"{where}: unknown entry {shown(', '.join(tags))}; the file may be of a newer alternax"
            )
        tag = tags[0]
        if node.keys() != TAGGED[tag]:
            raise ValueError(f"{tag} has other entries")
        match tag:
            case "$array":
                return self.array(node, where)
            case "$module":
                return self.module(node, where)
            case "$dict":
                return self.mapping(node[tag], where)
            case "$function":
                return self.function(node[tag], where)
            case "$float":
                return float(FLOATS[FLOATS.index(node[tag])])
        if type(node[tag]) is not list:
            raise TypeError(f"{tag} is no list")
        return tuple(self.items(node[tag], where))

    def mapping(self, pairs: list, where: str) -> dict:
        built = {key: self.node(value, f"{where}.{_escaped(key)}") for key, value in pairs}
        if len(built) != len(pairs) or not any(key[:1] == "$" for key in built):
            raise ValueError("a key is there twice, or none needs the list")
        return built

    def array(self, node: dict, where: str) -> jax.Array | np.ndarray:
        if node["$array"] not in self.arrays:
            raise ModelFileError(
                f"{where}: the array {shown(node['$array'])} is missing from the tensors, or used twice"
            )
        if node["$array"] != where:
            raise ModelFileError(
                f"{where}: the array {shown(node['$array'])} belongs elsewhere: entries were exchanged"
            )
        if node["of"] not in ("jax", "numpy"):
            raise ValueError(f"{node['of']} arrays are not known")
        array = restored(self.arrays.pop(node["$array"]), str(node["dtype"]), tuple(node["shape"]), where)
        if node["of"] == "numpy":
            return array
        if jax.dtypes.canonicalize_dtype(array.dtype) != array.dtype:
            raise ModelFileError(
                f"{where}: saved as {array.dtype} while JAX runs in single precision; "
                'call alternax.set_precision("float64") or set JAX_ENABLE_X64=1 before loading'
            )
        return jnp.asarray(array)

    def module(self, node: dict, where: str) -> eqx.Module:
        name, fields = str(node["$module"]), node["fields"]
        cls = names.class_named(name, self.classes)
        if cls is None:
            raise ModelFileError(
                f"{where}: unknown class {shown(name)}; a class of your own must be handed over in `classes`, "
                "one of alternax may need another version of it"
            )
        known = [field.name for field in dataclasses.fields(cls)]
        for field in fields:
            if field not in known:
                raise ModelFileError(
                    f"{where}: {name} has no field {shown(field)}; the file is of another alternax version"
                )
        # As equinox itself rebuilds a module from its leaves: no `__init__`, so nothing computed, only what was saved.
        module = object.__new__(cls)
        for field in known:
            saved = field in fields
            value = self.node(fields[field], f"{where}.{field}") if saved else _default(cls, field, where)
            object.__setattr__(module, field, value)
        return module

    def function(self, name: Any, where: str) -> Any:
        if name not in names.FUNCTIONS:
            raise ModelFileError(f"{where}: unknown function {shown(name)}; known are {', '.join(names.FUNCTIONS)}")
        return names.FUNCTIONS[name]


def _default(cls: type[eqx.Module], field: str, where: str) -> Any:
    """The value of a field that did not exist when the file was written: its default, else that of `__init__`."""
    declared = next(f for f in dataclasses.fields(cls) if f.name == field)
    if declared.default is not dataclasses.MISSING:
        return declared.default
    if declared.default_factory is not dataclasses.MISSING:
        return declared.default_factory()
    argument = inspect.signature(cls).parameters.get(field)
    if argument is None or argument.default is argument.empty:
        raise ModelFileError(f"{where}: the field {field!r} of {cls.__qualname__} is missing")
    return argument.default


def _escaped(key: str) -> str:
    """A dict key as one part of an array's name: no dots, so that different places never share a name."""
    return quote(key, safe="", errors="surrogatepass").replace(".", "%2E")
