"""The Studies lab: settings over lists and ranges, trained side by side and seen at once."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import Qt, QUrl, pyqtSignal
from PyQt6.QtGui import QDesktopServices, QPixmap
from PyQt6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from app.core.compare.curves import RunCurve, curve_of, together
from app.core.curves import bin_curve
from app.core.errors import Cancelled, FilterscopeError, UsageError
from app.core.export import mosaic_png
from app.core.history import History
from app.core.runs import RunInfo
from app.core.studies.folder import FINISHED
from app.core.studies.presets import preset_study
from app.core.studies.results import StudyResults, TrialResult, heat_map, words_of
from app.core.studies.spec import StudySpec
from app.core.takeaway.contents import contents_of
from app.ui.panels.studies.form import StudyForm
from app.ui.panels.studies.maps import ParallelPlot, TrialMap
from app.ui.panels.studies.run_list import RunList
from app.ui.study_session import StudySession
from app.ui.widgets.card import Card, TabbedCard, quiet_label
from app.ui.widgets.choice_box import ChoiceBox
from app.ui.widgets.run_curves import PALETTE, RunCurves
from app.workers.task_worker import Task, TaskWorker
from app.workers.thread import Runner

__all__ = ["StudiesPanel"]

MOST_TRIALS = 8
SPARK_POINTS = 120
CURVES, FILTERS, MAP, PARALLEL = range(4)

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

    Attributes
    ----------
    given : callable
        Returns, for a kind of network, what a study takes from its lab: fields of `StudySpec`.
        It raises `UsageError` when the lab has no data that a study can open.
    """

    run_wanted = pyqtSignal(object)
    told = pyqtSignal(str)
    problem = pyqtSignal(str, str, str)

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self._runner = runner
        self.given: Given = lambda kind: {"kind": kind}
        self.open_page: Callable[[Path], None] = _open_in_browser
        self.session = StudySession(runner, self)
        self.trial: int | None = None
        self._reading: TaskWorker[Any] | None = None
        self._read_for: tuple[str, int] | None = None
        # Studies that were begun together have one page.
        self._together: list[str] = []
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        self.form = StudyForm()
        layout.addWidget(self.form)
        split = QSplitter(Qt.Orientation.Vertical)
        split.setChildrenCollapsible(False)
        split.setHandleWidth(10)
        split.addWidget(self._build_runs())
        split.addWidget(self._build_pictures())
        split.setSizes([330, 420])
        layout.addWidget(split, 1)
        self.form.report_clicked.connect(self.begin_report)
        self.form.own_clicked.connect(self.begin_own)
        self.session.listed.connect(self._on_listed)
        self.session.happened.connect(self._on_happened)
        self.session.busy_changed.connect(self._on_busy)
        self.session.page_ready.connect(self._on_page)
        self.session.told.connect(self.told)
        self.session.problem.connect(self.problem)
        self._show()

    # --- building

    def _build_runs(self) -> Card:
        card = Card("Study", "study")
        self.note = card.note
        self.studies = ChoiceBox("studyChoice", "Study", "Which study is shown, the newest first")
        self.studies.setMinimumWidth(220)
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
        self.runs = RunList()
        self.runs.chosen.connect(self.show_trial)
        self.runs.opened.connect(self.run_wanted)
        card.body.addWidget(self.runs)
        self.empty = quiet_label(
            "There are no studies yet. Those of the exercise’s report are one click away.",
            "noStudies",
        )
        card.body.addWidget(self.empty)
        return card

    def _button(self, name: str, text: str, tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(name)
        button.setToolTip(tip)
        return button

    def _build_pictures(self) -> TabbedCard:
        card = self.pictures = TabbedCard(
            ["Curves", "Filters", "Heat map", "All trials"],
            "studyPictures",
            [
                "Cost of the trials over each other; a band reaches over the seeds",
                "Filters of the first trials",
                "The mean result over the two settings that vary",
                "Every trial as a line across its settings",
            ],
        )
        self.curves = RunCurves()
        card.add_page(self.curves)
        area = QScrollArea()
        area.setWidgetResizable(True)
        inside = QWidget()
        self._filters = QHBoxLayout(inside)
        self._filters.setContentsMargins(0, 0, 0, 0)
        self._filters.setSpacing(18)
        self._filters.addStretch(1)
        area.setWidget(inside)
        card.add_page(area)
        self.map = TrialMap()
        self.map.chosen.connect(self.show_trial)
        card.add_page(self.map)
        self.parallel = ParallelPlot()
        self.parallel.chosen.connect(self.show_trial)
        card.add_page(self.parallel)
        return card

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
        if self._reading is not None:
            self._reading.request_stop()

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
            begun = [name for name in self._together if name in new]
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
        self.studies.setVisible(results is not None)
        self.empty.setVisible(results is None)
        self._count()
        varied = [] if results is None else [one.name for one in results.spec.vary]
        found = None
        if results is not None and len(varied) >= 2:
            found = heat_map(results, varied[0], varied[1])
        percent = results is not None and results.spec.objective == "accuracy"
        self.map.set_map(
            found,
            least_is_best=results is None or results.spec.least_is_best,
            percent=percent,
        )
        self.pictures.tabs[MAP].setEnabled(found is not None)
        if found is None and self.pictures.page == MAP:
            self.pictures.show_page(CURVES)
        self.parallel.set_results(results)
        self.show_trial(self.trial)
        self._read()

    def _count(self) -> None:
        results = self.results
        busy = self.session.busy
        states = {} if results is None else results.states
        words = [f"{count} {state}" for state, count in states.items()]
        if self.session.stopping:
            words.append("stopping …")
        self.note.setText(", ".join(words))
        missing = results is not None and bool(results.study.unfinished())
        asked = results is not None and (
            results.spec.search == "optuna" and len(results.trials) < results.spec.trials
        )
        self.go_on.setEnabled(not busy and (missing or asked))
        self.stop.setEnabled(busy and not self.session.stopping)
        known = any(states.get(state, 0) for state in ("done", "converged"))
        self.page.setEnabled(known)

    def show_trial(self, trial: int | None) -> None:
        """Show one trial above the others."""
        self.trial = trial
        self.runs.show_trial(trial)
        self.parallel.highlight(trial)

    # --- curves and filters, read beside the window

    def _read(self) -> None:
        results = self.results
        if results is None or not results.trials:
            self._show_read([], [], {})
            return
        state = (results.study.info.study_id, sum(results.states.get(s, 0) for s in FINISHED))
        if state == self._read_for:
            return
        if self._reading is not None:
            self._reading.request_stop()
            return
        self._read_for = state
        self._reading = TaskWorker(_reader(results))
        self._reading.ended.connect(self._on_read)
        self._runner.start(self._reading)

    def _on_read(self) -> None:
        worker, self._reading = self._reading, None
        if worker is None:
            return
        if worker.cancelled:
            self._read_for = None
        elif worker.bug:
            self.problem.emit("Reading a study failed.", "", worker.bug)
        elif worker.error is not None:
            self.problem.emit(*worker.error, "")
        elif worker.result is not None:
            self._show_read(*worker.result)
        self._read()

    def _show_read(
        self,
        curves: list[RunCurve],
        filters: list[tuple[str, bytes]],
        costs: Mapping[int, list[tuple[float, float]]],
    ) -> None:
        results = self.results
        if results is not None:
            self.runs.set_costs(results.study.info.study_id, costs)
        accuracy = results is not None and results.spec.objective == "accuracy"
        many = results is not None and len(results.trials) > MOST_TRIALS
        self.pictures.note.setText(f"the best {MOST_TRIALS} have a curve" if many else "")
        self.curves.set_options(log_x=not accuracy, log_y=not accuracy)
        self.curves.set_curves(curves, "per cent right" if accuracy else "cost")
        while self._filters.count() > 1:
            item = self._filters.takeAt(0)
            widget = None if item is None else item.widget()
            if widget is not None:
                widget.deleteLater()
        for place, (name, data) in enumerate(filters):
            column = QWidget()
            inside = QVBoxLayout(column)
            inside.setContentsMargins(0, 0, 0, 0)
            picture, pixmap = QLabel(), QPixmap()
            pixmap.loadFromData(data)
            picture.setPixmap(pixmap)
            picture.setObjectName(f"studyFilters{place}")
            picture.setAccessibleName(f"Filters with {name}")
            inside.addWidget(quiet_label(name))
            inside.addWidget(picture)
            inside.addStretch(1)
            self._filters.insertWidget(place, column)

    # --- what is done

    def begin_report(self, names: list[str]) -> None:
        """Begin studies of the report, on the data of the Autoencoder lab."""
        try:
            given = self.given("autoencoder")
            more: dict[str, Any] = {
                name: given[name] for name in ("data", "layout", "value_range") if name in given
            }
            if self.form.epochs.text().strip():
                more["set"] = {"epochs": self.form.values()["set"]["epochs"]}
            self._begin([preset_study(name, **more) for name in names])
        except FilterscopeError as error:
            self.form.tell(error)

    def begin_own(self) -> None:
        """Begin the study in the form, on the settings and the data of its lab."""
        try:
            values = self.form.values()
            given = self.given(values["kind"])
            wanted = values.pop("set", {})
            spec = {**given.pop("spec", {}), **wanted}
            titles = [
                words.split("  ")[-1]
                for field, _ in self.form.fields
                if field.currentData() and (words := field.currentText())
            ]
            preprocess = given.pop("preprocess", {})
            study = {
                **given,
                **values,
                "title": " and ".join(titles)[:80].lower() or "study",
                "set": {**spec, **preprocess},
            }
            self._begin([StudySpec.build(study)])
        except FilterscopeError as error:
            self.form.tell(error)

    def _begin(self, specs: list[StudySpec]) -> None:
        self.form.tell(None)
        before = {one.study.info.study_id for one in self.session.results}
        self.session.begin(specs, self.form.worker_count(), dask=self.form.dask)
        self._together = [
            study.info.study_id
            for study in self.session.conducted
            if study.info.study_id not in before
        ]

    def _on_go_on(self) -> None:
        results = self.results
        if results is None:
            return
        try:
            workers = self.form.worker_count()
        except UsageError as error:
            self.form.tell(error)
            return
        self.form.tell(None)
        self.session.go_on([results.study], workers, dask=self.form.dask)

    def _on_stop(self) -> None:
        self.session.stop()
        self._count()

    def _on_busy(self, busy: bool) -> None:
        self.form.set_busy(busy)
        self._count()
        if busy or not self.session.ended:
            return
        failed = sum(event.failed for event in self.session.ended)
        finished = sum(event.finished for event in self.session.ended)
        if any(event.reason == "stopped" for event in self.session.ended):
            self.told.emit("The study is stopped; “Go on” trains what is missing.")
        elif failed:
            self.told.emit(f"{finished} runs are done, {failed} failed: the table says why.")
        else:
            self.told.emit(f"{finished} runs are done. “Open page” shows all of them.")

    def _on_happened(self, event: Any) -> None:
        self.runs.take(event)

    def write_page(self) -> None:
        """Write the page of the study that is shown, and of those begun with it; then open it."""
        results = self.results
        if results is None:
            return
        wanted = [results]
        if results.study.info.study_id in self._together:
            by_name = {one.study.info.study_id: one for one in self.session.results}
            wanted = [by_name[name] for name in self._together if name in by_name]
        self.session.write_page(wanted)

    def _on_page(self, path: Path) -> None:
        self.told.emit(f"The page is {path}.")
        self.open_page(path)


Read = tuple[list[RunCurve], list[tuple[str, bytes]], dict[int, list[tuple[float, float]]]]


def _reader(results: StudyResults) -> Callable[[Task], Read]:
    """Return the job that reads curves and filters of a study's first trials."""

    def job(task: Task) -> Read:
        curves: list[RunCurve] = []
        filters: list[tuple[str, bytes]] = []
        costs: dict[int, list[tuple[float, float]]] = {}
        what = "validation" if results.spec.objective == "accuracy" else "cost"
        for place, trial in enumerate(_shown(results)):
            name = words_of(results.spec, trial.values)
            colour = PALETTE[place % len(PALETTE)]
            seeds = []
            for member, run in zip(trial.members, trial.runs, strict=True):
                if run is None or run.info.outcome is None or task.cancelled():
                    continue
                try:
                    history = run.read_history()[0]
                except FilterscopeError:
                    continue
                seeds.append(curve_of(run.info, history, what, "epoch", name=name, colour=colour))
                small = bin_curve(*_cost(run.info, history), SPARK_POINTS)
                costs[member.number] = list(
                    zip(small.x.tolist(), small.mean[:, 0].tolist(), strict=True)
                )
            if seeds:
                curves.append(together(seeds, name, colour) if len(seeds) > 1 else seeds[0])
            shown = trial.shown_run
            if shown is not None and not task.cancelled():
                try:
                    tiles = contents_of(shown).filters()
                except FilterscopeError:
                    continue
                zoom = 2 if tiles.tile_shape[0] >= 12 else 6
                filters.append((name, mosaic_png(tiles, zoom)))
        if task.cancelled():
            raise Cancelled("Another study is read.")
        return curves, filters, costs

    return job


def _shown(results: StudyResults) -> list[TrialResult]:
    """Return the trials that have a curve: all, or the best of many."""
    if len(results.trials) <= MOST_TRIALS:
        return list(results.trials)
    sign = 1 if results.spec.least_is_best else -1
    judged = [trial for trial in results.trials if trial.mean is not None]
    best = sorted(judged, key=lambda trial: sign * (trial.mean or 0.0))[:MOST_TRIALS]
    return sorted(best, key=lambda trial: trial.number)


def _cost(info: RunInfo, history: History) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return epochs (N,) and costs (N, 1)."""
    curve = curve_of(info, history, "cost", "epoch")
    return curve.x, curve.y


def _when(text: str) -> str:
    """Return a time as a clock on the wall shows it."""
    try:
        return datetime.datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return text[:16]


def _open_in_browser(path: Path) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))
