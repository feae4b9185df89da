"""A run's folder: read back as it was, believed in nothing, never torn, good to go on from."""

from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import psutil
import pytest
import safetensors
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core import storage
from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.data.patches import Source
from app.core.errors import AlreadyExistsError, StorageError, UsageError
from app.core.events import Checkpoint, Failed, Finished, Snapshot, Steps
from app.core.history import History
from app.core.learners import AutoencoderLearner
from app.core.runs import Recorder, RunFolder, list_runs
from app.core.specs import AutoencoderSpec, PreprocessSpec
from app.core.training import train

ROWS, SIDE = 96, 4
SOLVERS = ("sgd", "momentum", "nesterov", "adam", "lbfgs")


def rows():
    return np.random.default_rng(0).uniform(0.1, 0.9, (ROWS, SIDE * SIDE)).astype(np.float32)


def spec(**values):
    return AutoencoderSpec(hidden_units=5, batch_size=16, epochs=4).changed(**values)


def source(path="patches.npy"):
    return Source(path, "data", "NHW", "0..1", ROWS, (1, SIDE, SIDE), "float32", "0" * 64)


def folder(root, settings_=None, *, path=None, run_id="abcdef012345", **more):
    return RunFolder.create(
        root,
        kind="autoencoder",
        run_id=run_id,
        spec=settings_ or spec(),
        preprocess=PreprocessSpec(),
        source=source(**more),
        threads=1,
        path=path,
    )


def events_of(settings_, control=None, learner=None, x=None, **more):
    learner = learner or AutoencoderLearner(rows() if x is None else x, settings_)
    return train(
        learner,
        settings_,
        control or Control(),
        examples=ROWS,
        order=EpochOrder(ROWS, settings_.seed),
        run_id="abcdef012345",
        **more,
    )


def record(root, settings_=None, events=None, **more):
    """Record a training; returns its folder and all its events."""
    settings_ = settings_ or spec()
    run = folder(root, settings_, **more)
    recorder = Recorder(run)
    seen = []
    try:
        for event in events or events_of(settings_):
            seen.append(event)
            recorder.take(event)
    finally:
        recorder.close()
    return run, seen


def slow_clock():
    """Return a clock by which each call of the learner takes so long that it is a single step."""
    ticks = itertools.count()
    return lambda: float(next(ticks))


def curve(events):
    history = History(AutoencoderLearner.term_names)
    for event in events:
        history.take(event)
    return history


# --- recorded and read back


def test_a_run_is_read_back_as_it_was(tmp_path):
    run, events = record(tmp_path)
    back = RunFolder.open(run.path)
    assert back.info == run.info
    assert back.info.spec == spec()
    assert back.info.state == "done"
    assert back.info.source.path == "patches.npy"
    history, note = back.read_history()
    expected = curve(events)
    assert note == ""
    np.testing.assert_array_equal(history.steps, expected.steps)
    np.testing.assert_array_equal(history.terms, expected.terms)
    assert history.epoch_steps == expected.epoch_steps
    step, weights, note = back.read_weights()
    last = [event for event in events if isinstance(event, Snapshot)][-1]
    assert (step, note) == (last.step, "")
    for name, array in last.weights.items():
        np.testing.assert_array_equal(weights[name], array)
    assert back.info.outcome.terms == tuple(events[-1].terms)
    assert back.info.outcome.step == 24
    assert back.info.steps_per_epoch == 6
    assert set(back.info.versions) == {"filterscope", "python", "numpy", "system"}


def test_live_changes_are_read_back_with_their_step(tmp_path):
    settings_, control = spec(), Control()

    def events():
        for number, event in enumerate(events_of(settings_, control)):
            if number == 5:
                control.set_live(settings_.changed(rho=0.2, learning_rate=0.125))
            yield event

    run, seen = record(tmp_path, settings_, events())
    history, _ = run.read_history()
    expected = curve(seen)
    assert len(expected.changes) == 2
    assert history.changes == expected.changes
    np.testing.assert_array_equal(history.terms, expected.terms)


