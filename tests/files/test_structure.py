"""Dump and build: every leaf comes back with its value, type and dtype, and nothing else can be built."""

import json
from contextlib import suppress

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from alternax.core.errors import InputError, ModelFileError
from alternax.core.fixed import Fixed
from alternax.files import build, dump, load, save
from alternax.files.names import FUNCTIONS, class_named


class Outside(eqx.Module):
    """A module of a user's own."""

    weight: jax.Array
    power: int = eqx.field(static=True, default=2)
    bias: list = eqx.field(default_factory=list)


def assert_same(a, b):
    assert type(a) is type(b)
    if isinstance(a, np.ndarray | jax.Array):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
    elif isinstance(a, dict):
        assert list(a) == list(b)
        assert_same(list(a.values()), list(b.values()))
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for left, right in zip(a, b, strict=True):
            assert_same(left, right)
    elif isinstance(a, eqx.Module):
        assert_same(vars(a), vars(b))
    elif isinstance(a, float):
        assert repr(a) == repr(b)
    else:
        assert a == b


def round_trip(tree, **kwargs):
    structure, arrays = dump(tree, **kwargs)
    return build(json.loads(json.dumps(structure, allow_nan=False)), arrays, **kwargs)


KINDS = ["?", "i1", "u4", "i8", "f2", "f4", "f8", ">f8", "c8", "c16", "bfloat16", "M8[ns]", "m8[D]"]
dtypes = st.sampled_from(KINDS).map(np.dtype)
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
host_arrays = st.tuples(dtypes, shapes).flatmap(
    lambda kind: hnp.arrays(np.uint8, (*kind[1], kind[0].itemsize), elements=st.integers(0, 1)).map(
        lambda bits: bits.view(kind[0]).reshape(kind[1]).astype(kind[0].newbyteorder("="))
    )
)
device_arrays = st.builds(
    lambda shape, dtype: jnp.asarray(np.arange(np.prod(shape)).reshape(shape), dtype),
    shapes,
    st.sampled_from([bool, jnp.int32, jnp.float32, jnp.bfloat16, jnp.complex64]),
)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(list(FUNCTIONS.values()))
)
trees = st.recursive(
    scalars | host_arrays | device_arrays,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text() | st.sampled_from(["a.b", "a", "b", "$tuple", "", "."]), inner, max_size=3)
        | st.builds(Fixed, device_arrays)
        | st.builds(Outside, device_arrays, st.integers(), st.lists(inner, max_size=2))
    ),
    max_leaves=8,
)


@given(trees)
def test_any_tree_comes_back_leaf_for_leaf(tree):
    assert_same(round_trip(tree, classes=[Outside]), tree)


@given(trees)
def test_any_tree_comes_back_from_a_folder_which_saved_again_is_the_same(tmp_path_factory, tree):
    folder = tmp_path_factory.mktemp("tree") / "run"
    save(tree, {"again": tree}, folder, classes=[Outside])
    files = [(folder / name).read_bytes() for name in ("config.json", "model.safetensors")]
    again, meta = load(folder, classes=[Outside])
    assert_same(again, tree)
    assert_same(meta, {"again": tree})
    save(again, meta, folder, classes=[Outside])
    assert [(folder / name).read_bytes() for name in ("config.json", "model.safetensors")] == files


@pytest.mark.float64
def test_double_precision_comes_back_exactly():
    tree = {"a": jnp.linspace(0.0, 1.0, 7), "b": jnp.array(1 + 2j), "c": jnp.arange(3)}
    assert tree["a"].dtype == jnp.float64
    assert_same(round_trip(tree), tree)


