"""Workers end when asked to, tell of their bugs, and are let go only when their thread is gone."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from PyQt6.QtCore import QThread
from pytestqt.qtbot import QtBot

from app.workers.thread import STACK_BYTES, Runner, Worker


class Waiting(Worker):
    """Works until it is asked to stop."""

    def __init__(self) -> None:
        super().__init__()
        self.began = threading.Event()
        self.thread_of_work: object = None

    def work(self) -> None:
        self.thread_of_work = threading.current_thread()
        self.began.set()
        while not self.isInterruptionRequested():
            QThread.msleep(1)


class Broken(Worker):
    def work(self) -> None:
        raise ValueError("boom")


class Solving(Worker):
    """Needs more stack than some systems give a thread."""

    def work(self) -> None:
        matrix = np.eye(400) + 0.001
        self.ok = bool(
            np.allclose(np.linalg.cholesky(matrix) @ np.linalg.cholesky(matrix).T, matrix)
        )


@pytest.fixture
def runner(qapp: object) -> Runner:
    return Runner()


def test_work_is_done_in_another_thread_and_its_end_is_told_in_this_one(
    qtbot: QtBot, runner: Runner
) -> None:
    worker = Waiting()
    heard = []
    worker.ended.connect(lambda: heard.append(threading.current_thread()))
    with qtbot.waitSignal(worker.ended, timeout=5000):
        runner.start(worker)
        assert worker.began.wait(5)
        assert runner.busy
        worker.request_stop()
    assert worker.thread_of_work is not threading.main_thread()
    assert heard == [threading.main_thread()]
    assert worker.bug == ""
    qtbot.waitUntil(lambda: not runner.busy)


def test_a_bug_is_kept_as_text_and_ends_nothing_else(qtbot: QtBot, runner: Runner, logs) -> None:
    logs.expect("A worker ended with a bug")
    worker = Broken()
    with qtbot.waitSignal(worker.ended, timeout=5000):
        runner.start(worker)
    assert "ValueError: boom" in worker.bug
    assert "in work" in worker.bug


def test_a_worker_without_work_is_a_bug(qtbot: QtBot, runner: Runner, logs) -> None:
    logs.expect("A worker ended with a bug")
    worker = Worker()
    with qtbot.waitSignal(worker.ended, timeout=5000):
        runner.start(worker)
    assert "Worker has no work" in worker.bug


def test_the_stack_is_large_enough_for_lapack(qtbot: QtBot, runner: Runner) -> None:
    worker = Solving()
    assert worker.stackSize() == STACK_BYTES == 16 << 20
    with qtbot.waitSignal(worker.ended, timeout=10_000):
        runner.start(worker)
    assert worker.ok


def test_one_that_ends_beside_another_still_tells_of_its_end(qtbot: QtBot, runner: Runner) -> None:
    class Early(Waiting):
        """Counts as finished before it says so, as every thread does for a moment."""

        def isFinished(self) -> bool:
            return True

    early, other = Early(), Waiting()
    heard = []
    early.ended.connect(lambda: heard.append("early"))
    for worker in (early, other):
        runner.start(worker)
        assert worker.began.wait(5)
    with qtbot.waitSignal(other.destroyed):
        other.request_stop()
    assert heard == []
    early.request_stop()
    qtbot.waitUntil(lambda: not runner.busy)
    assert heard == ["early"]


def test_shutdown_ends_them_all(runner: Runner) -> None:
    workers = [Waiting() for _ in range(5)]
    for worker in workers:
        runner.start(worker)
    assert all(worker.began.wait(5) for worker in workers)
    assert runner.shutdown(30.0)
    assert not runner.busy


def test_shutdown_says_when_one_will_not_end(qtbot: QtBot, runner: Runner) -> None:
    let_go = threading.Event()
    began = threading.Event()

    class Stubborn(Worker):
        def work(self) -> None:
            began.set()
            let_go.wait(10)

    runner.start(Stubborn())
    assert began.wait(5)
    assert not runner.shutdown(0.05)
    assert runner.busy
    let_go.set()
    assert runner.shutdown(30.0)
    assert not runner.busy


def test_shutdown_before_a_worker_has_begun(qapp: object) -> None:
    for _ in range(20):
        runner = Runner()
        runner.start(Waiting())
        assert runner.shutdown(30.0)
        assert not runner.busy


def test_nothing_begins_after_shutdown(qtbot: QtBot, runner: Runner) -> None:
    def begin() -> Waiting:
        worker = Waiting()
        # As a table does that is to be read anew: what was given up is begun again.
        worker.ended.connect(lambda: begun.append(begin()))
        runner.start(worker)
        return worker

    begun = [begin()]
    assert begun[0].began.wait(5)
    with qtbot.waitSignal(begun[0].destroyed):
        assert runner.shutdown(30.0)
    assert len(begun) == 2
    assert not runner.busy
    assert not begun[1].isRunning()
