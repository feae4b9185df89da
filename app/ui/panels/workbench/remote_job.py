"""A job of `app.core.checks.process`, followed from the window's thread."""

from __future__ import annotations

from collections import deque
from typing import Any

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from app.core.checks.remote import ask
from app.workers.task_worker import Task, TaskWorker
from app.workers.thread import Runner

__all__ = ["RemoteJob"]

TICK_MILLISECONDS = 50


class RemoteJob(QObject):
    """Runs one job at a time and hands on what it says, some times a second.

    Signals
    -------
    said(object)
        A message of the job, as a dictionary.
    progressed(float, str)
        How far it is (0 … 1), and what is being done.
    ended(bool)
        It is over; whether it was given up. Every message came before.
    problem(str, str, str)
        Message, hint and, for a bug, the report.
    """

    said = pyqtSignal(object)
    progressed = pyqtSignal(float, str)
    ended = pyqtSignal(bool)
    problem = pyqtSignal(str, str, str)

    def __init__(self, runner: Runner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._worker: TaskWorker[None] | None = None
        self._inbox: deque[dict[str, Any]] = deque()
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MILLISECONDS)
        self._timer.timeout.connect(self._tick)

    @property
    def running(self) -> bool:
        """Whether a job is being done."""
        return self._worker is not None

    def start(self, name: str, **request: Any) -> None:
        """Begin a job; there must be none."""
        assert not self.running
        inbox = self._inbox = deque()

        def job(task: Task) -> None:
            inbox.extend(ask(name, cancelled=task.cancelled, **request))

        self._worker = TaskWorker(job)
        self._worker.ended.connect(self._on_ended)
        self._runner.start(self._worker)
        self._timer.start()

    def cancel(self) -> None:
        """Give up; what was said stays said."""
        if self._worker is not None:
            self._worker.request_stop()

    def _tick(self) -> None:
        inbox, newest = self._inbox, None
        while inbox:
            message = inbox.popleft()
            if "share" in message:
                newest = message
            else:
                self.said.emit(message)
        if newest is not None:
            self.progressed.emit(newest["share"], newest["text"])

    def _on_ended(self) -> None:
        self._timer.stop()
        self._tick()
        worker, self._worker = self._worker, None
        if worker is None:
            return
        self.ended.emit(worker.cancelled)
        if worker.error is not None:
            self.problem.emit(*worker.error, "")
        elif worker.bug:
            self.problem.emit("The checks ended with a fault in the program.", "", worker.bug)
