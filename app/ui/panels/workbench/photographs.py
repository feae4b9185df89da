"""A photograph that is read and filtered beside the window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QObject, pyqtSignal

from app.core.data.photographs import bundled_photograph, read_photograph
from app.core.filter_design import FilterDesign, filtered
from app.workers.task_worker import Task, TaskWorker
from app.workers.thread import Runner

__all__ = ["Photographs"]


class Photographs(QObject):
    """Reads one photograph at a time, and filters the one that is there; the newest wish counts.

    Signals
    -------
    read(str)
        A photograph is there, and what it is called.
    filtered()
        `result` is another.
    problem(str, str, str)
        Message, hint and, for a bug, the report.

    Attributes
    ----------
    picture : ndarray of uint8 or None
        What was read.
    result : ndarray of float64 or None
        What the last filter made of it.
    """

    read = pyqtSignal(str)
    filtered = pyqtSignal()
    problem = pyqtSignal(str, str, str)

    def __init__(self, runner: Runner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.picture: NDArray[np.uint8] | None = None
        self.result: NDArray[np.float64] | None = None
        self._runner = runner
        self._reader: TaskWorker[NDArray[np.uint8]] | None = None
        self._worker: TaskWorker[NDArray[np.float64]] | None = None
        self._name = ""
        self._next: str | Path | None = None
        self._next_design: FilterDesign | None = None

    @property
    def reading(self) -> bool:
        """Whether a photograph is being read."""
        return self._reader is not None

    @property
    def filtering(self) -> bool:
        """Whether the photograph is being filtered."""
        return self._worker is not None

    def open(self, wanted: str | Path) -> None:
        """Read a file, or by its name one that comes with the program."""
        if self._reader is not None:
            # The one before is given up.
            self._next = wanted
            self._reader.request_stop()
            return

        def job(task: Task) -> NDArray[np.uint8]:
            if isinstance(wanted, Path):
                return read_photograph(wanted, cancel=task.cancelled)
            return bundled_photograph(wanted)

        self._name = wanted.name if isinstance(wanted, Path) else wanted
        self._reader = TaskWorker(job)
        self._reader.ended.connect(self._on_read)
        self._runner.start(self._reader)

    def _on_read(self) -> None:
        worker, self._reader = self._reader, None
        following, self._next = self._next, None
        if worker is None:
            return
        if worker.error is not None:
            self.problem.emit(*worker.error, "")
        elif worker.bug:
            self.problem.emit("The photograph could not be read.", "", worker.bug)
        if worker.result is not None:
            self.picture = worker.result
            self.read.emit(self._name)
        if following is not None:
            self.open(following)

    def use(self, design: FilterDesign) -> None:
        """Filter in a thread; of several changes that come meanwhile the last counts."""
        if self.picture is None:
            return
        if self._worker is not None:
            self._next_design = design
            return
        picture = self.picture
        self._worker = TaskWorker(lambda _task: filtered(picture, design))
        self._worker.ended.connect(self._on_filtered)
        self._runner.start(self._worker)

    def _on_filtered(self) -> None:
        worker, self._worker = self._worker, None
        following, self._next_design = self._next_design, None
        if worker is None:
            return
        if worker.bug:
            self.problem.emit("The filter could not be used.", "", worker.bug)
        if worker.result is not None:
            self.result = worker.result
            self.filtered.emit()
        if following is not None:
            self.use(following)

    def cancel(self) -> None:
        """Give up what is being read, and let nothing follow."""
        self._next = self._next_design = None
        if self._reader is not None:
            self._reader.request_stop()
