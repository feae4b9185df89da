"""The runs of a study, a line each: what it has of its own, how far it is, what it gave."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PyQt6.QtCore import QPointF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QIcon,
    QKeyEvent,
    QPainter,
    QPen,
    QPixmap,
    QPolygonF,
    QResizeEvent,
)
from PyQt6.QtWidgets import QAbstractItemView, QTableWidget, QTableWidgetItem

from app.core.curves import bin_curve
from app.core.studies.folder import Member
from app.core.studies.results import StudyResults, words_of
from app.core.studies.watch import Seen, Watch
from app.ui.theme import theme

__all__ = ["RunList"]

TITLES = ("Run", "Seed", "State", "Epoch", "Cost", "Result")
WIDTHS = (200, 44, 116, 104, 146, 98)
# What a run has of its own gets the room that the others leave, between these.
RUN_WIDTHS = (90, 260)
FEW_EPOCHS = 100
SPARK = QSize(84, 18)
SAID = {
    "converged": "done",
    "expected": "failed",
    "bug": "failed",
    "running": "at work elsewhere",
    "crashed": "ended in the middle",
    "lost": "lost its worker",
}


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

    def __init__(self, watch: Watch) -> None:
        super().__init__(0, len(TITLES))
        self._watch = watch
        self.setObjectName("studyRuns")
        self.setAccessibleName("Runs of the study")
        self.setToolTip("A click shows a trial, a double click its run in the Runs lab")
        self.setHorizontalHeaderLabels(TITLES)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTabKeyNavigation(False)
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
        for column, width in enumerate(WIDTHS):
            self.setColumnWidth(column, width)
        self.results: StudyResults | None = None
        # Costs of runs that have ended, and what was read of those at work, by number.
        self._costs: dict[tuple[str, int], list[tuple[float, float]]] = {}
        self._members: list[tuple[Member, str, float | None, float | None]] = []
        self._rows: list[tuple[int, Path]] = []
        self.cellClicked.connect(lambda row, _: self.chosen.emit(self._rows[row][0]))
        self.cellDoubleClicked.connect(lambda row, _: self.opened.emit(self._rows[row][1]))
        theme.changed.connect(self._fill)

    def set_results(self, results: StudyResults | None) -> None:
        """Show another study, or the same one further on."""
        self.results = results
        self._fill()

    def set_costs(self, study_id: str, costs: Mapping[int, list[tuple[float, float]]]) -> None:
        """Show costs that were read of runs, by their numbers."""
        for number, points in costs.items():
            self._costs[study_id, number] = points
        self._fill()

    def hear(self, study_id: str, number: int) -> None:
        """Show what was heard of a run."""
        results = self.results
        if results is not None and study_id == results.study.info.study_id:
            self._show(number)

    def show_trial(self, trial: int | None) -> None:
        """Choose the first run of a trial, unless one of its runs is chosen."""
        row = self.currentRow()
        if self.selectedItems() and row < len(self._rows) and self._rows[row][0] == trial:
            return
        self.clearSelection()
        for row, (number, _) in enumerate(self._rows):
            if number == trial:
                self.selectRow(row)
                break

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Qt: all columns are seen, also in a small window."""
        super().resizeEvent(event)
        view = self.viewport()
        assert view is not None
        least, most = RUN_WIDTHS
        first = min(max(view.width() - sum(WIDTHS[1:]), least), most)
        self.setColumnWidth(0, first)
        self.setColumnWidth(5, max(view.width() - first - sum(WIDTHS[1:5]), WIDTHS[5]))

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Qt: arrows choose as a click does, Enter opens as a double click does."""
        super().keyPressEvent(event)
        row = self.currentRow()
        if event is None or not 0 <= row < len(self._rows):
            return
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.opened.emit(self._rows[row][1])
        elif event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Home, Qt.Key.Key_End):
            self.chosen.emit(self._rows[row][0])

    def _fill(self) -> None:
        results = self.results
        self._members = []
        if results is not None:
            for trial in results.trials:
                rows = zip(trial.members, trial.runs, trial.states, trial.judged, strict=True)
                for member, run, state, judged in rows:
                    outcome = None if run is None else run.info.outcome
                    epoch = None if outcome is None else outcome.epoch
                    self._members.append((member, state, judged, epoch))
        self.setRowCount(len(self._members))
        self._rows = []
        if results is None:
            return
        for row, (member, *_) in enumerate(self._members):
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
        if results is None or row >= len(self._members):
            return
        name = results.study.info.study_id
        member, on_disk, judged, epoch = self._members[row]
        seen = self._watch.of(name, row) or Seen()
        state = self._watch.state(name, row, on_disk)
        words = SAID.get(state, state)
        if state == "at work" and (seen.attempt > 1 or member.failures):
            words += ", once more"
        told = [*member.failures]
        if seen.message and seen.message not in told:
            told.append(seen.message)
        if state == "at work":
            told.append(f"Trained by {seen.worker}.")
        self._write(row, 2, words, "\n".join(told))
        epochs = results.spec.member_specs(member.values, member.seed)[0].epochs
        done = seen.epoch or (0.0 if epoch is None else epoch)
        if epoch is not None and state == on_disk:
            done = epoch
        # A few long epochs are seen to go on.
        digits = 1 if state == "at work" and epochs < FEW_EPOCHS else 0
        self._write(row, 3, f"{done:.{digits}f} of {epochs}" if done else "")
        read, heard = self._costs.get((name, row), []), seen.costs
        costs = heard if state == "at work" and len(heard) > 1 else read or heard
        item = self.item(row, 4)
        if item is not None:
            item.setIcon(QIcon(self._spark(costs)) if len(costs) > 1 else QIcon())
        now = f"{heard[-1][1]:.4g}" if state == "at work" and heard else ""
        self._write(row, 4, now, "The cost of the last batch" if now else "")
        value = "" if judged is None else results.written(judged)
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
