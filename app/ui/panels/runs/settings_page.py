"""What the chosen runs were told differently, a column each; of one run all that it was told."""

from __future__ import annotations

from typing import Any

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from app.core.params import describe, format_number, value_in_words
from app.core.runs import RunInfo
from app.ui.panels.runs.reading import Chosen

__all__ = ["SettingsPage"]


class SettingsPage(QTableWidget):
    """A row for each setting that not all of the chosen runs have in common, or for all of one."""

    def __init__(self) -> None:
        super().__init__(0, 1)
        self.setObjectName("runDifferences")
        self.setAccessibleName("Settings that differ")
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        assert rows is not None
        assert columns is not None
        rows.hide()
        columns.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        columns.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)

    def show_chosen(self, chosen: Chosen) -> None:
        """Show what differs between the chosen runs."""
        names = [run.row.path.name for run in chosen.runs]
        self.setColumnCount(1 + len(names))
        self.setHorizontalHeaderLabels(["Setting", *names])
        lines: list[tuple[Any, ...]] = [(label, *values) for _, label, values in chosen.differences]
        if len(names) > 1 and not lines:
            lines = [("The same data and settings", *[""] * len(names))]
        elif len(names) == 1:
            self._show_all(chosen.runs[0].info)
            return
        self.setRowCount(len(lines))
        for row, line in enumerate(lines):
            for column, value in enumerate(line):
                item = QTableWidgetItem(_shown(value))
                item.setToolTip(item.text())
                self.setItem(row, column, item)

    def _show_all(self, info: RunInfo) -> None:
        """Show every setting of one run, and what each does."""
        self.setColumnCount(3)
        self.setHorizontalHeaderLabels(["Setting", "Value", "What it does"])
        told = [
            (parameter, getattr(spec, parameter.name))
            for spec in (info.spec, info.preprocess)
            for parameter in describe(type(spec))
        ]
        self.setRowCount(len(told))
        for row, (parameter, value) in enumerate(told):
            hyper = parameter.hyper
            # What is not the default is what this run is about.
            own = value != parameter.default
            name = f"{hyper.label}  {hyper.symbol}".strip()
            words = (name, value_in_words(parameter, value), hyper.teaches)
            for column, text in enumerate(words):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                if own and column < 2:
                    letters = item.font()
                    letters.setBold(True)
                    item.setFont(letters)
                self.setItem(row, column, item)


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format_number(value) if isinstance(value, int | float) else str(value)
