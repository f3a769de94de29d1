"""Folders that transformers wrote, read with equal logits; and those that must not be read."""

import json
import pickle
import shutil
from operator import attrgetter
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from alternax.core.errors import ModelFileError
from alternax.nets import from_huggingface

GOLDEN = Path(__file__).parents[1] / "golden" / "layers"
KINDS = ["mamba", "mamba2"]


@pytest.fixture
def folder(tmp_path):
    """A copy of one of the two folders, with entries of its configuration and tensors changed; None takes them out."""

    def copy(kind, entries=None, tensors=None):
        shutil.copytree(GOLDEN / f"huggingface_{kind}", tmp_path, dirs_exist_ok=True)
        for path, changes in ((tmp_path / "config.json", entries), (tmp_path / "model.safetensors", tensors)):
            held = json.loads(path.read_text()) if path.suffix == ".json" else load_file(path)
            held |= changes or {}
            held = {name: value for name, value in held.items() if value is not None}
            path.write_text(json.dumps(held)) if path.suffix == ".json" else save_file(held, path)
        return tmp_path

    return copy


def recorded(kind):
    return load_file(GOLDEN / f"huggingface_{kind}.safetensors")


def assert_logits(found, want):
    np.testing.assert_allclose(found, want, rtol=0, atol=1e-5 * np.abs(want).max())


def split(folder):
    """The tensors in two shards and an index, as large models come."""
    tensors = load_file(folder / "model.safetensors")
    homes = {name: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, name in enumerate(sorted(tensors))}
    for shard in set(homes.values()):
        save_file({name: tensors[name] for name in tensors if homes[name] == shard}, folder / shard)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": homes}))
    return homes


@pytest.mark.parametrize("kind", KINDS)
def test_logits_equal_those_of_transformers_at_once_and_step_by_step(kind):
    golden, language = recorded(kind), from_huggingface(str(GOLDEN / f"huggingface_{kind}"))
    tokens = jnp.asarray(golden["tokens"])
    assert_logits(eqx.filter_jit(language)(tokens)[0], golden["logits"])
    step, state, rows = eqx.filter_jit(language.step), language.init_state(), []
    for token in tokens:
        logits, state = step(token, state)
        rows.append(logits)
    assert_logits(np.stack(rows), golden["logits"])


@pytest.mark.parametrize("kind", KINDS)
def test_biases_of_the_projections_an_epsilon_and_bounds_of_the_step_sizes_are_read(kind):
    assert_reads_as_recorded(GOLDEN / f"huggingface_{kind}_options", f"{kind}_options")


@pytest.mark.parametrize("kind", KINDS)
def test_a_convolution_without_bias_is_read(kind, folder):
    biases = {f"backbone.layers.{i}.mixer.conv1d.bias": None for i in range(2)}
    golden, language = recorded(kind), from_huggingface(folder(kind, {"use_conv_bias": False}, biases))
    assert_logits(eqx.filter_jit(language)(jnp.asarray(golden["tokens"]))[0], golden["logits_without_conv_bias"])


def assert_reads_as_recorded(folder, kind):
    golden, language = recorded(kind), from_huggingface(folder)
    assert_logits(eqx.filter_jit(language)(jnp.asarray(golden["tokens"]))[0], golden["logits"])


def test_shards_are_read(folder):
    path = folder("mamba")
    split(path)
    assert_reads_as_recorded(path, "mamba")


def test_other_spellings_of_the_same_model_are_read(folder):
    embedding = load_file(GOLDEN / "huggingface_mamba" / "model.safetensors")["backbone.embeddings.weight"]
    renamed = {"backbone.embeddings.weight": None, "backbone.embedding.weight": embedding, "lm_head.weight": embedding}
    entries = {"time_step_rank": 2, "tie_word_embeddings": None, "hidden_act": "swish", "use_bias": None, "d_model": 8}
    assert_reads_as_recorded(folder("mamba", entries, renamed), "mamba")


@pytest.mark.parametrize("limit", [None, [0.0, float("inf")], [0, float("inf")]])
def test_step_sizes_without_limit_are_read_however_they_are_written(folder, limit):
    from_huggingface(folder("mamba2", {"time_step_limit": limit}))