@pytest.mark.parametrize("budget", [0, 5_000, 1 << 20])
def test_keyframes_keep_to_their_budget_and_the_last_is_always_there(tmp_path, budget, monkeypatch):
    monkeypatch.setattr("app.core.runs.recorder.KEYFRAME_SECONDS", 0.0)
    run = folder(tmp_path)
    recorder = Recorder(run, keyframe_budget=budget)
    for event in events_of(spec(), snapshot_seconds=0.0, clock=slow_clock()):
        recorder.take(event)
    recorder.close()
    steps = [step for step, _ in run.keyframes()]
    assert steps[-1] == 24
    size = run.keyframes()[-1][1].stat().st_size
    assert len(steps) <= budget // size + 1
    if budget == 1 << 20:
        # Dense at first, then further and further apart.
        assert steps[:8] == list(range(8))
        assert np.all(np.diff(np.diff(steps)) >= -1)


def test_two_generations_of_checkpoints_are_kept(tmp_path):
    run, events = record(tmp_path, events=events_of(spec(), checkpoint_seconds=0.0))
    told = [event.step for event in events if isinstance(event, Checkpoint)]
    assert len(told) > 4
    kept = sorted(int(path.stem) for path in (run.path / "checkpoints").iterdir())
    assert kept == sorted(set(told))[-2:]


