"""The model folder: written whole or not at all, read only when whole, ours and of this version."""

import hashlib
import json
import os
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from alternax.core.errors import InputError, ModelFileError
from alternax.core.fixed import Fixed
from alternax.files import load, save
from alternax.files.config import digest
from alternax.version import __version__

GOLDEN = Path(__file__).parents[1] / "golden"
CIRCLE: list = []
CIRCLE.append(CIRCLE)


@pytest.fixture(scope="module")
def model():
    return Fixed(jnp.arange(6.0).reshape(2, 3))


@pytest.fixture
def run(model, tmp_path):
    return save(model, {"steps": 3, "tail": np.array(["2020-01", "NaT"], "M8[ns]")}, tmp_path / "run")


def edit(run, *, sealed=False, **entries):
    """Alter config.json as a person with an editor does; sealed, as one who makes the checksum fit as well."""
    config = json.loads((run / "config.json").read_text()) | entries
    if sealed:
        config["config_sha256"] = digest(config)
    (run / "config.json").write_text(json.dumps(config))


def test_model_and_meta_come_back(run, model):
    again, meta = load(run)
    assert eqx.tree_equal(again, model)
    assert meta["steps"] == 3
    assert meta["tail"].tobytes() == np.array(["2020-01", "NaT"], "M8[ns]").tobytes()
    assert sorted(p.name for p in run.iterdir()) == ["config.json", "model.safetensors"]


def test_config_is_readable_and_names_its_version(run):
    config = json.loads((run / "config.json").read_text())
    assert config["format"] == "alternax"
    assert config["schema_version"] == 2
    assert config["library_version"] == __version__
    assert config["structure"]["$module"] == "alternax.core.fixed.Fixed"
    assert config["meta"]["steps"] == 3


def test_classes_of_a_user_are_saved_when_handed_over(tmp_path):
    save(Own(jnp.ones(2)), {}, tmp_path / "run", classes=[Own])
    assert isinstance(load(tmp_path / "run", classes=[Own])[0], Own)
    with pytest.raises(ModelFileError, match=r"run\.model: unknown class .*Own.*handed over in `classes`"):
        load(tmp_path / "run")


class Own(eqx.Module):
    weight: jax.Array


def test_second_save_replaces_the_first_and_keeps_other_files(run, tmp_path):
    (run / "notes.txt").write_text("mine")
    save(Fixed(None), {}, run)
    assert load(run)[0].value is None
    assert (run / "notes.txt").read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_interrupted_save_leaves_the_first_untouched(run, model, tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"cannot write the model folder .*run: No space left on device; choose"):
        save(Fixed(None), {}, run)
    assert eqx.tree_equal(load(run)[0], model)
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_failed_swap_puts_the_first_back(run, model, tmp_path, monkeypatch):
    rename = Path.rename

    def stubborn(self, target):
        if self.name.endswith(".new"):
            raise OSError(1, "Operation not permitted")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stubborn)
    with pytest.raises(InputError, match="Operation not permitted"):
        save(Fixed(None), {}, run)
    assert eqx.tree_equal(load(run)[0], model)
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_save_through_a_link_writes_where_it_points(run, model, tmp_path):
    (tmp_path / "latest").symlink_to(run)
    save(Fixed(None), {}, tmp_path / "latest")
    assert (tmp_path / "latest").is_symlink()
    assert load(run)[0].value is None


@pytest.mark.parametrize("content", [{"data.csv": "a"}, {"config.json": "{}"}, {"config.json": "[1"}])
def test_foreign_folder_is_refused_and_left_alone(content, tmp_path):
    for name, text in content.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match="exists and is not a model folder; choose another folder"):
        save(Fixed(None), {}, tmp_path)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == content


def test_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(InputError, match="is not a model folder"):
        save(Fixed(None), {}, tmp_path / "run")
    with pytest.raises(InputError, match=r"cannot write the model folder .*: File exists \(.*run\); choose"):
        save(Fixed(None), {}, tmp_path / "run" / "inside")


def test_empty_folder_and_missing_parents_are_used(tmp_path):
    (tmp_path / "empty").mkdir()
    save(Fixed(None), {}, tmp_path / "empty")
    save(Fixed(None), {}, tmp_path / "a" / "b")
    assert load(tmp_path / "empty")[0].value is load(tmp_path / "a" / "b")[0].value is None


