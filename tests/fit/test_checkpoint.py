"""Training that breaks off, in whatever way, ends as if it had not; and nothing else is ever gone on from."""

import math
import os
import signal
import sys
import warnings
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import jax
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import killed
from killed import command, content, run, train_and_kill

import alternax as ax
from alternax.core.errors import InputError, TrainingError
from alternax.fit import checkpoint
from alternax.fit.checkpoint import Checkpoints, discard, latest_step
from alternax.fit.state import State
from alternax.fit.store import UNFINISHED, Store, steps_in

resource = pytest.importorskip("resource", reason="only POSIX limits the size of files")
RUN = {"seed": "0"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A training without a break, and the folder with its first and last checkpoint."""
    folder = tmp_path_factory.mktemp("whole") / "checkpoints"
    return run(folder, checkpoint_every=1000), folder


def assert_same(fitted, folder, whole):
    """The same result to the last bit: parameters kept, and the whole state at the end."""
    assert leaves(fitted) == leaves(whole[0])
    assert {**fitted.record.to_dict(), "seconds": 0} == {**whole[0].record.to_dict(), "seconds": 0}
    assert content(folder) == content(whole[1])


def leaves(fitted) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(fitted.model)]


@contextmanager
def at_step(wanted, action):
    """Does something when training reports a step."""

    @contextmanager
    def bar(steps, shown, first):
        yield lambda step, loss, valid: action() if step == wanted else None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["alternax.fit.fit"], "progress_bar", bar)
        yield


def state(steps: int = 0, loss: float = 1.0, **fields) -> State:
    """A state of 8,000 random bytes and some awkward arrays; its validation losses end in `loss`."""
    rng = np.random.default_rng(steps)
    params = {"w": rng.normal(size=(10, 100)), "none": np.zeros((0, 3)), "half": np.ones(3, jax.numpy.bfloat16)}
    params = jax.tree.map(jax.numpy.asarray, params)
    curves = {"train_loss": (0.1,), "valid_loss": (loss,) if steps else (), "checked_at": (steps,)}
    return State(params, params, None, params, {"count": jax.numpy.int32(steps)}, steps=steps, **(curves | fields))


@contextmanager
def opened(folder, *, every=10, run=RUN, resume=False):
    with Checkpoints(folder, every, run, resume=resume) as checkpoints:
        yield checkpoints, checkpoints.start(state())


def written(folder, *steps, **fields) -> Path:
    with opened(folder) as (checkpoints, _):
        for step in steps:
            checkpoints.keep(state(step, **fields))
    return folder


def test_training_killed_three_times_ends_as_if_it_had_never_been(tmp_path, whole):
    """With SIGKILL, twice at a random moment and once in the middle of writing a checkpoint."""
    rng, folder, course = np.random.default_rng(5), tmp_path / "killed", []
    for writing in (False, True, False):
        dispatches, delay = int(rng.integers(3, 15)), float(rng.uniform(0, 0.05))
        course.append(train_and_kill(command(folder, 4), folder, dispatches, delay, writing=writing))
    print(course)
    assert course[0].resumed == 0 and course[1].writing
    for before, after in pairwise(course):
        # Lost are at most the steps since the last checkpoint, and since the one before if its writing was cut short.
        assert before.step - 8 <= after.resumed <= before.step + 2
    fitted = run(folder, checkpoint_every=4, resume=True)
    assert fitted.record.stopped == "early stop" and not any(folder.glob(f"*{UNFINISHED}"))
    assert_same(fitted, folder, whole)


def test_ctrl_c_saves_says_where_and_is_gone_on_from(tmp_path, whole):
    folder = tmp_path / "checkpoints"
    with (
        at_step(22, lambda: signal.raise_signal(signal.SIGINT)),
        pytest.warns(
            RuntimeWarning, match=r"interrupted at step 22: .*resume=True.* of step 22 in .*checkpoints\."
        ) as said,
    ):
        first = run(folder)
    assert said[0].filename == killed.__file__
    assert first.record.stopped == "interrupted" and first.record.steps == 22
    again = run(folder, resume=True)
    assert again.record.seconds > first.record.seconds
    assert_same(again, folder, whole)


def test_what_is_finished_is_handed_back_at_once(whole, monkeypatch):
    monkeypatch.setattr(sys.modules["alternax.fit.train"], "_dispatch", lambda *_: pytest.fail("trained again"))
    again = run(whole[1], resume=True)
    assert whole[0].record.stopped == "early stop"
    assert again.record == whole[0].record and leaves(again) == leaves(whole[0])


def test_without_checkpoints_resume_starts_and_checkpoints_change_nothing(tmp_path, whole):
    assert leaves(run()) == leaves(whole[0])
    assert leaves(run(tmp_path / "new", checkpoint_every=50, resume=True)) == leaves(whole[0])


def test_what_stopped_for_a_reason_stops_for_it_again(tmp_path):
    with opened(tmp_path) as (checkpoints, _):
        checkpoints.keep(state(3, stopped="non-finite loss at step 4"))
    with opened(tmp_path, resume=True) as (_, found):
        assert found.stopped == "non-finite loss at step 4" and found.steps == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, r"of another run: seed 0 there, 1 here\. Give another folder"),
        ({"steps": 300}, r"steps 200 there, 300 here"),
        ({"every": 4}, r"every 2 there, 4 here"),
        ({"valid": None}, r"valid 0\.1 there, null here"),
        ({"transform": ax.Identity()}, r"transform alternax.*Scale there, alternax.*Identity here"),
        ({"model": killed.model(1)}, r"another model\.ftn\.net; another model\.otn\.net"),
        ({"data": killed.data(70)}, r"data\.x float64\[1, 60, 2\] there, float64\[1, 70, 2\] here; .*more"),
        ({"objective": ax.Elbo()}, r"objective killed\.Noisy there, alternax\.fit\.objectives\.Elbo here"),
    ],
)
def test_another_run_is_refused_with_what_differs(whole, monkeypatch, change, message):
    for name in ("model", "data"):
        if name in change:
            monkeypatch.setattr(killed, name, lambda name=name: change[name])
    before = content(whole[1])
    settings = {name: value for name, value in change.items() if name not in ("model", "data")}
    for resume in (True, False):
        with pytest.raises(InputError, match=message):
            run(whole[1], resume=resume, **settings)
    assert content(whole[1]) == before


def test_the_same_run_is_gone_on_from_only_when_asked(whole):
    with pytest.raises(InputError, match=r"of this very run at step \d+: give resume=True to go on from there, or"):
        run(whole[1])


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"resume": True}, InputError, "resume=True needs the folder to go on from: give checkpoint"),
        ({"checkpoint": 3}, TypeError, "checkpoint must be a folder, found int"),
        ({"checkpoint": "a", "resume": "a"}, TypeError, "resume must be True or False, found 'a'; the folder goes to"),
        ({"checkpoint": "a", "checkpoint_every": 0}, InputError, "checkpoint_every must be an integer of at least 1"),
        ({"checkpoint": __file__}, InputError, r"test_checkpoint\.py is a file; give a folder"),
        ({"checkpoint": Path(__file__).parent}, InputError, "holds other files than checkpoints; give an empty folder"),
        ({"checkpoint": f"{__file__}/below"}, InputError, "cannot write checkpoints to .*below: Not a directory"),
    ],
)
def test_what_cannot_be_is_refused_before_training(settings, kind, message):
    with pytest.raises(kind, match=message):
        ax.fit(killed.model(), killed.data(), objective=killed.Noisy(), **settings)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write_is_refused(tmp_path):
    (tmp_path / "checkpoints").mkdir(mode=0o500)
    with pytest.raises(InputError, match=r"cannot write checkpoints to .*: Permission denied\. Give another folder"):
        run(tmp_path / "checkpoints")


def test_a_system_that_refuses_the_folder_is_quoted():
    with pytest.raises(InputError, match="cannot write checkpoints to /proc/checkpoints"):
        run(Path("/proc/checkpoints"))


def fill_up() -> None:
    """From now on the system refuses every file of more than 600 bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@contextmanager
def room_at_the_end():
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextmanager
def no_room():
    with room_at_the_end():
        fill_up()
        yield


def test_no_room_at_the_start_is_refused(tmp_path, capfd, caplog):
    with no_room(), pytest.raises(InputError, match=r"cannot write checkpoints to .*File too large.*another folder"):
        written(tmp_path)
    assert latest_step(tmp_path) is None and not any(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "") and not caplog.records


def test_no_room_later_costs_the_checkpoint_and_neither_training_nor_the_one_before(
    tmp_path, whole, capfd, caplog, monkeypatch
):
    """One warning however often it fails; when there is room again checkpoints go on."""
    folder = tmp_path / "checkpoints"
    monkeypatch.setattr(checkpoint, "SHARE", 0.0)
    with (
        room_at_the_end(),
        at_step(42, fill_up),
        pytest.warns(RuntimeWarning, match="of step 60 could not be written .*File too large.*last .* step 40") as said,
    ):
        fitted = run(folder, checkpoint_every=20)
    assert len(said) == 1 and said[0].filename == killed.__file__
    assert "Training goes on, and tries again" in str(said[0].message)
    assert leaves(fitted) == leaves(whole[0]) and fitted.record.stopped == "early stop"
    assert capfd.readouterr() == ("", "") and not caplog.records
    assert latest_step(folder) == 40 and not any(folder.glob(f"*{UNFINISHED}"))
    assert_same(run(folder, resume=True), folder, whole)


def test_room_again_is_used_and_the_next_failure_said_again(tmp_path):
    with opened(tmp_path) as (checkpoints, _):
        for step in (10, 30):
            with no_room(), pytest.warns(RuntimeWarning, match=f"of step {step} could not be written"):
                checkpoints.keep(state(step))
            checkpoints.keep(state(step + 10))
            assert latest_step(tmp_path) == step + 10


def test_kept_are_the_last_two_and_the_best(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SHARE", 0.0)
    for resume, losses in ((False, {10: 3.0, 20: 1.0, 30: 2.0}), (True, {40: math.nan, 50: 2.0})):
        with opened(tmp_path, resume=resume) as (checkpoints, _):
            for step, loss in losses.items():
                checkpoints.keep(state(step, loss))
    assert steps_in(tmp_path) == [20, 40, 50]


def test_written_are_intervals_ends_and_better_scores_that_cost_little(tmp_path):
    with opened(tmp_path, every=10) as (checkpoints, _):
        due = checkpoints._due
        assert not due(state(9)) and due(state(10)) and due(state(3, stopped="finished"))
        better = state(5, best_step=5)
        checkpoints.cost = math.inf
        assert not due(better)
        checkpoints.cost = 0.0
        assert due(better) and not due(replace(better, valid_loss=()))


def files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size]


HARMS = {
    "cut": lambda content: content[: len(content) // 2],
    "flip": lambda content: bytes([content[0] ^ 1]) + content[1:],
    "flip in the middle": lambda content: (
        content[: (n := len(content) // 2)] + bytes([content[n] ^ 1]) + content[n + 1 :]
    ),
    "remove": lambda content: None,
}


@contextmanager
def harmed(path: Path, harm):
    """A file with other content, or without."""
    content = path.read_bytes()
    other = harm(content)
    path.unlink() if other is None else path.write_bytes(other)
    try:
        yield
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_checkpoint_is_named_and_the_one_before_taken(tmp_path, monkeypatch, harm):
    """Whatever file of it: either nothing of it matters to what is read, or the one before is."""
    written(tmp_path, 10, 20)
    expected = {step: state(step).arrays() for step in (10, 20)}
    monkeypatch.setattr(Store, "remove", lambda self, step: None)
    fell_back = 0
    for path in files(tmp_path / "checkpoint_20"):
        with harmed(path, HARMS[harm]):
            found, said = taken(tmp_path)
        assert found.steps == (10 if said else 20), path
        if said:
            assert f"the checkpoint of step 20 in {tmp_path} is damaged: it" in said[0]
            assert "It is removed; training goes on from step 10" in said[0]
            fell_back += 1
        arrays = found.arrays()
        assert all(array.tobytes() == expected[found.steps][at].tobytes() for at, array in arrays.items()), path
    assert fell_back >= 2


def taken(folder) -> tuple[State, list[str]]:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with opened(folder, resume=True) as (_, found):
            return found, [str(warning.message) for warning in said]


def test_an_altered_number_is_noticed(tmp_path):
    record = written(tmp_path, 10, 20) / "checkpoint_20" / "record" / "metadata"
    assert b'"waited": 0' in record.read_bytes()
    record.write_bytes(record.read_bytes().replace(b'"waited": 0', b'"waited": 9'))
    found, said = taken(tmp_path)
    assert found.steps == 10 and "damaged: its record does not match its checksum" in said[0]


def test_a_renamed_array_is_noticed(tmp_path):
    names = written(tmp_path, 10, 20) / "checkpoint_20" / "arrays" / "_METADATA"
    names.write_bytes(names.read_bytes().replace(b"bytes", b"other"))
    found, said = taken(tmp_path)
    assert found.steps == 10 and "checkpoint of step 20" in said[0]


@pytest.mark.parametrize("lost", ["everything", "commit_success.txt", "_CHECKPOINT_METADATA"])
def test_what_cannot_be_read_is_removed_once_training_goes_on(tmp_path, lost):
    written(tmp_path, 10, 20)
    for path in files(tmp_path / "checkpoint_20"):
        if lost in ("everything", path.name):
            path.write_bytes(b"") if lost == "everything" else path.unlink()
    (tmp_path / "checkpoint_20" / "record" / "metadata").unlink()
    assert taken(tmp_path)[0].steps == 10
    assert steps_in(tmp_path) == [10]
    with opened(tmp_path, resume=True) as (checkpoints, _):
        checkpoints.keep(state(20))
    assert taken(tmp_path)[0].steps == 20


def test_nothing_readable_is_an_error_and_no_new_beginning(tmp_path):
    written(tmp_path, 10)
    for path in files(tmp_path):
        path.write_bytes(b"")
    with pytest.raises(
        TrainingError, match=r"step 10 in .* is damaged: .*; the checkpoint of step 0 .* There is no other"
    ):
        taken(tmp_path)
    assert steps_in(tmp_path) == [0, 10]


def test_another_version_or_machine_is_said(tmp_path, monkeypatch):
    written(tmp_path)
    monkeypatch.setattr(checkpoint, "environment", lambda: {"jax": "9"})
    with (
        pytest.warns(RuntimeWarning, match=r"was written elsewhere \(.*jax .* there, 9 here.*\): the last digits"),
        opened(tmp_path, resume=True),
    ):
        pass
    monkeypatch.setattr(checkpoint, "SCHEMA_VERSION", 2)
    with pytest.raises(InputError, match=r"format version 1, written by alternax \S+; this one reads version 2"):
        taken(tmp_path)


def test_other_arrays_than_training_needs_are_refused(tmp_path):
    written(tmp_path)
    with (
        Checkpoints(tmp_path, 10, RUN, resume=True) as checkpoints,
        pytest.raises(InputError, match="with other arrays"),
    ):
        checkpoints.start(replace(state(), opt_state={"other": np.zeros(1)}))


def test_an_interrupt_during_a_write_waits_for_its_end(tmp_path, monkeypatch):
    with opened(tmp_path) as (checkpoints, _):
        save = checkpoints.store.manager.save

        def interrupted(*args, **options):
            signal.raise_signal(signal.SIGINT)
            save(*args, **options)

        monkeypatch.setattr(checkpoints.store.manager, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            checkpoints.keep(state(10))
        # Regression: it was then written a second time, which failed.
        with pytest.warns(RuntimeWarning, match="interrupted at step 10: .* checkpoint of step 10") as said:
            checkpoints.keep(state(10, stopped="interrupted"))
        assert len(said) == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert taken(tmp_path)[0].steps == 10


def test_discard_removes_checkpoints_and_nothing_else(tmp_path):
    folder = written(tmp_path / "a")
    discard(folder)
    assert not folder.exists()
    written(folder)
    (folder / "notes.txt").write_text("mine")
    discard(folder)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    discard(tmp_path / "nowhere")