def test_a_run_may_not_take_the_place_of_something_else(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(AlreadyExistsError):
        folder(tmp_path, path=tmp_path / "file")


def test_a_run_in_the_place_of_another_has_nothing_of_it(tmp_path):
    """The longer run before it would else give the shorter one its last weights and its steps."""
    place = tmp_path / "here"
    record(tmp_path, spec(epochs=9, seed=1), path=place)
    (place / "notes.txt").write_text("mine")
    run, events = record(tmp_path, spec(epochs=2), path=place)
    history, note = run.read_history()
    assert note == ""
    np.testing.assert_array_equal(history.terms, curve(events).terms)
    assert run.read_weights()[0] == 12
    assert [int(p.stem) for p in (place / "checkpoints").iterdir()] == [12]
    assert (place / "notes.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_told_before_the_training(tmp_path, monkeypatch):
    class Full(storage.FileSystem):
        def create(self, path):
            raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(storage, "disk", Full())
    with pytest.raises(StorageError, match="is read-only"):
        folder(tmp_path)


def test_what_killed_saves_left_is_swept_by_the_next_run(tmp_path):
    run, _ = record(tmp_path)
    left = [
        run.path / name for name in ("a.part-1-x", "keyframes/b.part-1-x", "checkpoints/c.part-1-x")
    ]
    for path in left:
        path.touch()
        os.utime(path, (0, 0))
    folder(tmp_path, run_id="fedcba")
    assert not any(path.exists() for path in left)


@pytest.mark.parametrize("name", ["Größe 滤波器 😀.npy", "a" * 200 + ".npy", " b .npy"])
def test_paths_in_any_script_are_read_back(tmp_path, name):
    run = folder(tmp_path, path=tmp_path / name, run_id="1")
    assert RunFolder.open(run.path).path == tmp_path / name


@pytest.mark.skipif(sys.platform != "linux", reason="names are text on other systems")
def test_a_path_that_is_no_text_is_written_so_that_it_is_found_again(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9 %41.npy")
    path.touch()
    run = RunFolder.create(
        tmp_path, kind="autoencoder", run_id="1", spec=spec(), preprocess=PreprocessSpec(),
        source=source(str(path)), threads=1,
    )  # fmt: skip
    assert RunFolder.open(run.path).info.source.path == str(path)


# --- how it stands


def test_a_run_is_running_while_its_process_lives_and_crashed_after(tmp_path):
    run = folder(tmp_path)
    assert run.info.state == "running"
    assert run.info.changed(pid_started=1.0).state == "crashed"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        started = psutil.Process(process.pid).create_time()
        other = run.info.changed(pid=process.pid, pid_started=started)
        assert other.state == "running"
        process.communicate(b"\n")
    assert other.state == "crashed"


def test_runs_are_listed_newest_first_and_strangers_left_out(tmp_path):
    runs = []
    for number in range(3):
        run = folder(tmp_path, path=tmp_path / f"run{number}", run_id=str(number))
        run.write_info(run.info.changed(started=f"2026-01-0{number + 1}T00:00:00+00:00"))
        runs.append(run)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "run.json").write_bytes(b"{")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "run.json").symlink_to(runs[0].path / "run.json")
    if hasattr(os, "mkfifo"):
        (tmp_path / "pipe").mkdir()
        os.mkfifo(tmp_path / "pipe" / "run.json")
    assert [run.info.run_id for run in list_runs(tmp_path)] == ["2", "1", "0"]
    assert list_runs(tmp_path / "nowhere") == []


# --- the record of the steps


def test_a_record_that_is_cut_anywhere_gives_what_came_before(tmp_path):
    run, _ = record(tmp_path)
    whole, _ = run.read_history()
    log = run.path / "history.jsonl"
    data = log.read_bytes()
    ends = {0} | {at + 1 for at, byte in enumerate(data) if byte == 0x0A}
    for cut in sorted({*range(0, len(data), max(1, len(data) // 150)), *ends, len(data) - 1}):
        log.write_bytes(data[:cut])
        history, note = run.read_history()
        count = len(history)
        np.testing.assert_array_equal(history.terms, whole.terms[:count])
        # Only a last line without its end is said to be cut; one at an end is whole.
        if cut in ends:
            assert note == ""
        elif cut + 1 in ends:
            # Everything but the line's end is there: the checksum says it is whole.
            assert note == ""
        else:
            assert "cut off" in note
            assert "damage" not in note


def test_damage_is_told_from_a_cut_and_its_line_named(tmp_path):
    run, _ = record(tmp_path)
    log = run.path / "history.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    assert len(lines) > 3
    for number in range(len(lines)):
        hurt = bytearray(b"".join(lines))
        hurt[sum(map(len, lines[:number])) + 12] ^= 1
        log.write_bytes(hurt)
        history, note = run.read_history()
        assert "damaged" in note
        assert str(number + 1) in note
        assert "cut off" not in note
        assert len(history) <= 24


def logged(*records):
    lines = []
    for item in records:
        text = item if isinstance(item, bytes) else json.dumps(item).encode()
        lines.append(b"%08x %s\n" % (zlib.crc32(text), text))
    return b"".join(lines)


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"type": "steps"},
        {"type": "steps", "first": 1, "terms": [[1, 2]]},
        {"type": "steps", "first": 1, "terms": [[1, 2, 3], [1, 2]]},
        {"type": "steps", "first": 1, "terms": [["1", "2", "3"]]},
        {"type": "steps", "first": 1, "terms": [[True, False, True]]},
        {"type": "steps", "first": 1, "terms": [[10**400, 0, 0]]},
        {"type": "steps", "first": 0, "terms": [[1, 2, 3]]},
        {"type": "steps", "first": -5, "terms": [[1, 2, 3]]},
        {"type": "steps", "first": 1.5, "terms": [[1, 2, 3]]},
        {"type": "steps", "first": True, "terms": [[1, 2, 3]]},
        {"type": "steps", "first": 10**30, "terms": [[1, 2, 3]]},
        {"type": "changed", "step": 1, "changes": [["rho", "a", 0.1]]},
        {"type": "changed", "step": 1, "changes": [["rho", 0.1, None]]},
        {"type": "changed", "step": 1, "changes": [["rho", 0.1]]},
        {"type": "changed", "step": -1, "changes": [["rho", 0.1, 0.2]]},
        {"type": "changed", "step": 1, "changes": [["rho", 10**400, 0.2]]},
        {"type": "changed", "step": 1, "changes": 7},
        {"type": "epoch", "step": "x"},
    ],
)
def test_a_record_that_makes_no_sense_is_refused(tmp_path, item):
    run = folder(tmp_path)
    (run.path / "history.jsonl").write_bytes(logged(item))
    with pytest.raises(UsageError, match="makes no sense"):
        run.read_history()


def test_steps_do_not_run_backwards(tmp_path):
    run = folder(tmp_path)
    steps = {"type": "steps", "first": 5, "terms": [[1, 2, 3], [4, 5, 6]]}
    (run.path / "history.jsonl").write_bytes(logged(steps, {**steps, "first": 6}))
    with pytest.raises(UsageError, match="makes no sense"):
        run.read_history()
    # A run that goes on from another begins where that one ended.
    (run.path / "history.jsonl").write_bytes(logged(steps, {**steps, "first": 7}))
    assert run.read_history()[0].steps.tolist() == [5, 6, 7, 8]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run, _ = record(tmp_path_factory.mktemp("finished"))
    return run


def read_or_none(read, *arguments):
    """Return what is read, or None where it is refused in one sentence."""
    try:
        return read(*arguments)
    except UsageError as error:
        said = error.message
    assert said
    assert "\n" not in said
    return None


def read_all(run_path):
    """Read everything; a valid object or one `UsageError`, nothing else."""
    run = read_or_none(RunFolder.open, run_path)
    if run is None:
        return
    assert run.info.state in ("running", "crashed") or run.info.outcome is not None
    read_or_none(run.keyframes)
    history = read_or_none(run.read_history)
    assert history is None or np.all(np.diff(history[0].steps) > 0)
    found = read_or_none(run.read_weights)
    assert found is None or all(np.isfinite(array).all() for array in found[1].values())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
fuzz = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def mutated(data, draw):
    """Return bytes with some changed, cut out or put in."""
    hurt = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(hurt) - 1, 0)))
        kind = draw(st.sampled_from(["set", "cut", "insert"]))
        if kind == "set" and hurt:
            hurt[at] = draw(st.integers(0, 255))
        elif kind == "cut":
            del hurt[at : at + draw(st.integers(1, 40))]
        else:
            hurt[at:at] = draw(st.binary(max_size=12))
    return bytes(hurt)


