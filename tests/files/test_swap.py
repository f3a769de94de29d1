"""A save killed at any moment loses nothing: the old run or the new one is read, and the next save tidies up."""

import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest
from files.mutations import files_of, place

from alternax.core.errors import ModelFileError
from alternax.files import read
from alternax.files.swap import _held, replace, settle

GOLDEN = Path(__file__).parents[1] / "golden" / "v2"


def test_save_killed_before_any_step_leaves_the_old_run_or_the_new_one(tmp_path):
    script = Path(__file__).with_name("killed_saves.py")
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    seen = done.stdout.splitlines()
    # The old one up to the first rename, a moment in which the new one has to be looked for, then the new one.
    assert len(seen) >= 10 and sorted(seen, key=["old", "new found beside", "new"].index) == seen
    assert set(seen) == {"old", "new found beside", "new"}


@pytest.fixture
def run(tmp_path):
    place(files_of(GOLDEN / "tree"), tmp_path / "run")
    return tmp_path / "run"


def test_run_left_beside_its_place_is_read_and_named(run):
    run.rename(run.with_name(".run.0123abcd.old"))
    with pytest.warns(RuntimeWarning, match=r"run is not there because saving it was interrupted; the complete \.run"):
        config, _ = read(run)
    assert config["format"] == "alternax"
    replace(run, files_of(GOLDEN / "alternator_affine"))
    assert "run.meta.arrays.scalar" not in read(run)[1]


def test_settling_without_a_new_folder_puts_the_old_one_back(run):
    run.rename(run.with_name(".run.0123abcd.old"))
    settle(run, set(files_of(GOLDEN / "tree")))
    assert [p.name for p in run.parent.iterdir()] == ["run"] and "run.meta.arrays.scalar" in read(run)[1]


def test_settling_never_overwrites_a_file_that_is_there_again(run):
    old = run.with_name(".run.0123abcd.old")
    old.mkdir()
    (old / "notes.txt").write_text("earlier")
    (run / "notes.txt").write_text("later")
    settle(run, {"config.json"})
    assert (run / "notes.txt").read_text() == "later" and (old / "notes.txt").read_text() == "earlier"


def test_what_a_live_save_holds_is_left_alone(run):
    new = run.with_name(".run.0123abcd.new")
    new.mkdir()
    with _held(new) as free:
        settle(run, set())
        assert free and new.exists()
    settle(run, set())
    assert not new.exists()


def test_names_of_other_runs_are_not_touched(run):
    strangers = [run.with_name(name) for name in (".run.old", ".run.0123abcd.other", ".run2.0123abcd.new", "run.new")]
    for folder in strangers:
        folder.mkdir()
    settle(run, set())
    assert all(folder.is_dir() for folder in strangers)
    run.rename(run.with_name("away"))
    with pytest.raises(ModelFileError, match="run is not a folder; expected a run saved by alternax"):
        read(run)


def test_reading_while_another_thread_saves_always_gives_a_whole_run(run):
    contents = [files_of(GOLDEN / name) for name in ("alternator_affine", "tree")]
    done = threading.Event()

    def save_again_and_again():
        for turn in range(10):
            replace(run, contents[turn % 2])
        done.set()

    thread = threading.Thread(target=save_again_and_again)
    thread.start()
    seen = set()
    with warnings.catch_warnings():
        # Between the two renames the run has to be looked for.
        warnings.simplefilter("ignore", RuntimeWarning)
        while not done.is_set():
            seen.add(len(read(run)[1]))
    thread.join()
    assert seen <= {len(read(GOLDEN / name)[1]) for name in ("alternator_affine", "tree")}
