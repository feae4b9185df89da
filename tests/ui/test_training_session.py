"""Start, steer, stop, go on and reset: what a person does with a training, without a window."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.core import storage
from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.data.patches import Patches
from app.core.errors import StorageError
from app.core.events import Event, Failed, Finished, Steps
from app.core.history import History
from app.core.learners import AutoencoderLearner
from app.core.recipes import AutoencoderRecipe
from app.core.runs import list_runs
from app.core.runs.room import RESERVE
from app.core.settings import data_folder
from app.core.specs import AutoencoderSpec
from app.core.training import train
from app.ui.training_session import State, TrainingSession
from app.workers.thread import Runner

from .conftest import make_patches

SHORT = AutoencoderSpec(hidden_units=6, batch_size=50, epochs=5)
LONG = SHORT.changed(epochs=1_000_000)


class Unrecorded(AutoencoderRecipe):
    """Trains as ever but keeps no run."""

    def make_recorder(self, *_: object) -> None:  # type: ignore[override]
        return None


@pytest.fixture
def session(runner: Runner) -> Iterator[TrainingSession]:
    session = TrainingSession(runner, Unrecorded())
    yield session
    session.stop()
    assert runner.shutdown(30.0)
    session.deleteLater()


@pytest.fixture
def until(qtbot: QtBot, session: TrainingSession) -> Callable[[State], None]:
    def until(state: State) -> None:
        qtbot.waitUntil(lambda: session.state is state, timeout=10_000)

    return until


def steps_of(session: TrainingSession) -> int:
    return 0 if session.training is None else len(session.training.history)


def expected_curve(patches: Patches, spec: AutoencoderSpec) -> np.ndarray:
    """Return the terms of every step as the trainer gives them to the command line."""
    history = History(AutoencoderLearner.term_names)
    for event in train(
        AutoencoderLearner(patches.x, spec),
        spec,
        Control(),
        examples=len(patches.x),
        order=EpochOrder(len(patches.x), spec.seed),
        run_id="twin",
    ):
        history.take(event)
    return history.terms


def test_it_trains_to_the_end_and_says_so(session, until, patches) -> None:
    states = []
    session.state_changed.connect(lambda: states.append(session.state))
    session.start(patches, SHORT)
    until(State.ENDED)
    assert states == [State.STARTING, State.RUNNING, State.ENDED]
    assert isinstance(session.training.ending, Finished)
    assert session.training.ending.reason == "done"
    assert session.training.snapshot.step == 20
    np.testing.assert_array_equal(session.training.history.steps, np.arange(1, 21))
    assert session.training.epochs()[-1] == 5


def test_the_curve_is_the_one_of_the_trainer(session, until, patches) -> None:
    session.start(patches, SHORT)
    until(State.ENDED)
    np.testing.assert_array_equal(session.training.history.terms, expected_curve(patches, SHORT))


def test_pausing_and_stepping_change_nothing_of_the_curve(qtbot, session, until, patches) -> None:
    session.start(patches, SHORT, single=True)
    until(State.PAUSED)
    for wanted in (2, 3):
        session.single_step()
        qtbot.waitUntil(lambda wanted=wanted: steps_of(session) == wanted)
    session.resume()
    until(State.ENDED)
    np.testing.assert_array_equal(session.training.history.terms, expected_curve(patches, SHORT))


def test_a_single_step_is_one_step(qtbot, session, until, patches) -> None:
    session.start(patches, LONG, single=True)
    until(State.PAUSED)
    assert steps_of(session) == 1
    assert session.training.snapshot.step == 1
    session.single_step()
    qtbot.waitUntil(lambda: steps_of(session) == 2)
    until(State.PAUSED)
    assert session.training.snapshot.step == 2


def test_pause_holds_and_resume_goes_on(qtbot, session, until, patches) -> None:
    session.start(patches, LONG)
    qtbot.waitUntil(lambda: steps_of(session) > 0)
    session.pause()
    until(State.PAUSED)
    done = steps_of(session)
    assert session.training.snapshot.step == done
    session.tick()
    assert steps_of(session) == done
    session.resume()
    until(State.RUNNING)
    qtbot.waitUntil(lambda: steps_of(session) > done)


def test_stop_keeps_the_model_and_train_goes_on_with_it(qtbot, session, until, patches) -> None:
    session.start(patches, LONG)
    qtbot.waitUntil(lambda: steps_of(session) > 10)
    session.stop()
    assert session.state is State.STOPPING
    until(State.ENDED)
    training = session.training
    done = steps_of(session)
    weights = training.snapshot.weights["W1"].copy()
    assert training.ending.reason == "stopped"
    assert session.can_continue(patches, LONG)
    session.start(patches, LONG, single=True)
    until(State.PAUSED)
    assert session.training is training
    assert steps_of(session) == done + 1
    assert not np.array_equal(training.snapshot.weights["W1"], weights)
    np.testing.assert_allclose(training.snapshot.weights["W1"], weights, atol=0.05)


def test_a_training_that_is_done_goes_on_for_as_many_epochs(session, until, patches) -> None:
    session.start(patches, SHORT)
    until(State.ENDED)
    session.start(patches, SHORT)
    until(State.ENDED)
    assert session.training.snapshot.step == 40
    twice = expected_curve(patches, SHORT.changed(epochs=10))
    np.testing.assert_array_equal(session.training.history.terms, twice)


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_units": 7},
        {"seed": 1},
        {"solver": "sgd"},
        {"batch_size": 20},
        {"decoder": "linear"},
    ],
)
def test_other_settings_begin_anew(session, until, patches, change: dict) -> None:
    session.start(patches, SHORT)
    until(State.ENDED)
    first = session.training
    assert not session.can_continue(patches, SHORT.changed(**change))
    session.start(patches, SHORT.changed(**change))
    until(State.ENDED)
    assert session.training is not first
    assert session.training.history.steps[0] == 1


def test_other_data_begins_anew(session, until, patches) -> None:
    session.start(patches, SHORT)
    until(State.ENDED)
    assert not session.can_continue(make_patches(), SHORT)
    assert session.can_continue(patches, SHORT.changed(rho=0.2, learning_rate=0.1))


def test_reset_gives_the_same_first_weights_and_a_new_seed_others(session, until, patches) -> None:
    curves = []
    for seed in (0, 0, 1):
        session.start(patches, SHORT.changed(seed=seed))
        until(State.ENDED)
        curves.append(session.training.history.terms.copy())
        session.discard()
        assert session.state is State.IDLE
        assert session.training is None
    np.testing.assert_array_equal(curves[0], curves[1])
    assert not np.array_equal(curves[0], curves[2])


def test_stop_then_calls_when_the_thread_is_gone(qtbot, session, patches) -> None:
    session.start(patches, LONG)
    qtbot.waitUntil(lambda: steps_of(session) > 0)
    alive = []
    session.stop_then(lambda: alive.append(session.state.alive))
    qtbot.waitUntil(lambda: bool(alive))
    assert alive == [False]


def test_live_values_reach_the_next_step_and_are_kept(qtbot, session, until, patches) -> None:
    session.start(patches, LONG)
    qtbot.waitUntil(lambda: steps_of(session) > 0)
    session.set_live(LONG.changed(rho=0.3, beta=2.0))
    qtbot.waitUntil(lambda: bool(session.training.history.changes))
    session.pause()
    until(State.PAUSED)
    moved = {
        change.name: (change.old, change.new) for _, change in session.training.history.changes
    }
    assert moved == {"rho": (0.05, 0.3), "beta": (0.5, 2.0)}
    assert (session.training.spec.rho, session.training.spec.beta) == (0.3, 2.0)


def test_a_value_moved_while_paused_counts_from_the_next_step(
    qtbot, session, until, patches
) -> None:
    session.start(patches, SHORT, single=True)
    until(State.PAUSED)
    session.set_live(SHORT.changed(beta=0.0))
    session.single_step()
    qtbot.waitUntil(lambda: steps_of(session) == 2)
    sparsity = session.training.history.terms[
        :, session.training.history.term_names.index("sparsity")
    ]
    assert sparsity[0] > 0
    assert sparsity[1] == 0
    assert session.training.history.changes[0][0] == 1


def test_what_cannot_change_while_training_does_not(qtbot, session, until, patches) -> None:
    session.start(patches, SHORT, single=True)
    until(State.PAUSED)
    session.set_live(SHORT.changed(hidden_units=50, rho=0.4))
    session.single_step()
    qtbot.waitUntil(lambda: steps_of(session) == 2)
    assert session.training.spec.hidden_units == 6
    assert session.training.snapshot.weights["W1"].shape == (36, 6)


def test_events_of_another_run_are_dropped(session, until, patches) -> None:
    session.start(patches, SHORT, single=True)
    until(State.PAUSED)
    session._feed.put(Steps("another", 2, np.ones((5, 3)), 50, 0.1))
    session.tick()
    assert steps_of(session) == 1


def test_late_events_do_not_reach_the_next_training(session, until, patches) -> None:
    session.start(patches, SHORT)
    until(State.ENDED)
    old = session._feed
    session.discard()
    session.start(patches, SHORT, single=True)
    until(State.PAUSED)
    old.put(Steps(old.run_id, 2, np.ones((5, 3)), 50, 0.1))
    session.tick()
    assert steps_of(session) == 1


def test_nothing_floods(qtbot, session, until, patches) -> None:
    """However long nobody looks, one picture waits, and every step is in the curve."""
    session.start(patches, SHORT.changed(epochs=400))
    session._timer.stop()
    qtbot.waitUntil(lambda: session._worker is None or session._worker.isFinished(), timeout=20_000)
    until(State.ENDED)
    assert steps_of(session) == 1600
    assert session.training.snapshot.step == 1600
    events, snapshot = session._feed.collect()
    assert events == []
    assert snapshot is None


def test_divergence_keeps_the_last_good_weights(qtbot, session, until, patches) -> None:
    with qtbot.waitSignal(session.failed, timeout=10_000) as failed:
        session.start(patches, LONG.changed(solver="sgd", learning_rate=1e6, decoder="linear"))
    message, hint, report = failed.args
    assert "stopped being a finite number at step" in message
    assert hint
    assert report == ""
    assert session.state is State.ENDED
    assert session.training.ending.kind == "diverged"
    assert all(np.isfinite(array).all() for array in session.training.snapshot.weights.values())
    assert np.isfinite(session.training.history.terms[:-1]).all()


def test_a_training_that_diverged_goes_on_with_a_smaller_rate(
    qtbot, session, until, patches
) -> None:
    wild = LONG.changed(solver="sgd", learning_rate=1e6, decoder="linear")
    with qtbot.waitSignal(session.failed, timeout=10_000):
        session.start(patches, wild)
    tame = wild.changed(learning_rate=1e-6)
    assert session.can_continue(patches, tame)
    session.start(patches, tame, single=True)
    until(State.PAUSED)


def test_a_bug_in_the_network_is_told_with_a_report(qtbot, session, runner, patches, logs) -> None:
    logs.expect("A training ended with a bug")

    class Broken(Unrecorded):
        def make_learner(self, *_: object) -> AutoencoderLearner:
            raise ZeroDivisionError("boom")

    session.recipe = Broken()
    with qtbot.waitSignal(session.failed, timeout=10_000) as failed:
        session.start(patches, SHORT)
    message, _, report = failed.args
    assert "boom" in message
    assert "Traceback" in report
    assert session.state is State.FAILED
    assert not session.can_continue(patches, SHORT)
    session.recipe = Unrecorded()
    with qtbot.waitSignal(session.state_changed):
        session.start(patches, SHORT)
    qtbot.waitUntil(lambda: session.state is State.ENDED)


def test_no_record_does_not_keep_it_from_training(qtbot, session, until, patches) -> None:
    class NoDisk(AutoencoderRecipe):
        def make_recorder(self, *_: object) -> None:  # type: ignore[override]
            raise StorageError("The folder of the runs is read-only.")

    session.recipe = NoDisk()
    with qtbot.waitSignal(session.notice) as notice:
        session.start(patches, SHORT)
    assert notice.args == [
        "The folder of the runs is read-only.",
        "Training goes on without a record.",
    ]
    until(State.ENDED)


def test_a_record_that_fails_on_the_way_is_told_of(qtbot, session, until, patches) -> None:
    class FullDisk:
        def take(self, event: Event) -> None:
            raise StorageError("The disk is full.", "Make room.")

        def close(self) -> None:
            return

    class Recipe(AutoencoderRecipe):
        def make_recorder(self, *_: object) -> FullDisk:
            return FullDisk()

    session.recipe = Recipe()
    with qtbot.waitSignal(session.notice, timeout=10_000) as notice:
        session.start(patches, SHORT)
    assert notice.args == ["This run was not recorded to its end: The disk is full.", "Make room."]
    assert session.state is State.ENDED
    assert not isinstance(session.training.ending, Failed)


def with_room(monkeypatch, free):
    """Let the disk say how much room there is."""

    class Small(storage.FileSystem):
        def free(self, _folder):
            return free[0]

    monkeypatch.setattr(storage, "disk", Small())


def test_too_little_room_for_a_run_is_told_when_it_begins(
    qtbot, session, until, patches, monkeypatch
) -> None:
    session.recipe = AutoencoderRecipe()
    with_room(monkeypatch, [1 << 10])
    with qtbot.waitSignal(session.notice) as notice:
        session.start(patches, SHORT)
    assert "This run needs" in notice.args[0]
    assert notice.args[1].endswith("Training goes on without a record.")
    until(State.ENDED)
    assert list_runs(data_folder()) == []
    with_room(monkeypatch, [RESERVE + (1 << 24)])
    with qtbot.waitSignal(session.notice) as notice:
        session.start(patches, SHORT.changed(seed=1))
    assert "no more keyframes are kept" in notice.args[0]
    until(State.ENDED)
    assert len(list_runs(data_folder())) == 1


def test_a_disk_that_fills_up_is_told_once_and_nothing_is_missing(
    qtbot, session, until, patches, monkeypatch
) -> None:
    for name in ("HISTORY_SECONDS", "RETRY_SECONDS", "ROOM_SECONDS"):
        monkeypatch.setattr(f"app.core.runs.recorder.{name}", 0.0)
    free = [1 << 40]
    with_room(monkeypatch, free)
    session.recipe = AutoencoderRecipe()
    said = []
    session.notice.connect(lambda message, _hint: said.append(message))
    session.start(patches, LONG)
    qtbot.waitUntil(lambda: len(session.training.history) > 20)
    free[0] = 0
    qtbot.waitUntil(lambda: len(said) == 1)
    free[0] = 1 << 40
    qtbot.waitUntil(lambda: len(said) == 2)
    session.stop()
    until(State.ENDED)
    assert "the record of this run waits" in said[0]
    assert "There is room on the disk again" in said[1]
    (run,) = list_runs(data_folder())
    np.testing.assert_array_equal(run.read_history()[0].terms, session.training.history.terms)


def test_a_run_is_kept_in_a_folder(session, until, patches) -> None:
    session.recipe = AutoencoderRecipe()
    session.start(patches, SHORT)
    until(State.ENDED)
    (run,) = list_runs(data_folder())
    history, trouble = run.read_history()
    assert trouble == ""
    np.testing.assert_array_equal(history.terms, session.training.history.terms)


def test_time_left_and_speed(qtbot, session, patches) -> None:
    assert session.seconds_left() is None
    session.start(patches, LONG)
    qtbot.waitUntil(lambda: session.speed > 0)
    assert session.seconds_left() > 0


def test_start_while_it_trains_does_nothing(qtbot, session, until, patches) -> None:
    session.start(patches, LONG)
    until(State.RUNNING)
    training = session.training
    session.start(patches, SHORT)
    assert session.training is training