def test_unsavable_meta_writes_nothing(model, tmp_path):
    with pytest.raises(InputError, match=r"run\.meta\.when: cannot save a object"):
        save(model, {"when": object()}, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_missing_folder_and_files_are_named(run, tmp_path):
    with pytest.raises(ModelFileError, match="nowhere is not a folder; expected a run saved by alternax"):
        load(tmp_path / "nowhere")
    (run / "model.safetensors").rename(run / "moved")
    with pytest.raises(ModelFileError, match="model.safetensors is missing"):
        load(run)
    (run / "config.json").unlink()
    with pytest.raises(ModelFileError, match="config.json is missing"):
        load(run)


def test_pipe_in_place_of_a_file_is_refused_instead_of_waiting(run):
    (run / "model.safetensors").unlink()
    os.mkfifo(run / "model.safetensors")
    with pytest.raises(ModelFileError, match="is missing or no regular file"):
        load(run)


@pytest.mark.parametrize("kept", [0, 10, 100])
def test_truncated_tensors_are_refused(run, kept):
    content = (run / "model.safetensors").read_bytes()
    (run / "model.safetensors").write_bytes(content[:kept])
    with pytest.raises(ModelFileError, match=rf"has {kept} bytes where {len(content)} were written: it is truncated"):
        load(run)


def test_altered_tensors_are_refused(run):
    content = bytearray((run / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (run / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelFileError, match="does not match its checksum"):
        load(run)


@pytest.mark.parametrize(
    "content", [b"", b"{" * 10, b'{"format": "alternax"', b"\xff\xfe", b"[" * 10**6, b'{"a": NaN}']
)
def test_truncated_or_damaged_config_is_refused(run, content):
    (run / "config.json").write_bytes(content)
    with pytest.raises(ModelFileError, match="config.json is truncated or damaged"):
        load(run)


def test_config_of_something_else_is_refused(run):
    edit(run, format="torch")
    with pytest.raises(ModelFileError, match="config.json was not written by alternax"):
        load(run)


@pytest.mark.parametrize("version", [0, 3, None, "1", True, 1.0, 10**99])
def test_other_schema_version_is_refused_with_both_versions(run, version):
    edit(run, schema_version=version, library_version="9.1")
    message = (
        rf"is of format version {version!r:.80}(\.\.\.)?, written by alternax '9\.1'; this is alternax {__version__}, "
        "which reads versions 1 and 2: install"
    )
    with pytest.raises(ModelFileError, match=message):
        load(run)


def test_unknown_config_entries_are_refused(run):
    edit(run, sealed=True, tensors_file="../../elsewhere")
    with pytest.raises(ModelFileError, match=r"must have exactly the entries .*\]; 'tensors_file' is not among them"):
        load(run)


def test_altered_structure_is_named_with_its_folder(run):
    edit(run, sealed=True, structure={"$module": "os.system", "fields": {}})
    with pytest.raises(ModelFileError, match=r"run: run\.model: unknown class 'os\.system'"):
        load(run)


def test_wrong_format_with_right_checksum_is_refused(run):
    (run / "model.safetensors").write_bytes(b"not tensors")
    edit(run, sealed=True, tensors_bytes=11, tensors_sha256=hashlib.sha256(b"not tensors").hexdigest())
    with pytest.raises(ModelFileError, match="is not a safetensors file"):
        load(run)


def test_oversized_config_is_refused(run, monkeypatch):
    for room in ("config", "reader"):
        monkeypatch.setattr(f"alternax.files.{room}.MAX_CONFIG_BYTES", 50)
    with pytest.raises(ModelFileError, match="config.json is larger than 50 bytes"):
        load(run)
    with pytest.raises(InputError, match="more than 50; keep numbers in arrays"):
        save(Fixed(None), {}, run.parent / "other")


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"n": 10**5000}, r"config\.json cannot be written: Exceeds the limit .*; keep such a number in an array"),
        ({"a": CIRCLE}, r"run\.meta\.a.*: nested more than 64 deep; a model file holds no deeper tree"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(model, tmp_path, meta, message):
    with pytest.raises(InputError, match=message):
        save(model, meta, tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_path_that_no_system_has_is_refused(model):
    with pytest.raises(InputError, match="is not the path of a folder .*; choose another folder"):
        save(model, {}, "run\0")


def test_save_after_a_kill_between_the_renames_keeps_what_a_person_had_there(run, tmp_path):
    (run / "notes.txt").write_text("mine")
    run.rename(tmp_path / ".run.0123abcd.old")
    with pytest.warns(RuntimeWarning, match="saving it was interrupted"):
        load(run)
    save(Fixed(None), {}, run)
    assert load(run)[0].value is None and (run / "notes.txt").read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_version_1_saved_again_is_of_this_version(tmp_path):
    save(*load(GOLDEN / "v1"), tmp_path / "run")
    assert json.loads((tmp_path / "run" / "config.json").read_text())["schema_version"] == 2
    assert load(tmp_path / "run")[1]["shape"] == (2, 3)


def test_version_1_loads_for_ever():
    model, meta = load(GOLDEN / "v1")
    assert meta["kind"] == "golden"
    assert meta["shape"] == (2, 3)
    assert np.array_equal(meta["times"], np.array(["1991-01", "1991-02"], "M8[ns]"))
    assert np.array_equal(meta["modes"], np.array([1 + 2j, -0.5j], np.complex64))
    network, operator = model
    assert isinstance(operator, Fixed)
    assert jnp.array_equal(operator.value, jnp.arange(6.0).reshape(2, 3))
    assert jnp.allclose(network(jnp.array([1.0, -2.0])), jnp.array([-7.0, 0.5]))


def test_every_dtype_of_version_2_loads_for_ever():
    (network, weights), meta = load(GOLDEN / "v2" / "tree")
    assert weights["bf16"].dtype == jnp.bfloat16 and weights["bf16"].tolist() == [0, 1, 2]
    assert meta["plain"] == {
        "none": None,
        "nested": [1, (2.5, [True, "text"])],
        "big": 2**70,
        "inf": float("inf"),
        "$key": {"": -0.0},
    }
    arrays = meta["arrays"]
    for name in ("int8", "int64", "float16", "complex128"):
        assert arrays[name].dtype == name and np.array_equal(arrays[name], np.arange(-2, 4).reshape(2, 3))
    assert np.array_equal(arrays["uint8"], [[254, 255, 0], [1, 2, 3]])
    assert arrays["dates"].astype(str).tolist() == ["2024-02-29T00:00:00.000000000", "NaT"]
    assert arrays["days"].dtype == "m8[D]" and arrays["empty"].shape == (0, 3) and arrays["scalar"] == 2.5
    assert arrays["a.b/../ü\0"].tolist() == [1]
    assert jnp.isfinite(network(jnp.ones(2))).all()
