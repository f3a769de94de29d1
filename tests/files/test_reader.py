"""The reader that needs NumPy alone: every dtype, no heavy import, and no trick in the files gets past it."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from files.mutations import files_of, place

from alternax.core.errors import ModelFileError
from alternax.files import load, read
from alternax.files.config import digest

GOLDEN = Path(__file__).parents[1] / "golden" / "v2"


@pytest.fixture
def run(tmp_path):
    place(files_of(GOLDEN / "tree"), tmp_path / "run")
    return tmp_path / "run"


def test_numbers_of_a_run_without_jax_or_anything_heavy():
    script = (
        "import sys; from alternax.files import read\n"
        f"config, arrays = read({str(GOLDEN / 'alternator_affine')!r})\n"
        "print(config['meta']['metrics']['valid_loss'], arrays['run.meta.tail.times'][0, -1])\n"
        "print(sorted({'jax', 'equinox', 'numpyro', 'pandas', 'scipy', 'ml_dtypes'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "1.25 2024-01-30T00:00:00.000000000\n[]\n"


def test_every_dtype_comes_as_load_gives_it_and_bfloat16_as_float32(run):
    config, arrays = read(run)
    tree, meta = load(run)
    assert dict(config["meta"]["plain"]["$dict"])["big"] == meta["plain"]["big"] == 2**70
    for name, value in meta["arrays"].items():
        array = arrays["run.meta.arrays." + {"a.b/../ü\0": "a%2Eb%2F%2E%2E%2F%C3%BC%00"}.get(name, name)]
        if value.dtype == ml_dtypes.bfloat16:
            value = value.astype(np.float32)
        assert array.dtype == value.dtype and array.shape == value.shape and array.tobytes() == value.tobytes()
    np.testing.assert_array_equal(arrays["run.model.1.bf16"], [0, 1, 2])
    assert tree[1]["bf16"].dtype == ml_dtypes.bfloat16


def rewrite(run, change):
    """Alter the config and seal it again."""
    config = json.loads((run / "config.json").read_text())
    change(config)
    (run / "config.json").write_text(json.dumps(config | {"config_sha256": digest(config)}))


def reheader(run, change):
    """Alter the header of the tensors and make size and checksum fit."""
    content = (run / "model.safetensors").read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    text = change(content[8 : 8 + length].rstrip())
    seal(run, struct.pack("<Q", len(text)) + text + content[8 + length :])


def seal(run, tensors):
    import hashlib

    (run / "model.safetensors").write_bytes(tensors)
    sizes = {"tensors_bytes": len(tensors), "tensors_sha256": hashlib.sha256(tensors).hexdigest()}
    rewrite(run, lambda config: config.update(sizes))


def replaced(old, new):
    return lambda text: text.replace(old, new, 1)


@pytest.mark.parametrize(
    "name", ["run.meta.../../evil", "/etc/passwd", "run.meta.a\\u0000", "run.\\u202emeta", "..\\\\x"]
)
def test_names_of_arrays_that_play_at_paths_are_refused(run, name):
    reheader(run, replaced(b'"run.meta.arrays.bool"', f'"{name}"'.encode()))
    with pytest.raises(ModelFileError, match=r"model\.safetensors: '.*' is not the name of an array of a run"):
        read(run)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"shape":[2,3]', b'"shape":[1099511627776,1099511627776]'),
        (b'"shape":[2,3]', b'"shape":[9223372036854775807,9]'),
        (b'"data_offsets":[', b'"data_offsets":[1099511627776,2199023255552],"x":['),
        (b'"dtype":"BOOL"', b'"dtype":"F8_E4M3"'),
    ],
)
def test_header_that_promises_terabytes_or_other_types_is_refused(run, old, new):
    reheader(run, replaced(old, new))
    with pytest.raises(ModelFileError, match="is not a safetensors file alternax can read"):
        read(run)


@pytest.mark.parametrize("length", [0, 2**40, 2**63, 2**64 - 1])
def test_header_of_a_wrong_length_is_refused(run, length):
    content = (run / "model.safetensors").read_bytes()
    seal(run, struct.pack("<Q", length) + content[8:])
    with pytest.raises(ModelFileError, match="is not a safetensors file alternax can read"):
        read(run)


def test_size_is_compared_before_anything_is_read(run):
    os.truncate(run / "model.safetensors", 2**40)
    with pytest.raises(ModelFileError, match=rf"has {2**40} bytes where \d+ were written"):
        read(run)


def test_tensors_beyond_the_memory_are_refused_with_the_need(run, monkeypatch):
    monkeypatch.setattr("alternax.files.reader.physical_memory", lambda: 100)
    size = (run / "model.safetensors").stat().st_size
    with pytest.raises(ModelFileError, match=f"needs {size} bytes of memory and this machine has 100; load it on"):
        read(run)


def test_file_that_grows_while_it_is_read_is_refused(run, monkeypatch):
    status = os.fstat
    monkeypatch.setattr(os, "fstat", lambda handle: os.stat_result([*status(handle)[:6], 10, *status(handle)[7:10]]))
    with pytest.raises(ModelFileError, match=r"config\.json changes while it is read; try again once it is written"):
        read(run)


def test_edited_config_is_refused_and_says_how_to_change_a_run(run):
    text = (run / "config.json").read_text()
    (run / "config.json").write_text(text.replace('"depth": 1', '"depth": 2'))
    with pytest.raises(ModelFileError, match="does not match its own checksum: it was edited.*change it in Python and"):
        read(run)
    # Other spaces change no value, and a person may like them better.
    (run / "config.json").write_text(json.dumps(json.loads(text), indent="\t"))
    assert read(run)[0] == json.loads(text)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"format": "alternax"', '"format": "alternax", "format": "alternax"', "two entries are named 'format'"),
        ('"fields":', '"fields": 1, "fields":', "two entries are named 'fields'"),
        ('"depth": 1', '"depth": 1e999', "'1e999' is too large for a number"),
        ('"depth": 1', '"depth": -Infinity', "-Infinity is not JSON"),
        ('"depth": 1', '"depth": ' + "9" * 5000, "Exceeds the limit"),
        ('"depth": 1', '"depth": ' + "[" * 100_000, "recursion"),
    ],
)
def test_json_that_readers_would_take_in_different_ways_is_refused(run, old, new, message):
    text = (run / "config.json").read_text()
    (run / "config.json").write_text(text.replace(old, new, 1))
    with pytest.raises(ModelFileError, match=rf"config\.json is truncated or damaged \(.*{message}"):
        read(run)


def test_array_entries_that_do_not_fit_the_tensors_are_refused(run):
    def doubled(config):
        config["meta"]["more"] = config["meta"]["arrays"]["bool"]

    original = files_of(run)
    rewrite(run, doubled)
    with pytest.raises(
        ModelFileError, match=r"the array 'run\.meta\.arrays\.bool' is missing from model.*, or used twice"
    ):
        read(run)
    place(original, run)
    rewrite(run, lambda config: config["meta"]["arrays"].pop("bool"))
    with pytest.raises(ModelFileError, match=r"1 arrays belong nowhere, first 'run\.meta\.arrays\.bool'"):
        read(run)
    place(original, run)
    rewrite(run, lambda config: config["meta"]["arrays"]["bool"].pop("dtype"))
    with pytest.raises(ModelFileError, match=r"malformed '\$array' entry"):
        read(run)
    place(original, run)
    rewrite(run, lambda config: config["meta"]["arrays"]["bfloat16"].update(shape=[3, 2]))
    with pytest.raises(
        ModelFileError, match=r"bfloat16' \(bfloat16\): expected uint16 of shape \(3, 2\), found uint16"
    ):
        read(run)


def test_meta_that_is_no_dict_is_refused(run):
    rewrite(run, lambda config: config.update(meta={"$tuple": [config["meta"]]}))
    with pytest.raises(ModelFileError, match=r"belongs elsewhere|run\.meta must be a dict, found a tuple"):
        load(run)


def test_links_to_regular_files_are_followed_and_to_anything_else_refused(run, tmp_path):
    store = tmp_path / "store"
    run.rename(store)
    run.mkdir()
    for name in ("config.json", "model.safetensors"):
        (run / name).symlink_to(store / name)
    assert read(run)[1].keys() == read(store)[1].keys()
    for target in ("/dev/zero", tmp_path, "nowhere", "model.safetensors"):
        (run / "model.safetensors").unlink()
        (run / "model.safetensors").symlink_to(target)
        with pytest.raises(ModelFileError, match=r"model\.safetensors (is missing or no regular|cannot be read)"):
            read(run)


def test_pipe_that_takes_the_place_of_a_file_in_the_last_moment_is_not_waited_for(run, monkeypatch):
    opened = os.open

    def swapped(path, *args, **kwargs):
        if str(path).endswith("config.json"):
            os.unlink(path)
            os.mkfifo(path)
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", swapped)
    with pytest.raises(ModelFileError, match=r"config\.json is missing or no regular file"):
        read(run)


def test_path_that_no_system_has_is_refused_in_words(run):
    with pytest.raises(ModelFileError, match="is not a folder"):
        read("run\0")
