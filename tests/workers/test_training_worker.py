"""The training thread forwards what the trainer says, whatever the recorder does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.errors import StorageError, UsageError
from app.core.events import Event, Failed, Finished, Paused, Started, Steps
from app.core.feed import Feed
from app.core.learners import AutoencoderLearner
from app.core.specs import AutoencoderSpec
from app.core.training import train
from app.workers.thread import Runner
from app.workers.training_worker import EventSink, TrainingWorker

ROWS = np.random.default_rng(0).uniform(0.1, 0.9, (200, 16)).astype(np.float32)
SPEC = AutoencoderSpec(hidden_units=5, batch_size=32, epochs=3)


class Notes:
    """A recorder that fails when it is told to."""

    def __init__(self, fails_at: int = -1, fails_at_close: bool = False) -> None:
        self.events: list[Event] = []
        self.closed = 0
        self.fails_at, self.fails_at_close = fails_at, fails_at_close

    def take(self, event: Event) -> None:
        self.events.append(event)
        if len(self.events) == self.fails_at:
            raise StorageError("The disk is full.", "Make room.")

    def close(self) -> None:
        self.closed += 1
        if self.fails_at_close:
            raise StorageError("The disk went away.")


def events(control: Control, spec: AutoencoderSpec = SPEC) -> Iterator[Event]:
    yield from train(
        AutoencoderLearner(ROWS, spec),
        spec,
        control,
        examples=len(ROWS),
        order=EpochOrder(len(ROWS), 0),
        run_id="run",
    )


@pytest.fixture
def run(qtbot: QtBot) -> Callable[..., tuple[TrainingWorker, list[Event]]]:
    runner = Runner()

    def run(
        begin: Callable[[Control], Iterable[Event]] = events, recorder: EventSink | None = None
    ) -> tuple[TrainingWorker, list[Event]]:
        control, feed = Control(), Feed("run")
        worker = TrainingWorker(lambda: begin(control), control, feed, recorder)
        with qtbot.waitSignal(worker.ended, timeout=10_000):
            runner.start(worker)
        return worker, feed.collect()[0]

    return run


def of(kind: type, found: list[Event]) -> list[Event]:
    return [event for event in found if isinstance(event, kind)]


def test_the_feed_hears_all_and_the_recorder_too(run) -> None:
    notes = Notes()
    worker, heard = run(recorder=notes)
    assert isinstance(heard[0], Started)
    assert isinstance(heard[-1], Finished)
    assert sum(len(event.terms) for event in of(Steps, heard)) == 3 * 7
    recorded = [e for e in notes.events if isinstance(e, Started | Steps | Finished)]
    assert recorded == [e for e in heard if isinstance(e, Started | Steps | Finished)]
    assert notes.closed == 1
    assert worker.recording_error is None


@pytest.mark.parametrize("at", [1, 2, 5])
def test_training_goes_on_when_the_recorder_fails(run, at: int) -> None:
    notes = Notes(fails_at=at)
    worker, heard = run(recorder=notes)
    assert isinstance(heard[-1], Finished)
    assert worker.recording_error == ("The disk is full.", "Make room.")
    assert len(notes.events) == at
    assert notes.closed == 1


def test_a_recorder_that_cannot_be_closed_is_told_of(run) -> None:
    worker, heard = run(recorder=Notes(fails_at_close=True))
    assert isinstance(heard[-1], Finished)
    assert worker.recording_error == ("The disk went away.", "")


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (UsageError("Not this.", "But that."), "expected", "Not this."),
        (MemoryError(), "expected", "There is not enough memory to begin."),
    ],
)
def test_a_beginning_that_fails_is_told(run, error: Exception, kind: str, message: str) -> None:
    def begin(control: Control) -> Iterable[Event]:
        raise error

    notes = Notes()
    worker, heard = run(begin, notes)
    assert [(e.kind, e.message) for e in of(Failed, heard)] == [(kind, message)]
    assert worker.bug == ""
    assert of(Failed, notes.events) == of(Failed, heard)
    assert notes.closed == 1


def test_a_beginning_with_a_bug_is_told_with_its_report(run, logs) -> None:
    logs.expect("A training ended with a bug")

    def begin(control: Control) -> Iterable[Event]:
        raise KeyError("W3")

    worker, heard = run(begin)
    (failed,) = of(Failed, heard)
    assert failed.kind == "bug"
    assert "Traceback" in failed.traceback_text
    assert "W3" in failed.traceback_text
    assert worker.bug == ""


def test_stopping_the_worker_stops_the_training(qtbot: QtBot) -> None:
    control, feed, runner = Control(), Feed("run"), Runner()
    endless = SPEC.changed(epochs=1_000_000)
    worker = TrainingWorker(lambda: events(control, endless), control, feed)
    runner.start(worker)
    seen: list[Event] = []

    def has_stepped() -> bool:
        seen.extend(feed.collect()[0])
        return bool(of(Steps, seen))

    qtbot.waitUntil(has_stepped)
    # It would train for an hour. How long it takes is measured by ``tools/bench_window.py``.
    assert runner.shutdown(30.0), "a training did not stop"
    seen.extend(feed.collect()[0])
    assert isinstance(seen[-1], Finished)
    assert seen[-1].reason == "stopped"


def test_a_paused_training_stops_too(qtbot: QtBot) -> None:
    control, feed, runner = Control(), Feed("run"), Runner()
    control.pause()
    worker = TrainingWorker(lambda: events(control), control, feed)
    runner.start(worker)
    seen: list[Event] = []

    def waits() -> bool:
        seen.extend(feed.collect()[0])
        return bool(of(Paused, seen))

    qtbot.waitUntil(waits)
    assert runner.shutdown(30.0)
    assert feed.collect()[0][-1].reason == "stopped"
