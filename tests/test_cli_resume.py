"""``filterscope runs resume``: killed or stopped at any moment, a run ends with the same bits."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from app.cli import main
from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.data.preprocess import preprocess
from app.core.data.reader import open_patches
from app.core.events import ParamsChanged, Steps
from app.core.learners import AutoencoderLearner
from app.core.resume import can_go_on
from app.core.runs import Recorder, RunFolder
from app.core.runs.checkpoint import checkpoint_files, read_checkpoint
from app.core.specs import AutoencoderSpec, PreprocessSpec
from app.core.training import train
from tests.core.learners_of_images import images as labelled
from tests.core.trained import images, write

ROOT = Path(__file__).resolve().parents[1]

# The command line as it is, but for a checkpoint, a keyframe and a line of history at every call.
OFTEN = """
import os, sys, threading
import app.core.runs.recorder as recorder
import app.core.training as training
from app.cli import main
from app.core.events import Steps
from app.core.training import train
recorder.KEYFRAME_SECONDS = recorder.HISTORY_SECONDS = 0.0
train.__kwdefaults__.update(checkpoint_seconds=0.0, snapshot_seconds=0.0)
at, how, delay = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
write, timers = recorder.Recorder._checkpoint, []
def checkpoint(self, event):
    write(self, event)
    if event.step >= at and not timers:
        timers.append(threading.Timer(delay, os.kill, (os.getpid(), how)))
        timers[0].start()
recorder.Recorder._checkpoint = checkpoint
if sys.argv[4]:
    # A person moves a slider after this step; each call is a single step.
    moment, name, value = sys.argv[4].split()
    training.CALL_SECONDS = 0.0
    def steered(learner, spec, control, **more):
        for event in train(learner, spec, control, **more):
            if isinstance(event, Steps) and event.last_step == int(moment):
                control.set_live(spec.changed(**{name: float(value)}))
            yield event
    training.train = steered
