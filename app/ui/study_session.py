"""Conducts studies off the window's thread, and knows which of them is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from app.core.storage import save_bytes
from app.core.studies.conduct import (
    MemberBegan,
    MemberEnded,
    MemberMoved,
    Said,
    StudyEnded,
    StudyEvent,
)
from app.core.studies.folder import StudyFolder, list_studies
from app.core.studies.pools import Place
from app.core.studies.results import StudyResults, read_results, words_of
from app.core.studies.spec import StudySpec
from app.core.studies.watch import Watch
from app.workers.study_worker import StudyWorker
from app.workers.task_worker import Task, TaskWorker
from app.workers.thread import Runner

__all__ = ["StudySession"]

LOOK_MS = 100


class StudySession(QObject):
    """Studies as the window has them.

    Attributes
    ----------
    results : list of StudyResults
        All studies as the disk has them, the newest first.
    watch : Watch
        What is heard of those that are conducted.

    Signals
    -------
    listed()
        `results` are new: those of all studies, the newest first.
    happened(object)
        An event of a study that is conducted.
    busy_changed(bool)
        Whether studies are conducted.
    page_ready(object)
        The path of a page.
    told(str)
    problem(str, str, str)
        Message, hint and, for a bug, the report.
    """

    listed = pyqtSignal()
    happened = pyqtSignal(object)
    busy_changed = pyqtSignal(bool)
    page_ready = pyqtSignal(object)
    told = pyqtSignal(str)
    problem = pyqtSignal(str, str, str)

    def __init__(self, runner: Runner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runner = runner
        self.results: list[StudyResults] = []
        self.watch = Watch()
        self.ended: list[StudyEnded] = []
        self._worker: StudyWorker | None = None
        self._place: Place | None = None
        self._listing: TaskWorker[list[StudyResults]] | None = None
        self._again = self._all_again = False
        self._paging: TaskWorker[tuple[Path, list[str]]] | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._look)

    @property
    def busy(self) -> bool:
        """Whether studies are conducted."""
        return self._worker is not None

    @property
    def conducted(self) -> list[StudyFolder]:
        """The studies that are conducted now."""
        return [] if self._worker is None else self._worker.studies

    def begun_with(self, results: StudyResults) -> list[StudyResults]:
        """Return a study and those that were begun as one with it, in their order."""
        group = results.study.info.group
        if not group:
            return [results]
        return [one for one in reversed(self.results) if one.study.info.group == group]

    @property
    def opening(self) -> str:
        """What is waited for before the first run begins; empty otherwise."""
        if self._worker is None or self._worker.opened or self._place is None:
            return ""
        return self._place.opening

    @property
    def stopping(self) -> bool:
        """Whether they are to end."""
        return self._worker is not None and self._worker.control.stopping

    # --- conducting

    def begin(self, specs: Sequence[StudySpec], place: Place) -> None:
        """Make new studies and conduct them; raises `FilterscopeError` when one cannot be made."""
        self.go_on(StudyFolder.create_all(specs), place)

    def go_on(self, studies: Sequence[StudyFolder], place: Place) -> None:
        """Train what is missing of studies."""
        if self.busy:
            return
        self.ended = []
        self.watch.begin(studies)
        self._place = place
        # A cluster takes a while to answer: it is asked in the thread.
        self._worker = StudyWorker(studies, lambda: place.open(window=True))
        self._worker.ended.connect(self._on_ended)
        self._runner.start(self._worker)
        self._timer.start()
        self.busy_changed.emit(True)
        self.refresh()

    def stop(self) -> None:
        """End every run after its mini-batch; all is kept."""
        if self._worker is not None:
            self._worker.request_stop()

    def cancel(self) -> None:
        """Give up what is under way: the window closes."""
        self.stop()
        for worker in (self._listing, self._paging):
            if worker is not None:
                worker.request_stop()

    def _look(self) -> None:
        if self._worker is not None:
            for event in self._worker.take():
                self._take(event)

    def _take(self, event: StudyEvent) -> None:
        self.watch.take(event)
        if isinstance(event, Said):
            self.told.emit(event.message)
        elif isinstance(event, StudyEnded):
            self.ended.append(event)
        elif isinstance(event, MemberBegan | MemberMoved | MemberEnded):
            self.happened.emit(event)
        if isinstance(event, MemberEnded) and event.state == "lost":
            self.told.emit(f"{self._name(event)}: {event.message} It is begun once more.")
        if isinstance(event, MemberBegan | MemberEnded):
            # A search plans its runs as it goes.
            self._list()

    def _name(self, event: MemberEnded) -> str:
        """Return what a run is called."""
        study = next(one for one in self.conducted if one.info.study_id == event.study_id)
        member = study.info.members[event.number]
        return f"{words_of(study.spec, member.values)}, seed {member.seed}"

    def _on_ended(self) -> None:
        worker = self._worker
        if worker is None:
            return
        self._look()
        self._worker = None
        self.watch.end()
        self._timer.stop()
        if worker.bug:
            self.problem.emit("Conducting a study failed.", "", worker.bug)
        elif worker.error is not None:
            self.problem.emit(*worker.error, "")
        self.busy_changed.emit(False)
        self.refresh()

    # --- reading

    def refresh(self) -> None:
        """Read all studies again, in the background."""
        self._all_again = True
        self._list()

    def _list(self) -> None:
        """Read all studies again, or those alone that are conducted: others do not change."""
        if self._listing is not None:
            self._again = True
            return
        everything, self._all_again = self._all_again or not self.conducted, False
        conducted, before = self.conducted, self.results

        def job(task: Task) -> list[StudyResults]:
            if not everything:
                news = {one.path: read_results(StudyFolder.open(one.path)) for one in conducted}
                return [news.get(one.study.path, one) for one in before]
            found = []
            for study in list_studies():
                if task.cancelled():
                    break
                found.append(read_results(study))
            return found

        self._listing = TaskWorker(job)
        self._listing.ended.connect(self._on_listed)
        self._runner.start(self._listing)

    def _on_listed(self) -> None:
        worker, self._listing = self._listing, None
        if worker is None:
            return
        if worker.bug:
            self.problem.emit("Reading the studies failed.", "", worker.bug)
        elif worker.error is not None:
            self.problem.emit(*worker.error, "")
        elif worker.result is not None:
            self.results = worker.result
            self.listed.emit()
        if self._again:
            self._again = False
            self._list()

    # --- the page

    def write_page(self, results: Sequence[StudyResults]) -> None:
        """Write the page of studies into the folder of the first of them."""
        if self._paging is not None:
            return
        found = list(results)

        def job(task: Task) -> tuple[Path, list[str]]:
            # What draws pages is imported when the first one is wanted.
            from app.core.studies.page import study_page
            from app.core.takeaway.page import page_html

            page, notes = study_page(found, cancel=task.cancelled)
            path = found[0].study.path / "page.html"
            save_bytes(path, page_html(page), overwrite=True)
            return path, notes

        self._paging = TaskWorker(job)
        self._paging.ended.connect(self._on_page)
        self._runner.start(self._paging)

    def _on_page(self) -> None:
        worker, self._paging = self._paging, None
        if worker is None or worker.cancelled:
            return
        if worker.bug:
            self.problem.emit("The page could not be made.", "", worker.bug)
        elif worker.error is not None:
            self.problem.emit(*worker.error, "")
        elif worker.result is not None:
            path, notes = worker.result
            for note in notes:
                self.told.emit(note)
            self.page_ready.emit(path)