def test_a_tied_head_is_the_embedding(folder):
    language = from_huggingface(folder("mamba2", {"tie_word_embeddings": True}, {"lm_head.weight": None}))
    assert language.head is None and from_huggingface(GOLDEN / "huggingface_mamba2").head is not None


def test_half_precision_is_widened(folder):
    halves = {
        name: value.astype(ml_dtypes.bfloat16 if "mixer" in name else np.float16)
        for name, value in load_file(GOLDEN / "huggingface_mamba" / "model.safetensors").items()
    }
    language = from_huggingface(folder("mamba", {}, halves))
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(language))
    want = halves["backbone.layers.1.mixer.in_proj.weight"].astype(np.float32)
    np.testing.assert_array_equal(attrgetter("blocks.layers")(language)[1].layer.block.in_weight, want)


LAYER = "backbone.layers.1.mixer."


@pytest.mark.parametrize(
    ("kind", "entries", "message"),
    [
        ("mamba", {"model_type": "llama"}, "config.json: model_type 'llama' cannot be read; known are mamba, mamba2"),
        ("mamba", {"model_type": None}, "model_type None cannot be read"),
        ("mamba", {"model_type": ["mamba"]}, r"model_type \['mamba'\] cannot be read"),
        ("mamba", {"use_bias": True}, "tensors are missing, first 'backbone.layers.0.mixer.in_proj.bias'"),
        ("mamba2_options", {"use_bias": False}, "tensors belong nowhere, first 'backbone.layers.0.mixer.in_proj.bias'"),
        ("mamba", {"use_bias": 1}, "expected use_bias to be true or false, found 1"),
        ("mamba", {"hidden_act": "relu"}, "hidden_act='relu' is not supported; only 'silu' is"),
        ("mamba", {"quantization_config": {"bits": 4}}, "quantization_config={'bits': 4} is not supported"),
        ("mamba2", {"time_step_limit": [0.2, 0.1]}, r"time_step_limit of two bounds 0 <= a <= b, found \[0.2, 0.1\]"),
        ("mamba2", {"time_step_limit": 0.1}, r"time_step_limit of two bounds 0 <= a <= b, found 0.1"),
        ("mamba", {"expand": 1.5}, "expected expand to be an integer from 1 to 16777216, found 1.5"),
        ("mamba", {"hidden_size": 0}, "expected hidden_size to be an integer from 1 to 16777216, found 0"),
        (
            "mamba",
            {"time_step_rank": "low"},
            "expected time_step_rank to be an integer from 1 to 16777216, found 'low'",
        ),
        ("mamba", {"layer_norm_epsilon": 0.0}, "expected layer_norm_epsilon to be a positive number, found 0.0"),
        ("mamba", {"tie_word_embeddings": 1}, "expected tie_word_embeddings to be true or false, found 1"),
        ("mamba2", {"num_heads": 3}, r"num_heads \* head_dim = expand \* hidden_size, found 3 \* 8 and 2 \* 8"),
        ("mamba2", {"n_groups": 3}, "config.json: Mamba2: groups=3 does not divide the number of heads, 2"),
        ("mamba", {"num_hidden_layers": 3}, "config.json says 3 layers, the tensors have 2"),
        ("mamba", {"num_hidden_layers": 2**24}, "says 16777216 layers, the tensors have 2"),
        ("mamba", {"state_size": 10**30}, "expected state_size to be an integer from 1 to 16777216, found 1000000"),
        ("mamba", {"num_hidden_layers": 1}, "says 1 layers, the tensors have 2"),
        (
            "mamba",
            {"vocab_size": 20},
            r"embeddings.weight: expected shape \(20, 8\), found \(19, 8\): not of the sizes",
        ),
        ("mamba", {"conv_kernel": 4}, r"conv1d.weight: expected shape \(16, 1, 4\), found \(16, 1, 3\)"),
        ("mamba", {"use_conv_bias": False}, "2 tensors belong nowhere, first 'backbone.layers.0.mixer.conv1d.bias'"),
        ("mamba2", {"tie_word_embeddings": True}, "lm_head.weight differs from the embedding while config.json ties"),
        ("mamba", {"tie_word_embeddings": False}, "1 tensors are missing, first 'lm_head.weight'"),
    ],
)
def test_refuses_configurations_that_it_cannot_follow(folder, kind, entries, message):
    with pytest.raises(ModelFileError, match=message):
        from_huggingface(folder(kind, entries))


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({LAYER + "A_log": None, LAYER + "D": None}, "2 tensors are missing, first 'backbone.layers.1.mixer.A_log'"),
        ({"extra": np.zeros(2, np.float32)}, "1 tensors belong nowhere, first 'extra'"),
        ({LAYER + "D": np.zeros(3, np.float32)}, r"mixer.D: expected shape \(16,\), found \(3,\): not of the sizes"),
        ({LAYER + "D": np.zeros(16, np.int8)}, "mixer.D is of type I8; expected one of BF16, F16, F32, F64"),
        (
            {LAYER + "D": np.zeros(16)},
            "mixer.D is in double precision while JAX runs in single; call alternax.set_precision",
        ),
    ],
)
def test_refuses_tensors_that_do_not_fit(folder, tensors, message):
    with pytest.raises(ModelFileError, match=message):
        from_huggingface(folder("mamba", {}, tensors))


