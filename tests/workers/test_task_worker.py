"""A task gives its result, its reason, or nothing when it was cancelled."""

from __future__ import annotations

import threading

import pytest
from pytestqt.qtbot import QtBot

from app.core.errors import Cancelled, RefusedInputError
from app.workers.task_worker import Task, TaskWorker
from app.workers.thread import Runner


@pytest.fixture
def runner(qapp: object) -> Runner:
    return Runner()


def finish(qtbot: QtBot, runner: Runner, worker: TaskWorker) -> TaskWorker:
    with qtbot.waitSignal(worker.ended, timeout=5000):
        runner.start(worker)
    return worker


def test_it_keeps_the_result(qtbot: QtBot, runner: Runner) -> None:
    def job(task: Task) -> int:
        task.report(0.5, "half")
        return 42

    worker = finish(qtbot, runner, TaskWorker(job))
    assert worker.result == 42
    assert worker.task.progress == (0.5, "half")
    assert (worker.error, worker.cancelled, worker.bug) == (None, False, "")


def test_it_keeps_message_and_hint_of_an_expected_failure(qtbot: QtBot, runner: Runner) -> None:
    def job(task: Task) -> None:
        raise RefusedInputError("It is cut short.", "Copy it again.")

    worker = finish(qtbot, runner, TaskWorker(job))
    assert worker.error == ("It is cut short.", "Copy it again.")
    assert worker.result is None
    assert worker.bug == ""


def test_too_little_memory_is_expected(qtbot: QtBot, runner: Runner) -> None:
    def job(task: Task) -> None:
        raise MemoryError

    worker = finish(qtbot, runner, TaskWorker(job))
    assert worker.error is not None
    assert "memory" in worker.error[0]


def test_a_fault_is_a_bug(qtbot: QtBot, runner: Runner, logs) -> None:
    logs.expect("A worker ended with a bug")

    def job(task: Task) -> None:
        raise KeyError("what")

    worker = finish(qtbot, runner, TaskWorker(job))
    assert "KeyError" in worker.bug
    assert worker.error is None


def test_a_job_that_is_asked_to_gives_up(qtbot: QtBot, runner: Runner) -> None:
    began = threading.Event()

    def job(task: Task) -> None:
        began.set()
        while not task.cancelled():
            pass
        raise Cancelled("Given up.")

    worker = TaskWorker(job)
    with qtbot.waitSignal(worker.ended, timeout=5000):
        runner.start(worker)
        assert began.wait(5)
        worker.request_stop()
    assert worker.cancelled
    assert (worker.result, worker.error, worker.bug) == (None, None, "")
