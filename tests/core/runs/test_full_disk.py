"""A disk that fills up: one message, nothing torn, and nothing lost once there is room."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from app.cli import main
from app.core import storage
from app.core.errors import DiskFullError, StorageError
from app.core.events import Checkpoint, Snapshot, Steps
from app.core.runs import DiskUse, Recorder, RunFolder
from app.core.runs.checkpoint import checkpoint_files, read_checkpoint
from app.core.runs.room import LEAST_FREE, RESERVE, room_need
from app.core.specs import ConvNetSpec
from tests.core.test_runs import curve, events_of, folder, record, slow_clock, spec

FULL = OSError(errno.ENOSPC, "No space left on device")
SHORT = spec(epochs=2, batch_size=48)


@pytest.fixture
def often(monkeypatch):
    """Write everything at once, and ask a full disk again at once."""
    for name in ("KEYFRAME_SECONDS", "HISTORY_SECONDS", "RETRY_SECONDS", "ROOM_SECONDS"):
        monkeypatch.setattr(f"app.core.runs.recorder.{name}", 0.0)
    # Asking git takes longer than all the rest.
    monkeypatch.setattr("app.core.runs.folder.git_state", lambda: "")


class Filling(storage.FileSystem):
    """Takes so many calls that write; then it is full for `full` calls."""

    def __init__(self, calls, full=1 << 30):
        self.left, self.full = calls, full
        self.before = None
        self.run = None

    def _count(self):
        self.left -= 1
        if self.left < 0 and self.full > 0:
            self.full -= 1
            if self.before is None and self.run is not None:
                self.before = contents(self.run)
            raise FULL

    def create(self, path):
        self._count()
        return super().create(path)

    def write(self, descriptor, data):
        self._count()
        # What is written before the disk is full may be a part of a line.
        return super().write(descriptor, data[: len(data) if len(data) < 200 else len(data) // 2])

    def fsync(self, _descriptor):
        self._count()

    def sync_folder(self, _folder):
        pass

    def replace(self, source, target):
        self._count()
        super().replace(source, target)


def contents(path):
    return {
        file.relative_to(path): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file() and ".part-" not in file.name
    }


def filled(tmp_path, monkeypatch, number, full):
    """Record a short training on a disk that fills up at its Nth call.

    Returns the folder, what a person was told, and the disk.
    """
    monkeypatch.setattr(storage, "disk", Filling(1 << 30))
    run = folder(tmp_path, SHORT, path=tmp_path / f"{number}-{full}")
    recorder = Recorder(run)
    disk = Filling(number, full)
    disk.run = run.path
    monkeypatch.setattr(storage, "disk", disk)
    said = []
    for event in events_of(SHORT, checkpoint_seconds=0.0, snapshot_seconds=0.0):
        note = recorder.take(event)
        said += [] if note is None else [note.message]
    try:
        recorder.close()
    except StorageError as error:
        said.append(error.message)
    monkeypatch.setattr(storage, "disk", storage.FileSystem())
    return RunFolder.open(run.path), said, disk


def test_full_from_any_call_on_what_was_kept_stays_to_the_bit(tmp_path, monkeypatch, often):
    expected = curve(events_of(SHORT)).terms
    for number in range(1000):
        run, said, disk = filled(tmp_path, monkeypatch, number, 1 << 30)
        if disk.before is None:
            break
        now = contents(run.path)
        for name, data in disk.before.items():
            if name.suffix == ".jsonl":
                assert now[name].startswith(data) or data.startswith(now[name])
            elif name.parts[0] in ("checkpoints", "keyframes"):
                assert now.get(name, data) == data
        history, note = run.read_history()
        assert note == ""
        np.testing.assert_array_equal(history.terms, expected[: len(history)])
        for path in checkpoint_files(run.path):
            read_checkpoint(path)
        assert len([one for one in said if "waits" in one]) <= 1
        assert 1 <= len(said) <= 2
        assert all("The disk is full" in one for one in said)
        assert run.info.outcome is None or len(history) == len(expected)
    assert number > 40
    assert said == []
    assert run.info.state == "done"


@pytest.mark.parametrize("full", [1, 5])
def test_full_for_a_while_nothing_is_missing_afterwards(tmp_path, monkeypatch, often, full):
    expected = curve(events_of(SHORT))
    for number in range(0, 1000, 1 if full == 1 else 3):
        run, said, disk = filled(tmp_path, monkeypatch, number, full)
        history, note = run.read_history()
        assert note == ""
        if not any("was not saved" in one for one in said):
            np.testing.assert_array_equal(history.terms, expected.terms)
            assert history.epoch_steps == expected.epoch_steps
            assert run.info.state == "done"
            assert run.read_weights()[0] == 4
        if disk.before is None:
            break
        assert len([one for one in said if "waits" in one]) <= 1
    assert number > 40


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from app.cli import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a limit that only Linux has")
def test_a_limit_on_the_size_of_files_is_one_message(tmp_path):
    """Small limits stop run.json, larger ones the checkpoint or the history."""
    for limit in (100, 1_000, 3_000, 20_000, 100_000):
        place = tmp_path / str(limit)
        command = ["train", "autoencoder", "--epochs", "3", "--out", str(place)]
        done = subprocess.run(
            [sys.executable, "-c", LIMITED, str(limit), *command],
            cwd=Path(storage.__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1, done.stderr
        said = [one for one in done.stderr.splitlines() if one.startswith("filterscope:")]
        assert len(said) == 1, done.stderr
        assert "larger than files may be here" in said[0]
        assert "Traceback" not in done.stderr
        for path in checkpoint_files(place):
            read_checkpoint(path)


# --- before it is full


def room(monkeypatch, free):
    class Small(storage.FileSystem):
        def free(self, _folder):
            return free[0]

    monkeypatch.setattr(storage, "disk", Small())


def test_before_the_disk_is_full_keyframes_end_and_one_message_says_so(
    tmp_path, monkeypatch, often
):
    free = [1 << 40]
    room(monkeypatch, free)
    run = folder(tmp_path, spec())
    recorder, said, last = Recorder(run), [], 0
    for event in events_of(
        spec(), checkpoint_seconds=0.0, snapshot_seconds=0.0, clock=slow_clock()
    ):
        if isinstance(event, Steps):
            free[0] = {7: RESERVE - 1, 15: 3 * RESERVE}.get(event.last_step, free[0])
            last = event.last_step
        note = recorder.take(event)
        said += [] if note is None else [note]
        if isinstance(event, Snapshot) and 7 <= last < 15:
            assert event.step not in dict(run.keyframes())
        if isinstance(event, Checkpoint) and event.step:
            assert int(checkpoint_files(run.path)[0].stem) == event.step
    recorder.close()
    (note,) = said
    assert "no more keyframes" in note.message
    assert "256 MiB" in note.message or "255 MiB" in note.message
    assert "Free some space" in note.hint
    steps = [step for step, _ in run.keyframes()]
    assert steps[:6] == list(range(6))
    assert {16, 24} <= set(steps)
    assert len(run.read_history()[0]) == 24


def test_the_last_bytes_are_left_to_the_system(tmp_path, monkeypatch, often):
    free = [LEAST_FREE - 1]
    run = folder(tmp_path, SHORT)
    recorder = Recorder(run)
    room(monkeypatch, free)
    said = []
    for event in events_of(SHORT, checkpoint_seconds=0.0, snapshot_seconds=0.0):
        note = recorder.take(event)
        said += [] if note is None else [note.message]
        if isinstance(event, Steps) and event.last_step >= 2:
            free[0] = 1 << 40
    recorder.close()
    assert ["waits" in one for one in said] == [True, False]
    assert "There is room on the disk again" in said[1]
    assert len(run.read_history()[0]) == 4
    assert RunFolder.open(run.path).info.state == "done"


@pytest.mark.parametrize("missing", [False, True])
def test_too_little_room_is_told_before_the_training(tmp_path, monkeypatch, missing):
    place = tmp_path / "not" / "there" if missing else tmp_path
    shapes = {"W1": (16, 5), "b1": (5,), "W2": (5, 16), "b2": (16,)}
    need = room_need(spec(), shapes, 96)
    free = [need.least + LEAST_FREE - 1]
    room(monkeypatch, free)
    with pytest.raises(DiskFullError, match="are free") as caught:
        folder(place)
    assert caught.value.hint
    assert not place.exists() or not list(place.iterdir())
    free[0] += 1
    run = folder(place)
    assert "no more keyframes are kept" in run.warning
    free[0] = need.likely + RESERVE
    assert folder(place, path=tmp_path / "roomy").warning == ""


def test_the_command_line_tells_of_too_little_room_once(tmp_path, monkeypatch, capsys):
    free = [1 << 10]
    room(monkeypatch, free)
    command = ["train", "autoencoder", "--epochs", "1", "--json", "--out"]
    assert main([*command, str(tmp_path / "none")]) == 1
    said = capsys.readouterr().err
    assert "filterscope: This run needs" in said
    assert not (tmp_path / "none").exists()
    free[0] = RESERVE + (1 << 24)
    assert main([*command, str(tmp_path / "some")]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert err.count("filterscope: ") == 1
    assert "no more keyframes are kept" in err
    monkeypatch.setattr("app.core.runs.recorder.ROOM_SECONDS", 0.0)
    free[0] = RESERVE - 1
    assert main([*command, str(tmp_path / "fewer")]) == 0
    err = capsys.readouterr().err
    assert err.count("no more keyframes are kept") == 1
    free[0] = 1 << 10
    assert main(["runs", "resume", str(tmp_path / "some"), "--epochs", "2"]) == 1
    assert "filterscope: This run needs" in capsys.readouterr().err
    assert RunFolder.open(tmp_path / "some").info.state == "done"
    assert len(RunFolder.open(tmp_path / "fewer").read_history()[0]) > 0


def test_a_disk_that_does_not_say_how_full_it_is_is_trusted(tmp_path, monkeypatch):
    class Silent(storage.FileSystem):
        def free(self, _folder):
            raise OSError(errno.ENOSYS, "not here")

    monkeypatch.setattr(storage, "disk", Silent())
    run, _ = record(tmp_path)
    assert run.warning == ""
    assert RunFolder.open(run.path).info.state == "done"


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_what_a_run_needs_is_what_it_takes(tmp_path, solver, often):
    settings_ = spec(solver=solver, keyframe_budget=1, epochs=30)
    run, _ = record(tmp_path, settings_, events_of(settings_, checkpoint_seconds=0.0))
    need = room_need(settings_, run.shapes(), 96)
    use = DiskUse.of(run.path)
    assert use.checkpoints <= need.least
    assert use.history <= need.likely - need.least - (1 << 20) + (1 << 17)
    assert use.total == sum(len(data) for data in contents(run.path).values())
    assert use.total < need.likely


def test_a_network_that_is_validated_needs_room_for_its_best(tmp_path):
    shapes = {"W1": (100, 10)}
    plain = room_need(ConvNetSpec(solver="sgd"), shapes, 100)
    adam = room_need(ConvNetSpec(solver="adam"), shapes, 100)
    assert adam.least - plain.least == 3 * 2 * 4 * 1000


def test_a_log_that_cannot_even_be_cut_back_takes_no_more(tmp_path, monkeypatch):
    class Broken(storage.FileSystem):
        def write(self, descriptor, data):
            if os.fstat(descriptor).st_size > 3:
                raise FULL
            return super().write(descriptor, data[:2])

        def truncate(self, descriptor, size):
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(storage, "disk", Broken())
    log = storage.open_log(tmp_path / "log")
    with log, pytest.raises(StorageError, match="cannot be written on") as caught:
        storage.append(log, b"0123456789", tmp_path / "log", sync=False)
    assert not isinstance(caught.value, DiskFullError)