@fuzz
@given(st.data())
def test_any_bytes_as_run_json_are_a_run_or_refused(finished, tmp_path, data):
    whole = (finished.path / "run.json").read_bytes()
    copy = tmp_path / "run"
    copy.mkdir(exist_ok=True)
    for part in ("keyframes", "history.jsonl"):
        if not (copy / part).exists():
            (copy / part).symlink_to(finished.path / part)
    draw = data.draw
    found = draw(st.one_of(st.binary(max_size=60), st.just(None)))
    (copy / "run.json").write_bytes(mutated(whole, draw) if found is None else found)
    read_all(copy)


@fuzz
@given(st.data())
def test_any_value_in_run_json_is_a_run_or_refused(finished, tmp_path, data):
    copy = tmp_path / "run"
    shutil.copytree(finished.path, copy, dirs_exist_ok=True)
    values = json.loads((finished.path / "run.json").read_bytes())
    at = values
    keys = sorted(at)
    key = data.draw(st.sampled_from(keys))
    while isinstance(at[key], dict) and at[key] and data.draw(st.booleans()):
        at = at[key]
        key = data.draw(st.sampled_from(sorted(at)))
    at[key] = data.draw(JSON | st.integers(-(2**70), 2**70))
    (copy / "run.json").write_text(json.dumps(values))
    read_all(copy)


@fuzz
@given(st.data())
def test_any_bytes_as_history_or_weights_are_read_or_refused(finished, tmp_path, data):
    copy = tmp_path / "run"
    shutil.copytree(finished.path, copy, dirs_exist_ok=True)
    log = copy / "history.jsonl"
    log.write_bytes(mutated((finished.path / "history.jsonl").read_bytes(), data.draw))
    _, frame = RunFolder.open(copy).keyframes()[-1]
    frame.write_bytes(mutated((finished.path / "keyframes" / frame.name).read_bytes(), data.draw))
    read_all(copy)


