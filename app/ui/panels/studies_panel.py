"""The Studies lab: settings over lists and ranges, trained side by side and seen at once."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PyQt6.QtCore import Qt, QTimer, QUrl, pyqtSignal
from PyQt6.QtGui import QDesktopServices
from PyQt6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from app.core.errors import FilterscopeError, UsageError
from app.core.studies.folder import FINISHED
from app.core.studies.look import Look
from app.core.studies.pools import Place
from app.core.studies.results import StudyResults
from app.core.studies.spec import StudySpec
from app.core.words import wait_in_words
from app.ui.panels.studies.form import StudyForm
from app.ui.panels.studies.pictures import StudyPictures
from app.ui.panels.studies.run_list import SAID, RunList
from app.ui.panels.studies.wanted import own_study, report_studies
from app.ui.study_looks import StudyLooks
from app.ui.study_session import StudySession
from app.ui.widgets.card import Card, quiet_label
from app.ui.widgets.choice_box import ChoiceBox
from app.ui.widgets.progress_line import ProgressLine
from app.ui.widgets.splitters import one_below_another
from app.workers.thread import Runner

__all__ = ["StudiesPanel"]

# While runs train, so often their curves and filters are read anew.
LOOK_MS = 1000

EMPTY = (
    "A study trains one network several times, with other values of a setting, and shows what that "
    "changes.\nThe two of the exercise’s report are one click away, at the left."
)
# What of a lab a study takes: its settings, its data, or why it cannot.
Given = Callable[[str], dict[str, Any]]


class StudiesPanel(QWidget):
    """New studies at the left, the chosen study's runs and pictures at the right.

    Signals
    -------
    run_wanted(object)
        The folder of a run that is to be looked at in the Runs lab.
    told(str)
    problem(str, str, str)
        Message, hint and, for a bug, the report.
    scheduler_used(str)
        A study goes to the scheduler at this address.

    Attributes
    ----------
    given : callable
        Returns, for a kind of network, what a study takes from its lab: fields of `StudySpec`.
        It raises `UsageError` when the lab has no data that a study can open.
    """

    run_wanted = pyqtSignal(object)
    told = pyqtSignal(str)
    problem = pyqtSignal(str, str, str)
    scheduler_used = pyqtSignal(str)

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self.given: Given = lambda kind: {"kind": kind}
        self.open_page: Callable[[Path], None] = _open_in_browser
        self.session = StudySession(runner, self)
        self.trial: int | None = None
        self.looks = StudyLooks(runner, self.session.watch, self)
        # Those that were begun last.
        self._begun: list[str] = []
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        self.form = StudyForm()
        layout.addWidget(self.form)
        self.pictures = StudyPictures()
        self.pictures.trial_chosen.connect(self.show_trial)
        parts = {self._build_runs(): 330, self.pictures: 420}
        layout.addWidget(one_below_another(parts), 1)
        self.form.report_clicked.connect(self.begin_report)
        self.form.own_clicked.connect(self.begin_own)
        self.session.listed.connect(self._on_listed)
        self.session.happened.connect(self._on_happened)
        self.session.busy_changed.connect(self._on_busy)
        self.session.page_ready.connect(self._on_page)
        self.session.told.connect(self.told)
        self.session.problem.connect(self.problem)
        self.looks.seen.connect(self._show_look)
        self.looks.problem.connect(self.problem)
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._on_tick)
        self._show()

    # --- building

    def _build_runs(self) -> Card:
        card = Card("Study", "study")
        self.studies = ChoiceBox("studyChoice", "Study", "Which study is shown, the newest first")
        self.studies.setMinimumWidth(180)
        self.studies.setMaximumWidth(460)
        self.studies.currentIndexChanged.connect(self._on_study)
        card.title_row.insertWidget(1, self.studies)
        self.go_on = self._button("studyGoOn", "Go on", "Train what is missing of this study")
        self.go_on.clicked.connect(lambda _: self._on_go_on())
        self.stop = self._button(
            "studyStop", "Stop", "End every run after its mini-batch; all is kept and can go on"
        )
        self.stop.clicked.connect(lambda _: self._on_stop())
        self.page = self._button("studyPage", "Open page", "All figures and numbers as one page")
        self.page.clicked.connect(lambda _: self.write_page())
        for button in (self.go_on, self.stop, self.page):
            card.add_tool(button)
        # Below the title, where there is room for it in a small window too.
        self.note = quiet_label(name="studyNote")
        card.body.addWidget(self.note)
        self.bar = ProgressLine("studyBar", "How much of the study is done")
        self.bar.hide()
        card.body.addWidget(self.bar)
        self.runs = RunList(self.session.watch)
        self.runs.chosen.connect(self.show_trial)
        self.runs.opened.connect(self.run_wanted)
        card.body.addWidget(self.runs)
        self.empty = quiet_label(EMPTY, "noStudies")
        self.empty.setWordWrap(True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        card.body.addWidget(self.empty, 1)
        return card

    def _button(self, name: str, text: str, tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(name)
        button.setToolTip(tip)
        return button

    # --- what is shown

    @property
    def results(self) -> StudyResults | None:
        """The study that is shown."""
        name = self.studies.currentData()
        found = (one for one in self.session.results if one.study.info.study_id == name)
        return next(found, None)

    def refresh(self) -> None:
        """Read all studies again."""
        self.session.refresh()

    def cancel(self) -> None:
        """Give up what is under way: the window closes."""
        self.session.cancel()
        self.looks.cancel()

    def _on_listed(self) -> None:
        before = self.studies.currentData()
        names = [one.study.info.study_id for one in self.session.results]
        if names != [self.studies.itemData(place) for place in range(self.studies.count())]:
            new = [name for name in names if self.studies.findData(name) < 0]
            self.studies.blockSignals(True)
            self.studies.clear()
            for one in self.session.results:
                self.studies.addItem(
                    f"{one.spec.title}, {_when(one.study.info.created)}", one.study.info.study_id
                )
            # One that was begun just now is looked at, the first of several.
            begun = [name for name in self._begun if name in new]
            wanted = begun[0] if begun else before
            self.studies.setCurrentIndex(max(self.studies.findData(wanted), 0) if names else -1)
            self.studies.blockSignals(False)
        self._show()

    def _on_study(self) -> None:
        self.trial = None
        self._show()

    def _show(self) -> None:
        results = self.results
        self.runs.set_results(results)
        self.runs.setVisible(results is not None)
        self.note.setVisible(results is not None)
        self.studies.setVisible(results is not None)
        self.empty.setVisible(results is None)
        self._count()
        self.pictures.set_results(results)
        self.show_trial(self.trial)
        self._read()

    def _count(self) -> None:
        """Say how the study stands, and allow what can be done with it now."""
        results = self.results
        session = self.session
        busy = session.busy
        states = {} if results is None else session.watch.states(results)
        words = [f"{count} {SAID.get(state, state)}" for state, count in states.items()]
        if session.stopping:
            words.append("stopping …")
        elif session.opening:
            words.append(session.opening)
        elif busy:
            left = self._left()
            if left:
                words.append(left)
        self.note.setText(", ".join(words))
        mine = results is not None and any(
            study.path == results.study.path for study in session.conducted
        )
        self.bar.setVisible(mine)
        if mine and results is not None:
            self.bar.set_share(session.watch.share(results))
        missing = results is not None and any(one.missing for one in session.begun_with(results))
        self.go_on.setEnabled(not busy and missing)
        self.stop.setEnabled(busy and not session.stopping)
        self.page.setEnabled(any(states.get(state, 0) for state in FINISHED))

    def _left(self) -> str:
        """Return how long all that is conducted will take, in words."""
        paths = {study.path for study in self.session.conducted}
        conducted = [one for one in self.session.results if one.study.path in paths]
        seconds = self.session.watch.seconds_left(conducted)
        if seconds is None:
            return ""
        return f"{wait_in_words(seconds)} left{' for both studies' if len(conducted) > 1 else ''}"

    def show_trial(self, trial: int | None) -> None:
        """Show one trial above the others."""
        self.trial = trial
        self.runs.show_trial(trial)
        self.pictures.show_trial(trial)
        self._read()

    # --- curves and filters, read beside the window

    def _on_tick(self) -> None:
        self.looks.pass_on()
        self._count()
        if self.isVisible():
            self._read()

    def _read(self) -> None:
        self.looks.want(self.results, self.trial)

    def _show_look(self, look: Look) -> None:
        results = self.results
        if results is not None:
            self.runs.set_costs(results.study.info.study_id, look.costs)
        self.pictures.set_look(look, results)

    # --- what is done

    def begin_report(self, names: list[str]) -> None:
        """Begin studies of the report, on the data of the Autoencoder lab."""
        try:
            self._begin(report_studies(self.form, names, self.given("autoencoder")))
        except FilterscopeError as error:
            self.form.tell(error)

    def begin_own(self) -> None:
        """Begin the study in the form, on the settings and the data of its lab."""
        try:
            self._begin([own_study(self.form, self.given(self.form.kind))])
        except FilterscopeError as error:
            self.form.tell(error)

    def _begin(self, specs: list[StudySpec]) -> None:
        self.form.tell(None)
        before = {one.study.info.study_id for one in self.session.results}
        self.session.begin(specs, self._place())
        self._begun = [
            study.info.study_id
            for study in self.session.conducted
            if study.info.study_id not in before
        ]

    def _place(self) -> Place:
        """Return where runs are trained, as the form says; raises `UsageError`."""
        place = self.form.place()
        # A name and a password before the host are nobody's to keep.
        if place.cluster is not None and "@" not in place.cluster.address:
            self.scheduler_used.emit(place.cluster.address)
        return place

    def _on_go_on(self) -> None:
        results = self.results
        if results is None:
            return
        try:
            place = self._place()
        except UsageError as error:
            self.form.tell(error)
            return
        self.form.tell(None)
        wanted = [one.study for one in self.session.begun_with(results) if one.missing]
        self.session.go_on(wanted, place)

    def _on_stop(self) -> None:
        self.session.stop()
        self._count()

    def _on_busy(self, busy: bool) -> None:
        self.form.set_busy(busy)
        (self._timer.start if busy else self._timer.stop)()
        self._count()
        if busy or not self.session.ended:
            return
        failed = sum(event.failed for event in self.session.ended)
        finished = sum(event.finished for event in self.session.ended)
        if any(event.reason == "stopped" for event in self.session.ended):
            # How it stands is written there, beside “Go on”.
            return
        if failed:
            self.told.emit(f"{finished} runs are done, {failed} failed: the table says why.")
        else:
            self.told.emit(f"{finished} runs are done. “Open page” shows all of them.")

    def _on_happened(self, event: Any) -> None:
        self.runs.hear(event.study_id, event.number)
        self._count()

    def write_page(self) -> None:
        """Write the page of the study that is shown, and of those begun with it; then open it."""
        results = self.results
        if results is None:
            return
        known = [one for one in self.session.begun_with(results) if one.best is not None]
        self.session.write_page(known or [results])

    def _on_page(self, path: Path) -> None:
        self.told.emit(f"The page is {path}.")
        self.open_page(path)


def _when(text: str) -> str:
    """Return a time as a clock on the wall shows it."""
    try:
        return datetime.datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return text[:16]


def _open_in_browser(path: Path) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))
