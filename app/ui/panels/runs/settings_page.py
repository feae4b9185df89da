"""What the chosen runs were told differently, a column each."""

from __future__ import annotations

from typing import Any

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from app.core.params import format_number
from app.ui.panels.runs.reading import Chosen

__all__ = ["SettingsPage"]


class SettingsPage(QTableWidget):
    """A row for each setting that not all of the chosen runs have in common."""

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
            lines = [("Choose a second run to see what differs", "")]
        self.setRowCount(len(lines))
        for row, line in enumerate(lines):
            for column, value in enumerate(line):
                item = QTableWidgetItem(_shown(value))
                item.setToolTip(item.text())
                self.setItem(row, column, item)


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format_number(value) if isinstance(value, int | float) else str(value)