@fuzz
@given(st.lists(JSON, max_size=4))
def test_any_records_with_good_checksums_are_read_or_refused(finished, tmp_path, items):
    log = tmp_path / "run" / "history.jsonl"
    shutil.copytree(finished.path, log.parent, dirs_exist_ok=True)
    log.write_bytes(logged(*items))
    read_all(log.parent)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not JSON"),
        (b"[]", "run_id"),
        (b'{"version": 2}', "newer version"),
        (b'{"run_id": NaN}', "not a number"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b"[" * 100_000, "not JSON"),
        (b" " * (2 << 20), "larger than it can be"),
    ],
)
def test_what_is_no_run_is_one_sentence(tmp_path, data, said):
    (tmp_path / "run.json").write_bytes(data)
    with pytest.raises(UsageError, match=said) as caught:
        RunFolder.open(tmp_path)
    assert "\n" not in str(caught.value)


def hurt_frame(path, change):
    arrays = {name: array.copy() for name, array in safetensors.numpy.load_file(path).items()}
    change(arrays)
    path.write_bytes(safetensors.numpy.save(arrays))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: a.pop("b1"), "b1 is missing"),
        (lambda a: a.update(W1=a["W1"].T.copy()), "W1 is missing or of another"),
        (lambda a: a.update(W2=a["W2"].astype(np.float64)), "W2 is missing or of another"),
        (lambda a: a["b2"].__setitem__(0, np.nan), "b2 is not finite"),
    ],
)
def test_an_earlier_keyframe_stands_in_for_a_damaged_one(tmp_path, change, said):
    run, _ = record(tmp_path)
    frames = run.keyframes()
    assert len(frames) > 1
    hurt_frame(frames[-1][1], change)
    step, _, note = run.read_weights()
    assert step == frames[-2][0]
    assert said in note
    for _, path in frames:
        path.unlink()
    with pytest.raises(UsageError, match="no weights that can be read"):
        run.read_weights()


# --- going on

GO_ON = """
import json, sys
import numpy as np, safetensors, safetensors.numpy
from tests.core.test_runs import ROWS, curve, events_of, rows
from app.core.learners import AutoencoderLearner
from app.core.specs import AutoencoderSpec
from app.core.training import Progress

with safetensors.safe_open(sys.argv[1], "np") as file:
    said = file.metadata()
    state = {name: file.get_tensor(name) for name in file.keys()}
settings = AutoencoderSpec.build(json.loads(said["spec"]))
learner = AutoencoderLearner(rows(), settings.changed(seed=5))
learner.restore(state)
progress = Progress(int(said["step"]), int(said["epoch"]), int(said["steps_into_epoch"]))
events = list(events_of(settings, learner=learner, resume=progress))
np.savez(sys.argv[2], terms=curve(events).terms, theta=learner.theta)
"""


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_new_process_goes_on_from_a_checkpoint_bit_for_bit(tmp_path, solver, precision):
    """Twenty steps at once, or ten, a checkpoint, and ten in another process."""
    rate = 0.05 if solver in ("sgd", "momentum", "nesterov") else 0.01
    settings_ = spec(solver=solver, precision=precision, learning_rate=rate, batch_size=20)
    settings_ = settings_.changed(epochs=20 if solver == "lbfgs" else 4)
    whole = AutoencoderLearner(rows(), settings_)
    expected = curve(events_of(settings_, learner=whole))
    assert len(expected) == 20
    control = Control()

    events = events_of(settings_, control, clock=slow_clock(), checkpoint_seconds=0.0)
    run = folder(tmp_path, settings_)
    recorder = Recorder(run)
    first = []
    for event in events:
        first.append(event)
        if isinstance(event, Steps) and event.last_step >= 10:
            control.stop()
        recorder.take(event)
    recorder.close()
    newest = sorted((run.path / "checkpoints").iterdir())[-1]
    assert int(newest.stem) == 10
    subprocess.run(
        [sys.executable, "-c", GO_ON, str(newest), str(tmp_path / "rest.npz")],
        check=True,
        cwd=Path(storage.__file__).parents[2],
    )
    with np.load(tmp_path / "rest.npz", allow_pickle=False) as rest:
        np.testing.assert_array_equal(
            np.concatenate([curve(first).terms, rest["terms"]]), expected.terms
        )
        np.testing.assert_array_equal(rest["theta"], whole.theta)