def test_equinox_networks_compute_the_same_afterwards():
    key = jax.random.key(0)
    networks = (
        eqx.nn.MLP(2, 3, 4, 2, key=key),
        eqx.nn.MLP("scalar", "scalar", 4, 1, activation=jax.nn.gelu, final_activation=jnp.tanh, key=key),
        eqx.nn.GRUCell(2, 3, key=key),
        eqx.nn.LayerNorm(3),
        eqx.nn.RMSNorm(3, use_weight=False),
        eqx.nn.Embedding(4, 2, key=key),
        eqx.nn.Identity(),
    )
    again = round_trip(networks)
    assert jax.tree.structure(again) == jax.tree.structure(networks)
    assert eqx.tree_equal(again, networks)
    assert jnp.array_equal(again[0](jnp.ones(2)), networks[0](jnp.ones(2)))


def test_strided_and_foreign_endian_arrays_keep_their_values():
    columns = np.arange(12.0).reshape(3, 4)[:, ::2]
    again = round_trip({"columns": columns, "swapped": columns.astype(">f4")})
    assert np.array_equal(again["columns"], columns)
    assert np.array_equal(again["swapped"], columns)
    assert again["columns"].flags.writeable


def test_numpy_scalars_become_plain_values():
    tree = [np.float32(0.5), np.int64(3), np.bool_(True), {np.str_("name"): np.str_("sst")}]
    assert_same(round_trip(tree), [0.5, 3, True, {"name": "sst"}])


def test_fields_added_later_take_their_defaults():
    structure, arrays = dump(Outside(jnp.ones(2)), classes=[Outside])
    del structure["fields"]["power"], structure["fields"]["bias"]
    again = build(structure, arrays, classes=[Outside])
    assert (again.power, again.bias) == (2, [])
    structure, arrays = dump(eqx.nn.MLP(2, 1, 4, 1, key=jax.random.key(0)))
    del structure["fields"]["use_bias"]
    assert build(structure, arrays).use_bias is True


class Registry(dict):
    pass


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({1: 2}, r"tree: the key 1 of a dict is not text"),
        ([{"f": lambda x: x}], r"tree\.0\.f: cannot save the function .*known are .*relu"),
        ([Registry()], r"tree\.0: cannot save a Registry"),
        (Outside(jnp.ones(1)), r"tree: cannot save a .*Outside; hand the class over in `classes`"),
        (eqx.nn.Dropout(0.5), r"tree: cannot save a equinox\.nn.*Dropout"),
        ({"key": jax.random.key(0)}, r"tree\.key: random keys cannot be saved"),
        ([np.array(["a"])], r"tree\.0: cannot save an array of dtype <U1"),
        ([np.array([None])], r"tree\.0: cannot save an array of dtype object"),
    ],
)
def test_what_cannot_be_saved_is_refused_by_place_and_name(tree, message):
    with pytest.raises(InputError, match=message):
        dump(tree)


FIXED, FIXED_ARRAYS = dump(Fixed(jnp.arange(3, dtype=jnp.float32)))
WEIGHT = FIXED["fields"]["value"]