sys.exit(main(sys.argv[5:]))
"""

AUTOENCODER = ["autoencoder", "{patches}", "--set", "hidden_units=8", "--set", "batch_size=16"]
KINDS = {
    "sgd": [*AUTOENCODER, "--set", "solver=sgd", "--set", "learning_rate=0.05", "--epochs", "120"],
    "adam": [*AUTOENCODER, "--set", "solver=adam", "--epochs", "120"],
    "momentum": [*AUTOENCODER, "--set", "solver=momentum", "--epochs", "120"],
    "nesterov": [*AUTOENCODER, "--set", "solver=nesterov", "--epochs", "120"],
    "lbfgs": [*AUTOENCODER, "--set", "solver=lbfgs", "--epochs", "150"],
    "cnn": [
        *(
            "cnn",
            "{labelled}",
            "--set",
            "layers=conv 4 3x3, batchnorm, relu, pool 2, affine 8, relu",
        ),
        *("--set", "batch_size=16", "--set", "train_count=80", "--set", "validation_count=20"),
        *("--set", "normalisation=per_channel", "--set", "dropout=0.3", "--set", "flip=yes"),
        *("--set", "crop=2", "--set", "evaluate_every=3", "--epochs", "25"),
    ],
}
# Of another solver, along a schedule that knows the length of the whole training.
KINDS["one_cycle"] = [
    *KINDS["cnn"],
    *("--set", "solver=nesterov", "--set", "schedule=one_cycle", "--set", "learning_rate=0.05"),
]
# After this step, this value is moved to that one.
MOVED = {"adam": "30 rho 0.2", "momentum": "50 learning_rate 0.01", "cnn": "20 dropout 0.5"}


@pytest.fixture
def said(capsys):
    """Run a command; returns its exit code, standard output and standard error."""

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return run


@pytest.fixture
def files(tmp_path):
    drawn = labelled()
    np.savez(tmp_path / "labelled.npz", images=drawn.x, labels=drawn.y)
    write(tmp_path / "patches.npy", images(90))
    return {"labelled": tmp_path / "labelled.npz", "patches": tmp_path / "patches.npy"}


def arguments(kind, files, out):
    return ["train", *(part.format(**files) for part in KINDS[kind]), "--out", str(out)]


def interrupted(command, at, how, moved=""):
    """Train in a process of its own, and end it soon after the checkpoint of step `at`."""
    delay = str(random.Random(at).uniform(0, 0.02))
    done = subprocess.run(
        [sys.executable, "-c", OFTEN, str(at), str(int(how)), delay, moved, *command],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    return done.returncode


def same(first: Path, second: Path) -> None:
    """Hold two runs against each other: weights, solver, curve, evaluations."""
    a, b = RunFolder.open(first), RunFolder.open(second)
    assert a.info.outcome.reason == b.info.outcome.reason
    assert (a.info.outcome.step, a.info.outcome.terms) == (
        b.info.outcome.step,
        b.info.outcome.terms,
    )
    assert a.info.outcome.accuracy == b.info.outcome.accuracy
    assert a.info.outcome.least_cost == pytest.approx(b.info.outcome.least_cost, rel=1e-12)
    assert a.info.best == b.info.best
    one, other = (read_checkpoint(checkpoint_files(path)[0]) for path in (first, second))
    assert (one.step, one.epoch, one.steps_into_epoch) == (
        other.step, other.epoch, other.steps_into_epoch,
    )  # fmt: skip
    assert one.state.keys() == other.state.keys()
    for name, array in one.state.items():
        np.testing.assert_array_equal(array, other.state[name], err_msg=name)
    (x, note_a), (y, note_b) = a.read_history(), b.read_history()
    assert (note_a, note_b) == ("", "")
    np.testing.assert_array_equal(x.steps, y.steps)
    np.testing.assert_array_equal(x.terms, y.terms)
    np.testing.assert_array_equal(x.accuracies, y.accuracies)
    assert x.epoch_steps == y.epoch_steps
    assert [(e.step, e.train_accuracy, e.validation_accuracy, e.best) for e in x.evaluations] == [
        (e.step, e.train_accuracy, e.validation_accuracy, e.best) for e in y.evaluations
    ]
    for (step, weights), (again, others) in [(a.read_weights()[:2], b.read_weights()[:2])]:
        assert step == again
        for name, array in weights.items():
            np.testing.assert_array_equal(array, others[name], err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_random_moments_and_resumed_it_ends_with_the_same_bits(
    said, files, tmp_path, kind
):
    assert said(*arguments(kind, files, tmp_path / "whole"))[0] == 0
    steps = RunFolder.open(tmp_path / "whole").info.outcome.step
    rng = random.Random(kind)
    broken = tmp_path / "broken"
    command = arguments(kind, files, broken)
    for at in sorted(rng.randrange(1, steps // 2) for _ in range(2)):
        assert interrupted(command, at, signal.SIGKILL) == -signal.SIGKILL
        assert RunFolder.open(broken).info.state == "crashed"
        command = ["runs", "resume", str(broken)]
    code, out, err = said(*command, "--json")
    assert code == 0, err
    assert "Going on after step" in err
    assert json.loads(out)["run"] == str(broken)
    same(tmp_path / "whole", broken)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MOVED)
def test_killed_after_a_value_was_moved_it_ends_with_the_same_bits(said, files, tmp_path, kind):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    never = 10**9
    command = arguments(kind, files, whole)
    assert interrupted(command, never, signal.SIGKILL, MOVED[kind]) == 0
    moment, name, value = MOVED[kind].split()
    # Soon after it was moved, so that the checkpoint may be of the very step.
    command = arguments(kind, files, broken)
    assert interrupted(command, int(moment) + 1, signal.SIGKILL, MOVED[kind]) == -signal.SIGKILL
    assert said("runs", "resume", broken)[0] == 0
    same(whole, broken)
    ((step, change),) = RunFolder.open(broken).read_history()[0].changes
    assert (step, change.name, change.new) == (int(moment), name, float(value))
    assert RunFolder.open(whole).read_history()[0].changes == [(step, change)]


def test_killed_before_its_first_checkpoint_it_begins_anew(said, files, tmp_path):
    """Nothing was computed: the first weights are those of the seed."""
    whole = finish(tmp_path / "whole", files["patches"])
    run = finish(tmp_path / "broken", files["patches"])
    run.write_info(run.info.changed(outcome=None, ended=None, pid_started=1.0, began=6))
    for path in [*checkpoint_files(run.path), *(path for step, path in run.keyframes() if step)]:
        path.unlink()
    (run.path / "history.jsonl").unlink()
    # Weights that were trained before are not those of the seed.
    assert not can_go_on(run)
    code, _, err = said("runs", "resume", run.path)
    assert code == 2
    assert "no checkpoint" in err
    run.write_info(run.info.changed(began=0))
    assert can_go_on(run)
    code, _, err = said("runs", "resume", run.path)
    assert code == 0, err
    assert "missing" not in err
    same(whole.path, run.path)


def test_stopped_before_its_first_step_it_begins_anew(said, files, tmp_path):
    whole = finish(tmp_path / "whole", files["patches"])
    run = finish(tmp_path / "broken", files["patches"])
    for path in [*checkpoint_files(run.path), *(path for step, path in run.keyframes() if step)]:
        path.unlink()
    (run.path / "history.jsonl").unlink()
    stopped = run.info.outcome.changed(reason="stopped", epoch=0.0, seconds=0.0)
    # After a step its weights are not those of the seed.
    run.write_info(run.info.changed(outcome=stopped.changed(step=1)))
    assert not can_go_on(run)
    run.write_info(run.info.changed(outcome=stopped.changed(step=0)))
    assert can_go_on(run)
    code, _, err = said("runs", "resume", run.path)
    assert code == 0, err
    same(whole.path, run.path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["adam", "cnn"])
def test_stopped_by_ctrl_c_and_resumed_it_ends_with_the_same_bits(said, files, tmp_path, kind):
    assert said(*arguments(kind, files, tmp_path / "whole"))[0] == 0
    broken = tmp_path / "broken"
    assert interrupted(arguments(kind, files, broken), 20, signal.SIGINT) == 130
    assert RunFolder.open(broken).info.state == "stopped"
    assert said("runs", "resume", broken)[0] == 0
    same(tmp_path / "whole", broken)


def test_a_run_that_is_done_goes_on_for_more_epochs(said, files, tmp_path):
    few = [a if a != "120" else "4" for a in arguments("adam", files, tmp_path / "few")]
    more = [a if a != "120" else "9" for a in arguments("adam", files, tmp_path / "more")]
    assert said(*few)[0] == said(*more)[0] == 0
    run = tmp_path / "few"
    code, _, err = said("runs", "resume", run)
    assert code == 2
    assert "All 4 epochs" in err
    assert "--epochs" in err
    assert said("runs", "resume", run, "--epochs", "9")[0] == 0
    assert RunFolder.open(run).info.spec.epochs == 9
    same(tmp_path / "more", run)


# --- runs that were left in the middle, made here


SPEC = AutoencoderSpec(hidden_units=5, batch_size=16, epochs=6, seed=3)


def left_behind(path, file, *, until, spec=SPEC, live_after=None):
    """Train on `file` and walk away after step `until`, as a killed process does."""
    patches = preprocess(open_patches(file), PreprocessSpec())
    run = RunFolder.create(
        path.parent, kind="autoencoder", run_id="1" * 32, spec=spec,
        preprocess=patches.fitted.spec, source=patches.source, threads=1, path=path,
    )  # fmt: skip
    recorder, control = Recorder(run), Control()
    learner = AutoencoderLearner(patches.x, spec, threads=1)
    order = EpochOrder(len(patches.x), spec.seed)
    for event in train(
        learner, spec, control, examples=len(patches.x), order=order,
        run_id=run.info.run_id, checkpoint_seconds=0.0,
    ):  # fmt: skip
        recorder.take(event)
        if isinstance(event, Steps) and live_after is not None and event.last_step >= live_after:
            control.set_live(spec.changed(rho=0.2))
        if isinstance(event, ParamsChanged) and until is None:
            break
        if isinstance(event, Steps) and until is not None and event.last_step >= until:
            break
    recorder.close()
    run = RunFolder.open(path)
    if run.info.outcome is None:
        run.write_info(run.info.changed(pid_started=1.0))
    return RunFolder.open(path)


def finish(path, file, spec=SPEC, **more):
    return left_behind(path, file, until=10**9, spec=spec, **more)


def test_an_earlier_generation_stands_in_for_a_damaged_one(said, files, tmp_path):
    whole = finish(tmp_path / "whole", files["patches"])
    run = left_behind(tmp_path / "broken", files["patches"], until=20)
    newest, before = checkpoint_files(run.path)
    data = bytearray(newest.read_bytes())
    data[-5] ^= 1
    newest.write_bytes(data)
    code, _, err = said("runs", "resume", run.path)
    assert code == 0
    assert f"Checkpoint {int(newest.stem)} cannot be used" in err
    assert f"The one of step {int(before.stem)} is used" in err
    same(whole.path, run.path)


def test_a_value_that_moved_after_the_last_checkpoint_stays_moved(said, files, tmp_path):
    """It is in the history, and the person saw it: the continuation uses it."""
    run = left_behind(tmp_path / "broken", files["patches"], until=None, live_after=9)
    history, _ = run.read_history()
    ((step, change),) = history.changes
    assert (change.name, change.new) == ("rho", 0.2)
    assert read_checkpoint(checkpoint_files(run.path)[0]).step == step
    assert said("runs", "resume", run.path)[0] == 0
    again, _ = RunFolder.open(run.path).read_history()
    assert again.changes == history.changes
    assert read_checkpoint(checkpoint_files(run.path)[0]).values["rho"] == 0.2
    # What the run is said to have been begun with has not moved.
    assert RunFolder.open(run.path).info.spec.rho == SPEC.rho


def test_one_that_was_killed_before_it_could_end_is_ended(said, files, tmp_path):
    whole = finish(tmp_path / "whole", files["patches"])
    run = finish(tmp_path / "broken", files["patches"])
    run.write_info(run.info.changed(outcome=None, ended=None, pid_started=1.0))
    assert said("runs", "resume", run.path)[0] == 0
    same(whole.path, run.path)


def test_the_continuation_is_noted_and_time_adds_up(said, files, tmp_path):
    run = left_behind(tmp_path / "broken", files["patches"], until=20)
    before = read_checkpoint(checkpoint_files(run.path)[0])
    assert said("runs", "resume", run.path)[0] == 0
    log = (run.path / "history.jsonl").read_text()
    assert f'"type":"resumed","step":{before.step}' in log
    info = RunFolder.open(run.path).info
    assert info.pid == os.getpid()
    assert info.outcome.seconds > before.seconds > 0


def test_a_run_that_is_still_trained_is_left_alone(said, files, tmp_path):
    run = left_behind(tmp_path / "run", files["patches"], until=20)
    run.write_info(run.info.changed(pid_started=psutil.Process().create_time()))
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    code, out, err = said("runs", "resume", run.path)
    assert (code, out) == (2, "")
    assert "is being trained right now" in err
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def test_other_data_is_refused_and_nothing_is_touched(said, files, tmp_path):
    run = left_behind(tmp_path / "run", files["patches"], until=20)
    write(files["patches"], images(90, seed=4))
    code, _, err = said("runs", "resume", run.path)
    assert code == 2
    assert "is not what it was when the run was made" in err
    assert RunFolder.open(run.path).info.state == "crashed"
    files["patches"].unlink()
    code, _, err = said("runs", "resume", run.path)
    assert code == 2
    assert "patches.npy" in err


@pytest.mark.parametrize(
    "harm",
    [
        lambda data: b"",
        lambda data: data[:40],
        lambda data: data.replace(b'"step":"', b'"step":"x'),
        lambda data: data.replace(b'"sha256":"', b'"sha256":"0'),
        lambda data: data.replace(b"hidden_units", b"hidden_unitz"),
        lambda data: os.urandom(200),
    ],
)
def test_checkpoints_that_are_all_damaged_are_one_sentence(said, files, tmp_path, harm):
    run = left_behind(tmp_path / "run", files["patches"], until=20)
    for path in checkpoint_files(run.path):
        path.write_bytes(harm(path.read_bytes()))
    code, out, err = said("runs", "resume", run.path)
    assert (code, out) == (2, "")
    assert "no checkpoint" in err


def test_a_diverged_run_is_not_led_there_again(said, files, tmp_path):
    spec = SPEC.changed(solver="sgd", decoder="linear", learning_rate=1e6)
    run = left_behind(tmp_path / "run", files["patches"], until=10**9, spec=spec)
    code, _, err = said("runs", "resume", run.path)
    assert code == 2
    assert "diverged" in err


def test_a_name_is_enough_for_a_run_that_is_kept(said, files, tmp_path, monkeypatch):
    monkeypatch.setenv("FILTERSCOPE_RUNS", str(tmp_path / "kept"))
    left_behind(tmp_path / "kept" / "mine", files["patches"], until=20)
    assert said("runs", "resume", "mine")[0] == 0
    assert RunFolder.open(tmp_path / "kept" / "mine").info.state == "done"


@pytest.mark.parametrize("kind", ["adam", "cnn"])
def test_data_that_moved_is_told_once_and_checked(said, files, tmp_path, kind):
    run = tmp_path / "run"
    few = ["2" if one in ("120", "25") else one for one in arguments(kind, files, run)]
    assert said(*few)[0] == 0
    was = files["patches" if kind == "adam" else "labelled"]
    moved = was.with_name(f"moved{was.suffix}")
    was.rename(moved)
    code, _, err = said("runs", "resume", run, "--epochs", "3")
    assert code == 2
    assert f"The data of run, {was.name}, is not in its place." in err
    assert "filterscope runs data run PATH" in err
    # Another file of the same kind.
    other = tmp_path / f"other{was.suffix}"
    if kind == "adam":
        write(other, images(90, seed=1))
    else:
        drawn = labelled()
        np.savez(other, images=255 - drawn.x, labels=drawn.y)
    before = (run / "run.json").read_bytes()
    for place in (other, tmp_path / "nowhere.npy"):
        code, _, err = said("runs", "data", run, place)
        assert code == 2
        assert len(err.strip().splitlines()) <= 2
        assert (run / "run.json").read_bytes() == before
    code, out, _ = said("runs", "data", run, moved)
    assert (code, out.strip()) == (0, str(moved))
    assert said("runs", "resume", run, "--epochs", "3")[0] == 0
    assert RunFolder.open(run).info.outcome.epoch == 3


def test_drawn_images_have_no_place(said, tmp_path):
    run = tmp_path / "run"
    few = ["--set", "layers=affine 4, relu", "--set", "train_count=60", "--epochs", "1"]
    assert said("train", "cnn", *few, "--out", run)[0] == 0
    code, _, err = said("runs", "data", run, tmp_path)
    assert code == 2
    assert "drawn by the program" in err
