"""Reading in the background where the newest wish wins; what a lab's data sessions share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from app.workers.task_worker import Task, TaskWorker
from app.workers.thread import Runner

__all__ = ["LoadingSession"]

# How often a waiting window asks a job how far it is.
PROGRESS_MILLISECONDS = 100


class LoadingSession(QObject):
    """Something that is open, read and prepared off the window's thread.

    A newer request replaces one under way; what comes back late is dropped. What is refused
    leaves what was open as it was.

    Signals
    -------
    changed()
        Something else is open, or the same prepared anew.
    working(str)
        What is being done; empty when nothing is.
    progressed(float)
        Share of the work that is done.
    problem(str, str)
        Why something could not be opened or prepared, and what to do.
    fault(str, str)
        The program itself failed: one line, and the report.
    """

    changed = pyqtSignal()
    working = pyqtSignal(str)
    progressed = pyqtSignal(float)
    problem = pyqtSignal(str, str)
    fault = pyqtSignal(str, str)

    def __init__(self, runner: Runner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._worker: TaskWorker[Any] | None = None
        self._next: Any = None
        self._again = False
        # A reading that was refused while a setting was moved: it is told after the preparing.
        self._refused: TaskWorker[Any] | None = None
        self._reads = False
        self._progress = QTimer(self)
        self._progress.setInterval(PROGRESS_MILLISECONDS)
        self._progress.timeout.connect(self._on_progress)

    # --- what a session fills in

    def reading(self, request: Any) -> tuple[str, Callable[[Task], Any]]:
        """Return what reading `request` is called, and the job."""
        raise TypeError(f"{type(self).__name__} reads nothing")

    def preparing(self) -> tuple[str, Callable[[Task], Any]] | None:
        """Return what preparing the open data anew is called, and the job; None with none open."""
        return None

    def keep(self, result: Any) -> tuple[str, str] | None:
        """Take what a job returned; returns a problem that it met, if any."""
        raise TypeError(f"{type(self).__name__} keeps nothing")

    def asked(self, result: Any) -> bool:
        """Return whether a job came back with a question instead, which has been asked now."""
        return False

    # --- what they share

    @property
    def busy(self) -> bool:
        """Whether something is being read or prepared."""
        return self._worker is not None

    def open(self, request: Any) -> None:
        """Read something else in the background."""
        self._next, self._refused = request, None
        if self._worker is not None:
            self._worker.request_stop()
        else:
            self._start()

    def prepare_again(self) -> None:
        """Prepare what is open anew, since settings moved; at once when nothing is under way."""
        self._again = True
        if self._worker is None:
            self._start()

    def cancel(self) -> None:
        """Give up what is under way."""
        self._next, self._again, self._refused = None, False, None
        if self._worker is not None:
            self._worker.request_stop()

    def _start(self) -> None:
        request, self._next = self._next, None
        self._again, self._reads = False, request is not None
        work = self.preparing() if request is None else self.reading(request)
        if work is None:
            return
        text, job = work
        self.working.emit(text)
        self._worker = TaskWorker(job)
        self._worker.ended.connect(self._on_ended)
        self._runner.start(self._worker)
        self._progress.start()

    def _on_progress(self) -> None:
        if self._worker is not None:
            self.progressed.emit(self._worker.task.progress[0])

    def _on_ended(self) -> None:
        worker, self._worker = self._worker, None
        self._progress.stop()
        if worker is None:
            return
        if self._next is not None or self._again:
            if self._next is None:
                self._keep_meanwhile(worker)
            self._start()
            if self._worker is None:
                # Nothing is open that could be prepared anew.
                self.working.emit("")
                self._tell(self._refused)
            return
        self.working.emit("")
        if worker.result is not None and not self.asked(worker.result):
            problem = self.keep(worker.result)
            self.changed.emit()
            if problem is not None:
                self.problem.emit(*problem)
        self._tell(self._refused or worker)

    def _keep_meanwhile(self, worker: TaskWorker[Any]) -> None:
        """Keep the file that was read while a setting was moved, or that it was refused."""
        if worker.result is None:
            self._refused = worker if self._reads else self._refused
        elif not self.asked(worker.result):
            self.keep(worker.result)

    def _tell(self, worker: TaskWorker[Any] | None) -> None:
        """Say why `worker` came back with nothing, if it did."""
        self._refused = None
        if worker is not None and worker.error is not None:
            self.problem.emit(*worker.error)
        elif worker is not None and worker.bug:
            self.fault.emit("opening this did not end as it should", worker.bug)
