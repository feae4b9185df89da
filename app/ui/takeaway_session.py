"""A run from a file, and a run trained again: both off the window's thread, told when they are done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PyQt6.QtCore import QObject
from PyQt6.QtWidgets import QFileDialog

from app.core.runs import RunFolder
from app.core.runs.names import run_name
from app.ui.file_kinds import RUN_FILES
from app.ui.labs.places import RUNS
from app.ui.run_items import run_folder_of
from app.ui.task_notice import tell_progress
from app.workers.task_worker import Task, TaskWorker

if TYPE_CHECKING:
    from app.ui.main_window import MainWindow

__all__ = ["TakeawaySession"]


class TakeawaySession(QObject):
    """Opens runs that were taken away, and trains runs again to compare them.

    Attributes
    ----------
    busy : bool
        Whether one of the two is under way.
    """

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._worker: TaskWorker[Any] | None = None

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return self._worker is not None

    def cancel(self) -> None:
        """Give up what is under way."""
        if self._worker is not None:
            self._worker.request_stop()

    def ask_for_run(self) -> None:
        """Let the person choose the file of a run."""
        folder = self._window.settings.last_folder
        path, _ = QFileDialog.getOpenFileName(self._window, "Open a run", folder, RUN_FILES)
        if path:
            self.open(Path(path))

    def open(self, path: Path) -> None:
        """Put the run in a file among the runs, and choose it there."""

        def job(task: Task) -> RunFolder:
            from app.core.takeaway.opening import open_archive

            return open_archive(path, cancel=task.cancelled, progress=task.report)

        def done(run: RunFolder) -> None:
            self._show(run.path)
            self._window.notice.tell("good", f"{run.name} is among the runs now.")

        self._start(job, done, f"Opening {path.name}")

    def train_again(self) -> None:
        """Train the chosen run, or that of the lab in sight, again and say whether it is the same."""
        window = self._window
        path = self.chosen()
        if path is None:
            several = window.exported is vars(window).get("runs") and window.runs.chosen_rows()
            said = "Several runs are chosen." if several else "There is no run to train again."
            window.notice.tell("problem", said, "Choose one in the Runs lab.")
            return
        if window.training.state.alive:
            window.notice.tell("problem", "A training is going on.", "Stop it first.")
            return

        def job(task: Task) -> tuple[RunFolder, Any]:
            from app.core.takeaway.rerun import rerun

            return rerun(RunFolder.open(path), cancel=task.cancelled, progress=task.report)

        def done(found: tuple[RunFolder, Any]) -> None:
            new, comparison = found
            self._show(new.path, path)
            kind = "good" if comparison.same else "warning"
            hint = " ".join((f"{run_name(path.name)} and {new.name}.", *comparison.notes))
            window.notice.tell(kind, comparison.words(), hint)

        self._start(job, done, f"Training {run_name(path.name)} again")

    def chosen(self) -> Path | None:
        """Return the folder of the chosen run in the Runs lab, else of the lab in sight."""
        window = self._window
        if window.exported is vars(window).get("runs"):
            return window.runs.chosen_run()
        return run_folder_of(window.lab)

    def _show(self, *paths: Path) -> None:
        window = self._window
        window.show_lab(RUNS)
        window.runs.runs.refresh_and_choose(set(paths))

    def _start(self, job: Callable[[Task], Any], done: Callable[[Any], None], text: str) -> None:
        notice = self._window.notice
        if self.busy:
            notice.tell("problem", "Another run is opened or trained again.", "Wait for it.")
            return
        worker: TaskWorker[Any] = TaskWorker(job)

        def ended() -> None:
            self._worker = None
            if worker.result is not None:
                done(worker.result)
            elif worker.error is not None:
                notice.tell("problem", *worker.error)
            elif worker.cancelled:
                notice.tell("plain", f"{text}: given up.")
            elif worker.bug:
                notice.tell("problem", f"{text} failed: a fault in the program.", "", worker.bug)

        worker.ended.connect(ended)
        self._worker = worker
        tell_progress(notice, worker, text)
        self._window.runner.start(worker)