# --- what goes wrong under way


@pytest.mark.parametrize("solver", ["sgd", "momentum", "nesterov"])
def test_a_rate_that_is_too_large_stops_and_keeps_the_last_good_weights(tmp_path, solver):
    settings_ = spec(solver=solver, learning_rate=1e6, lam=1e-3, decoder="linear")
    run, events = record(tmp_path, settings_)
    failed = events[-1]
    assert isinstance(failed, Failed)
    assert failed.kind == "diverged"
    assert f"step {failed.step + 1}" in failed.message
    assert "1e+05" in failed.hint
    # The curve ends with the last finite cost: the step after it is the one that is named.
    history, _ = run.read_history()
    assert np.isfinite(history.terms).all()
    assert history.steps[-1] == failed.step
    step, weights, note = RunFolder.open(run.path).read_weights()
    assert (step, note) == (failed.step, "")
    assert all(np.isfinite(array).all() for array in weights.values())
    assert RunFolder.open(run.path).info.state == "diverged"
    for path in (run.path / "checkpoints").iterdir():
        state = safetensors.numpy.load_file(path)
        assert all(np.isfinite(array).all() for array in state.values())


@pytest.mark.parametrize("solver", SOLVERS)
def test_one_bad_number_stops_at_the_step_that_meets_it(tmp_path, solver):
    settings_ = spec(solver=solver, learning_rate=0.01)
    x = rows()
    x[17, 3] = np.nan
    run, events = record(tmp_path, settings_, events_of(settings_, x=x))
    failed = events[-1]
    assert isinstance(failed, Failed)
    met = (
        0 if solver == "lbfgs" else int(np.flatnonzero(EpochOrder(ROWS, 0).epoch(0) == 17)[0]) // 16
    )
    assert failed.step == met
    assert f"step {met + 1}" in failed.message
    step, weights, _ = run.read_weights()
    assert step == met
    assert all(np.isfinite(array).all() for array in weights.values())


def test_a_stopped_run_says_so_and_keeps_its_last_weights(tmp_path):
    settings_, control = spec(), Control()

    def events():
        for event in events_of(settings_, control):
            if isinstance(event, Steps):
                control.stop()
            yield event

    run, seen = record(tmp_path, settings_, events())
    assert isinstance(seen[-1], Finished)
    back = RunFolder.open(run.path)
    assert back.info.state == "stopped"
    assert back.read_weights()[0] == seen[-1].step < 24


def test_killed_under_way_a_run_counts_as_crashed_and_is_readable(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from tests.core.test_runs import *\n"
        "import app.core.runs.recorder as runs\n"
        "runs.KEYFRAME_SECONDS = runs.HISTORY_SECONDS = 0.0\n"
        "s = spec(epochs=100000); run = folder(Path(sys.argv[1]), s); r = Recorder(run)\n"
        "for e in events_of(s, checkpoint_seconds=0.0, snapshot_seconds=0.0):\n"
        "    r.take(e)\n"
        "    if isinstance(e, Steps) and e.last_step > 40: print('ready', flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=Path(storage.__file__).parents[2],
    )
    with process:
        assert process.stdout.readline() == b"ready\n"
        process.kill()
    (run,) = list_runs(tmp_path)
    assert run.info.state == "crashed"
    history, note = run.read_history()
    assert "damaged" not in note
    assert len(history) > 40
    expected = curve(events_of(spec(epochs=len(history) // 6 + 1)))
    np.testing.assert_array_equal(history.terms, expected.terms[: len(history)])
    run.read_weights()
    newest = sorted((run.path / "checkpoints").glob("*.safetensors"))[-1]
    assert safetensors.numpy.load_file(newest)["theta"].size == 2 * 16 * 5 + 5 + 16
