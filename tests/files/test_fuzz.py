"""Ten thousand damaged folders through the reader, two hundred through the whole load: refused, or exactly right."""

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from files.mutations import CONFIG, Hang, damaged, files_of, forged, place, time_limit

import alternax as ax
from alternax.core.errors import ModelFileError
from alternax.files import dump, read
from alternax.saving import contents_of

GOLDEN = Path(__file__).parents[1] / "golden" / "v2"


@pytest.mark.parametrize("count", [2_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_damaged_folders_through_the_reader_with_numpy_alone_in_one_gigabyte(count, tmp_path):
    script = Path(__file__).with_name("fuzz_reader.py")
    command = [sys.executable, script, GOLDEN / "tree", GOLDEN / "alternator_affine", tmp_path, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-3000:]
    counts = json.loads(done.stdout)
    assert counts.pop("heavy") == []
    assert sum(counts.values()) == count
    # Accidents are found but for the few that change nothing; forgeries get far enough to try what lies behind.
    share = {name: found / count for name, found in counts.items()}
    assert share["damaged refused"] > 0.43 and share["forged refused"] > 0.23 and share["forged read"] > 0.04


def covers(built, filed) -> bool:
    """Whether all that the file says is in what was built; what the file lacks took its default.

    The records of schema and training take lists for tuples.
    """
    built, filed = (node["$tuple"] if isinstance(node, dict) and "$tuple" in node else node for node in (built, filed))
    if isinstance(filed, dict) and isinstance(built, dict):
        return all(name in built and covers(built[name], value) for name, value in filed.items())
    if isinstance(filed, list) and isinstance(built, list):
        return len(built) == len(filed) and all(map(covers, built, filed))
    return type(built) is type(filed) and repr(built) == repr(filed)


def said_again(fitted) -> tuple[dict, dict[str, np.ndarray]]:
    """The file that would be written for it."""
    return dump({"model": fitted.model, "meta": contents_of(fitted)}, name="run")


def outcome(folder: Path, whole: tuple | None) -> str:
    with time_limit():
        try:
            fitted = ax.load(folder)
        except ModelFileError:
            return "refused"
    structure, arrays = said_again(fitted)
    if whole is not None:
        assert json.dumps(structure) == json.dumps(whole[0])
        assert {n: a.tobytes() for n, a in arrays.items()} == {n: a.tobytes() for n, a in whole[1].items()}
        return "loaded"
    config, numbers = read(folder)
    assert covers(structure, {"model": config["structure"], "meta": config["meta"]})
    assert all(arrays[name].tobytes() == numbers[name].tobytes() for name in numbers)
    return "loaded"


@pytest.mark.parametrize(("name", "count"), [("alternator_affine", 100), ("autoregressive_classes", 100)])
def test_200_damaged_runs_through_the_whole_load(tmp_path, name, count):
    rng = random.Random(name)
    sources = files_of(GOLDEN / name), files_of(GOLDEN / "alternator_targets")
    whole = said_again(ax.load(GOLDEN / name))
    seen = []
    for index in range(count):
        place((forged if index % 4 else damaged)(*sources, rng), tmp_path / "run")
        seen.append(outcome(tmp_path / "run", None if index % 4 else whole))
    assert len(seen) == count and "refused" in seen and "loaded" in seen


def wait_for_ever():
    while True:
        pass


def test_time_limit_of_the_fuzz_ends_what_hangs(monkeypatch):
    monkeypatch.setattr("files.mutations.SECONDS", 0.05)
    with pytest.raises(Hang), time_limit():
        wait_for_ever()


def test_a_reading_that_differs_would_be_noticed(tmp_path):
    """The comparison itself: a loaded run is not taken for another one."""
    one, other = (said_again(ax.load(GOLDEN / name)) for name in ("alternator_affine", "alternator_targets"))
    assert covers(one[0], one[0]) and not covers(one[0], other[0])
    nudged = json.loads(json.dumps(one[0]))
    nudged["model"]["fields"]["sigma_z"] += 1e-9
    assert not covers(one[0], nudged)
    assert CONFIG in files_of(GOLDEN / "tree")
