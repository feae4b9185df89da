"""The runs of a study, a line each: what it has of its own, how far it is, what it gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PyQt6.QtCore import QPointF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QIcon, QPainter, QPen, QPixmap, QPolygonF
from PyQt6.QtWidgets import QAbstractItemView, QTableWidget, QTableWidgetItem

from app.core.curves import bin_curve
from app.core.studies.conduct import MemberBegan, MemberEnded, MemberMoved
from app.core.studies.results import StudyResults, words_of
from app.ui.theme import theme

__all__ = ["RunList"]

TITLES = ("Run", "Seed", "State", "Epoch", "Cost", "Result")
WIDTHS = (240, 60, 110, 110, 150, 110)
SPARK = QSize(120, 18)
SAID = {"converged": "done", "expected": "failed", "bug": "failed"}


@dataclass
class _Live:
    """What is heard of a run while it trains."""

    state: str = "waiting"
    epoch: float = 0.0
    epochs: int = 0
    costs: list[tuple[float, float]] = field(default_factory=list)
    message: str = ""


class RunList(QTableWidget):
    """The runs of one study.

    Signals
    -------
    chosen(int)
        The trial whose run was clicked.
    opened(object)
        The folder of a run that was double-clicked.
    """

    chosen = pyqtSignal(int)
    opened = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__(0, len(TITLES))
        self.setObjectName("studyRuns")
        self.setAccessibleName("Runs of the study")
        self.setToolTip("A click shows a trial, a double click its run in the Runs lab")
        self.setHorizontalHeaderLabels(TITLES)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setIconSize(SPARK)
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        assert rows is not None
        assert columns is not None
        rows.hide()
        rows.setDefaultSectionSize(25)
        columns.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        columns.setHighlightSections(False)
        columns.setStretchLastSection(True)
        for column, width in enumerate(WIDTHS):
            self.setColumnWidth(column, width)
        self.results: StudyResults | None = None
        self._live: dict[tuple[str, int], _Live] = {}
        # Of runs that were trained before: their costs, by number.
        self._before: dict[tuple[str, int], list[tuple[float, float]]] = {}
        self._rows: list[tuple[int, Path]] = []
        self.cellClicked.connect(lambda row, _: self.chosen.emit(self._rows[row][0]))
        self.cellDoubleClicked.connect(lambda row, _: self.opened.emit(self._rows[row][1]))
        theme.changed.connect(self._fill)

    def set_results(self, results: StudyResults | None) -> None:
        """Show another study, or the same one further on."""
        self.results = results
        self._fill()

    def set_costs(self, study_id: str, costs: Mapping[int, list[tuple[float, float]]]) -> None:
        """Show the costs of runs that have ended, by their numbers."""
        for number, points in costs.items():
            self._before[study_id, number] = points
        self._fill()

    def take(self, event: MemberBegan | MemberMoved | MemberEnded) -> None:
        """Keep what happened to a run, of whichever study, and show it."""
        live = self._live.setdefault((event.study_id, event.number), _Live())
        if isinstance(event, MemberBegan):
            live.state = "at work" if event.attempt == 1 else "once more"
        elif isinstance(event, MemberMoved):
            live.state, live.epoch, live.epochs = "at work", event.epoch, event.epochs
            if event.cost is not None:
                live.costs.append((event.epoch, event.cost))
        else:
            live.state, live.message = event.state, event.message
        if self.results is not None and event.study_id == self.results.study.info.study_id:
            self._show(event.number)

    def show_trial(self, trial: int | None) -> None:
        """Choose the runs of a trial."""
        self.clearSelection()
        for row, (number, _) in enumerate(self._rows):
            if number == trial:
                self.selectRow(row)
                break

    def _fill(self) -> None:
        results = self.results
        members = [] if results is None else [m for trial in results.trials for m in trial.members]
        self.setRowCount(len(members))
        self._rows = []
        if results is None:
            return
        for row, member in enumerate(members):
            self._rows.append((member.trial, results.study.run_path(member)))
            for column in range(len(TITLES)):
                if self.item(row, column) is None:
                    self.setItem(row, column, QTableWidgetItem())
            self._write(row, 0, words_of(results.spec, member.values))
            self._write(row, 1, str(member.seed))
            self._show(row)

    def _write(self, row: int, column: int, text: str, tip: str = "") -> None:
        item = self.item(row, column)
        if item is not None and (item.text() != text or item.toolTip() != tip):
            item.setText(text)
            item.setToolTip(tip)

    def _show(self, row: int) -> None:
        results = self.results
        if results is None or row >= self.rowCount():
            return
        live = self._live.get((results.study.info.study_id, row))
        members = [
            (member, run, state, judged)
            for trial in results.trials
            for member, run, state, judged in zip(
                trial.members, trial.runs, trial.states, trial.judged, strict=True
            )
        ]
        if row >= len(members):
            return
        member, run, state, judged = members[row]
        outcome = None if run is None else run.info.outcome
        if live is not None and outcome is None:
            state = live.state
        failures = "\n".join(member.failures)
        self._write(row, 2, SAID.get(state, state), failures)
        epochs = results.spec.member_specs(member.values, member.seed)[0].epochs
        done = live.epoch if live is not None else 0.0
        if outcome is not None:
            done = outcome.epoch
        self._write(row, 3, f"{done:.0f} of {epochs}" if done else "")
        item = self.item(row, 4)
        costs = live.costs if live is not None else []
        costs = self._before.get((results.study.info.study_id, row), costs) or costs
        if item is not None:
            item.setIcon(QIcon(self._spark(costs)) if len(costs) > 1 else QIcon())
        value = ""
        if judged is not None:
            value = f"{judged:.1%}" if results.spec.objective == "accuracy" else f"{judged:.5g}"
        best = results.best
        mark = "  best" if best is not None and best.number == member.trial else ""
        self._write(row, 5, f"{value}{mark if value and len(results.trials) > 1 else ''}")

    def _spark(self, costs: list[tuple[float, float]]) -> QPixmap:
        """Return a small curve of the costs so far, on a logarithmic axis where it can be."""
        points = np.array(costs)
        drawn = bin_curve(points[:, 0], points[:, 1:], SPARK.width())
        y = drawn.mean[:, 0]
        y = np.log(y) if (y > 0).all() else y
        low, high = float(y.min()), float(y.max())
        ratio = self.devicePixelRatioF()
        picture = QPixmap(SPARK * ratio)
        picture.setDevicePixelRatio(ratio)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme.colour("accent"), 1.3))
        x = np.linspace(1, SPARK.width() - 1, len(y))
        span = high - low if high > low else 1.0
        down = (SPARK.height() - 3) * (1 - (y - low) / span) + 1.5
        painter.drawPolyline(
            QPolygonF([QPointF(a, b) for a, b in zip(x.tolist(), down.tolist(), strict=True)])
        )
        painter.end()
        return picture
