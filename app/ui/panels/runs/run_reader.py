"""What is in the table of runs, read beside the window; runs that train are read again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from app.core.run_table import RunRow, read_rows, read_rows_again
from app.workers.task_worker import Task, TaskWorker
from app.workers.thread import Runner

__all__ = ["RunReader"]

# So often it is seen how far a run that trains is.
FOLLOW_MILLISECONDS = 2000


class RunReader(QObject):
    """Reads rows of the table, one job at a time.

    Signals
    -------
    listed(object)
        All runs of a folder: list of RunRow.
    followed(object)
        How far those are that train: list of RunRow.
    problem(str, str, str)
        Message, hint and, for a bug, the report.
    """

    listed = pyqtSignal(object)
    followed = pyqtSignal(object)
    problem = pyqtSignal(str, str, str)

    def __init__(self, runner: Runner, parent: QObject) -> None:
        super().__init__(parent)
        self._runner = runner
        self._listing: TaskWorker[list[RunRow]] | None = None
        self._following: TaskWorker[list[RunRow]] | None = None
        # What is to be listed when the listing that is under way has ended.
        self._next: Path | None = None
        self._growing: list[RunRow] = []
        self.clock = QTimer(self)
        self.clock.setSingleShot(True)
        self.clock.setInterval(FOLLOW_MILLISECONDS)
        self.clock.timeout.connect(self._follow)

    def list_runs(self, root: Path) -> None:
        """Read all runs in `root`; while others are read, when that is done."""
        if self._listing is not None:
            self._next = root
            return

        def job(task: Task) -> list[RunRow]:
            return read_rows(root, cancel=task.cancelled)

        self._listing = TaskWorker(job)
        self._listing.ended.connect(self._on_listed)
        self._runner.start(self._listing)

    def follow(self, rows: Sequence[RunRow]) -> None:
        """Look again in a while at those of `rows` that train."""
        self._growing = [row for row in rows if row.state == "running"]
        if self._growing:
            self.clock.start()

    def rest(self) -> None:
        """Follow nothing."""
        self.clock.stop()

    def cancel(self) -> None:
        """Give up what is under way."""
        self._next = None
        self.clock.stop()
        if self._listing is not None:
            self._listing.request_stop()

    def _on_listed(self) -> None:
        worker, self._listing = self._listing, None
        root, self._next = self._next, None
        if worker is None:
            return
        if root is not None:
            # Meanwhile something has changed.
            self.list_runs(root)
        elif worker.bug:
            self.problem.emit("Reading the runs failed.", "", worker.bug)
        elif worker.error is not None:
            self.problem.emit(*worker.error, "")
        elif worker.result is not None:
            self.listed.emit(worker.result)

    def _follow(self) -> None:
        growing = self._growing
        if self._listing is not None or self._following is not None:
            return
        self._following = TaskWorker(lambda _: read_rows_again(growing))
        self._following.ended.connect(self._on_followed)
        self._runner.start(self._following)

    def _on_followed(self) -> None:
        worker, self._following = self._following, None
        # What a listing finds is newer.
        if worker is not None and worker.result is not None and self._listing is None:
            self.followed.emit(worker.result)
