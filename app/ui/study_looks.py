"""Curves and filters of a study, read beside the window: the newest wish counts."""

from __future__ import annotations

from PyQt6.QtCore import QObject, pyqtSignal

from app.core.studies.folder import FINISHED
from app.core.studies.look import MOST_TRIALS, Look, Looker
from app.core.studies.results import StudyResults
from app.core.studies.watch import AT_WORK, Watch
from app.ui.widgets.run_curves import PALETTE
from app.workers.task_worker import TaskWorker
from app.workers.thread import Runner

__all__ = ["StudyLooks"]


class StudyLooks(QObject):
    """Reads what is drawn of one study at a time, and again only when there may be news.

    Signals
    -------
    seen(object)
        A `Look` at the study that was wanted last.
    problem(str, str, str)
        Message, hint and, for a bug, the report.
    """

    seen = pyqtSignal(object)
    problem = pyqtSignal(str, str, str)

    def __init__(self, runner: Runner, watch: Watch, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self._watch = watch
        self._looker = Looker(PALETTE)
        self._worker: TaskWorker[Look] | None = None
        self._results: StudyResults | None = None
        self._chosen: int | None = None
        self._read_for: tuple[object, ...] | None = None
        self._moments = 0

    @property
    def busy(self) -> bool:
        """Whether something is being read."""
        return self._worker is not None

    def want(self, results: StudyResults | None, chosen: int | None) -> None:
        """Look at a study, one of its trials chosen; None shows nothing."""
        self._results, self._chosen = results, chosen
        self._read()

    def pass_on(self) -> None:
        """Take it that some time went by: runs that are at work may have got further."""
        self._moments += 1

    def cancel(self) -> None:
        """Give up: the window closes."""
        if self._worker is not None:
            self._worker.request_stop()

    def _read(self) -> None:
        results = self._results
        if results is None or not results.trials:
            self.seen.emit(Look([], [], {}))
            return
        name = results.study.info.study_id
        states = self._watch.states(results)
        many = len(results.trials) > MOST_TRIALS
        wanted = (
            name,
            sum(states.get(state, 0) for state in FINISHED),
            self._chosen if many else None,
            self._moments if states.get(AT_WORK) else 0,
        )
        if wanted == self._read_for:
            return
        if self._worker is not None:
            if self._read_for is not None and self._read_for[0] != name:
                self._worker.request_stop()
            return
        self._read_for = wanted
        live = {}
        for trial in results.trials:
            for member in trial.members:
                heard = self._watch.of(name, member.number)
                if heard is not None:
                    live[member.number] = (list(heard.costs), list(heard.accuracies))
        chosen = self._chosen
        self._worker = TaskWorker(
            lambda task: self._looker.look(results, live=live, chosen=chosen, cancel=task.cancelled)
        )
        self._worker.ended.connect(self._on_read)
        self._runner.start(self._worker)

    def _on_read(self) -> None:
        worker, self._worker = self._worker, None
        if worker is None:
            return
        if worker.cancelled:
            self._read_for = None
        elif worker.bug:
            self.problem.emit("Reading a study failed.", "", worker.bug)
        elif worker.error is not None:
            self.problem.emit(*worker.error, "")
        elif worker.result is not None:
            self.seen.emit(worker.result)
        self._read()