class Harm:
    """What a pickle may hold: a call that is made when it is read."""

    def __reduce__(self):
        return pytest.fail, ("the pickle was read",)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model.bin.index.json"])
def test_a_pickle_is_refused_by_name_and_not_read(folder, name):
    path = folder("mamba")
    (path / "model.safetensors").unlink()
    (path / name).write_bytes(pickle.dumps(Harm()))
    with pytest.raises(ModelFileError, match=f"{name} is a pickle, which can run any code .* only model.safetensors"):
        from_huggingface(path)


def test_refuses_folders_that_are_none_empty_or_damaged(folder, tmp_path):
    with pytest.raises(ModelFileError, match="nowhere is not a folder; expected one written by transformers"):
        from_huggingface(tmp_path / "nowhere")
    with pytest.raises(ModelFileError, match="config.json is missing; expected a folder written by transformers"):
        from_huggingface(tmp_path)
    path = folder("mamba")
    content = (path / "model.safetensors").read_bytes()
    for damaged in (content[:-5], content[:20], b"", b"\xff" * 100):
        (path / "model.safetensors").write_bytes(damaged)
        with pytest.raises(ModelFileError, match="model.safetensors is not a safetensors file that can be read"):
            from_huggingface(path)
    (path / "model.safetensors").unlink()
    with pytest.raises(ModelFileError, match=r"neither model.safetensors nor model.safetensors.index.json is there"):
        from_huggingface(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"model_type": "ma', "config.json is truncated or damaged"),
        (b"\xff\xfe\x00", "config.json is truncated or damaged"),
        (b"[" * 200000, "config.json is truncated or damaged"),
        (b"[]", "config.json: expected a JSON object, found list"),
        (b"{}" + b" " * 2**26, "config.json is larger than 67108864 bytes, which no model needs"),
    ],
)
def test_refuses_a_configuration_that_is_no_object(folder, content, message):
    path = folder("mamba")
    (path / "config.json").write_bytes(content)
    with pytest.raises(ModelFileError, match=message):
        from_huggingface(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda homes: homes.clear(), "expected the entry 'weight_map' from tensors to files"),
        (lambda homes: homes.update(extra="../secret.safetensors"), "'../secret.safetensors' is not the name of a"),
        (lambda homes: homes.update(extra="/etc/passwd"), "'/etc/passwd' is not the name of a safetensors file"),
        (lambda homes: homes.update(extra="pytorch_model.bin"), "'pytorch_model.bin' is not the name of a safetensors"),
        (lambda homes: homes.update(extra=3), "3 is not the name of a safetensors file in the folder"),
        (lambda homes: homes.update(extra="gone.safetensors"), "gone.safetensors is missing; copy the folder again"),
        (lambda homes: homes.pop("backbone.norm_f.weight"), "index.json disagree about 'backbone.norm_f.weight'"),
        (lambda homes: homes.update(extra=homes["backbone.norm_f.weight"]), "index.json disagree about 'extra'"),
    ],
)
def test_refuses_an_index_that_does_not_tell_the_truth(folder, change, message):
    path = folder("mamba")
    homes = split(path)
    change(homes)
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": homes}))
    with pytest.raises(ModelFileError, match=message):
        from_huggingface(path)