@pytest.mark.parametrize(
    ("structure", "message"),
    [
        (FIXED | {"$module": "os.system"}, "unknown class 'os.system'"),
        (FIXED | {"$module": "alternax.core.fixed.trainable"}, "unknown class"),
        (FIXED | {"$module": "alternax.core.fixed.Array"}, "unknown class"),
        (FIXED | {"$module": "alternax.core.layer.eqx.Module"}, "unknown class"),
        (FIXED | {"$module": "alternax.core.nowhere.Fixed"}, "unknown class"),
        (FIXED | {"$module": "alternax.cli.main.App"}, "unknown class"),
        (FIXED | {"$module": "alternax.core.../../evil.Fixed"}, "unknown class"),
        (FIXED | {"$module": "alternax.core.model.Model"}, "Model has no field 'value'"),
        (FIXED | {"fields": {}}, "tree: the field 'value' of Fixed is missing"),
        (
            FIXED | {"fields": {"value": WEIGHT, "more": 1}},
            "Fixed has no field 'more'; the file is of another alternax",
        ),
        (FIXED | {"fields": 3}, "malformed '\\$module' entry"),
        (
            {"value": WEIGHT | {"shape": [4]}},
            r"tree\.value: expected float32 of shape \(4,\), found float32 of shape \(3,\)",
        ),
        ({"value": WEIGHT | {"dtype": "int32"}}, r"tree\.value: expected int32 of shape \(3,\), found float32"),
        ({"value": WEIGHT | {"dtype": "object"}}, "dtype 'object' is none"),
        ({"value": WEIGHT | {"dtype": "{'a': 1}"}}, "is none that a model file can hold"),
        ({"value": WEIGHT | {"dtype": "nothing"}}, "dtype 'nothing' is none"),
        (WEIGHT | {"$array": "other"}, "tree: the array 'other' is missing"),
        ([WEIGHT], r"tree\.0: the array 'tree\.value' belongs elsewhere: entries were exchanged"),
        ({"value": WEIGHT, "$dict": []}, "malformed '\\$dict' entry"),
        ({"$dict": [["a", 1]]}, "malformed '\\$dict' entry"),
        ({"$dict": [["$a", 1], ["$a", 1]]}, "malformed '\\$dict' entry"),
        ({"$dict": [[1, 1]]}, "malformed '\\$dict' entry"),
        ({"$float": "1e5"}, "malformed '\\$float' entry"),
        ({"$tuple": "abc"}, "malformed '\\$tuple' entry"),
        (FIXED | {"also": 1}, "malformed '\\$module' entry"),
        ({"value": WEIGHT | {"of": "torch"}}, "malformed '\\$array' entry"),
        ({"value": WEIGHT | {"shape": [3.0]}}, r"tree\.value: \(3\.0,\) is not the shape of an array"),
        ({"value": WEIGHT | {"dtype": "f4"}}, "dtype 'f4' is none"),
        ({"value": WEIGHT | {"dtype": "datetime64[3]"}}, "dtype 'datetime64\\[3\\]' is none"),
        ({"value": WEIGHT | {"dtype": "datetime64[zz]"}}, "dtype 'datetime64\\[zz\\]' is none"),
        ({"$array": "tree.value"}, "malformed '\\$array' entry"),
        ({"$function": "eval"}, "unknown function 'eval'; known are"),
        ({"$function": ["relu"]}, "malformed"),
        ({"$code": "1"}, r"unknown entry '\$code'"),
        ({"$tuple": [], "$dict": []}, r"unknown entry '\$tuple, \$dict'"),
        ([], "1 arrays belong nowhere, first 'tree.value'"),
        ([object()], "object is not JSON"),
    ],
)
def test_altered_structure_is_refused_by_place_and_cause(structure, message):
    with pytest.raises(ModelFileError, match=message):
        build(structure, FIXED_ARRAYS)


def test_abstract_classes_and_deep_nesting_are_refused():
    with pytest.raises(ModelFileError, match=r"malformed '\$module' entry"):
        build({"$module": "alternax.core.model.Model", "fields": {}}, {})
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ModelFileError, match="nested too deeply"):
        build(deep, {})


def test_too_many_arrays_are_refused(monkeypatch):
    monkeypatch.setattr("alternax.files.structure.MAX_ARRAYS", 2)
    arrays = [np.ones(1)] * 3
    with pytest.raises(InputError, match="3 arrays are more than the 2"):
        dump(arrays)
    with pytest.raises(ModelFileError, match="3 arrays are more than the 2"):
        build([], dict.fromkeys("abc", arrays[0]))


def test_double_precision_file_under_single_precision_says_what_to_set():
    structure, arrays = dump(np.ones(2))
    with jax.enable_x64(False), pytest.raises(ModelFileError, match="tree: saved as float64.*JAX_ENABLE_X64=1"):
        build(structure | {"of": "jax"}, arrays)


def test_same_class_is_found_again_by_its_name():
    assert class_named("alternax.core.fixed.Fixed") is Fixed


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just("tree.value"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["$array", "$module", "$tuple", "$float", "$dict", "fields", "shape"]), inner)
    ),
    max_leaves=6,
)


@given(json_values)
def test_any_json_builds_or_is_refused_in_words(structure):
    with suppress(ModelFileError):
        build(structure, {})
