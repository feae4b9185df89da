"""A thread for one job, and the one place that knows which threads are alive."""

from __future__ import annotations

import logging
import time
import traceback

from PyQt6.QtCore import QObject, QThread, pyqtSignal

__all__ = ["Runner", "Worker"]

log = logging.getLogger(__name__)

# macOS gives a secondary thread half a megabyte, too little for LAPACK.
STACK_BYTES = 16 << 20


class Worker(QThread):
    """Runs `work` once in a thread of its own; subclasses say what the work is.

    `ended` is emitted in the window's thread after the last line of `work`, whatever
    happened; results are attributes by then. Exceptions never travel through signals:
    `bug` holds the text of one that `work` did not handle. `told` is true once `ended` was emitted.
    """

    ended = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.setStackSize(STACK_BYTES)
        self.bug = ""
        self.told = False
        self.finished.connect(self._tell)

    def _tell(self) -> None:
        self.told = True
        self.ended.emit()

    def run(self) -> None:
        """Qt calls this in the new thread."""
        try:
            self.work()
        except Exception:
            self.bug = traceback.format_exc()
            log.exception("A worker ended with a bug")

    def work(self) -> None:
        """Do the job; subclasses fill this in."""
        raise TypeError(f"{type(self).__name__} has no work")

    def request_stop(self) -> None:
        """Ask the job to end soon; it may be called at any time from any thread."""
        self.requestInterruption()


class Runner(QObject):
    """Starts workers, keeps them alive until their thread has ended, and ends them all at close."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workers: set[Worker] = set()
        self._closing = False

    @property
    def busy(self) -> bool:
        """Whether any worker is alive."""
        return bool(self._workers)

    def start(self, worker: Worker) -> None:
        """Start `worker`; the runner holds it until its thread has ended.

        After `shutdown` nothing is started any more: whoever hears that its job was given up may
        want to begin the next, and the program would end while a thread is at work.
        """
        if self._closing:
            return
        self._workers.add(worker)
        worker.ended.connect(self._forget)
        worker.start()

    def _forget(self) -> None:
        # A thread counts as finished a moment before its signal is sent. A worker that is let go in
        # that moment, since another ended just then, would never say that it ended.
        self._let_go([worker for worker in self._workers if worker.told])

    def _let_go(self, workers: list[Worker]) -> None:
        for worker in workers:
            self._workers.discard(worker)
            worker.deleteLater()

    def shutdown(self, seconds: float = 3.0) -> bool:
        """Ask every worker to stop and wait for their threads; none is started from now on.

        Returns
        -------
        bool
            Whether all ended in time. A thread is never terminated by force.
        """
        self._closing = True
        workers = list(self._workers)
        for worker in workers:
            worker.request_stop()
        deadline = time.monotonic() + seconds
        ended = True
        for worker in workers:
            left = max(0.0, deadline - time.monotonic())
            ended = worker.wait(int(left * 1000)) and ended
        self._let_go([worker for worker in workers if worker.isFinished()])
        return ended
