"""What the chosen runs were told differently, a column each; of one run all that it was told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from app.core.params import Parameter, describe, value_in_words
from app.core.runs import RunInfo
from app.core.runs.names import NETWORKS
from app.ui.panels.runs.reading import Chosen, Recorded

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
        names = [run.row.name for run in chosen.runs]
        self.setColumnCount(1 + len(names))
        self.setHorizontalHeaderLabels(["Setting", *names])
        lines = self._differing(chosen)
        if len(names) > 1 and not lines:
            lines = [("The same data and settings", *[""] * len(names))]
        elif len(names) == 1:
            self._show_all(chosen.runs[0].info, _moved(chosen.runs[0]))
            return
        self.setRowCount(len(lines))
        for row, line in enumerate(lines):
            for column, value in enumerate(line):
                item = QTableWidgetItem(value)
                item.setToolTip(item.text())
                self.setItem(row, column, item)

    @staticmethod
    def _differing(chosen: Chosen) -> list[tuple[str, ...]]:
        """Return label and values of what not all have in common, or what was moved in one."""
        moved = [_moved(run) for run in chosen.runs]
        known = [_parameters(run.info) for run in chosen.runs]
        lines = {name: (label, values) for name, label, values in chosen.differences}
        for run in chosen.runs if len(chosen.runs) > 1 else ():
            for name, parameter in _parameters(run.info).items():
                if name not in lines and any(name in ends for ends in moved):
                    values = tuple(getattr(one.info.spec, name, None) for one in chosen.runs)
                    lines[name] = (parameter.hyper.label, values)
        symbols = {name: one.hyper.symbol for ours in known for name, one in ours.items()}
        return [
            (
                f"{label}  {symbols.get(name, '')}".strip(),
                *(
                    _in_words(name, value, ours.get(name), ends.get(name))
                    for value, ours, ends in zip(values, known, moved, strict=True)
                ),
            )
            for name, (label, values) in lines.items()
        ]

    def _show_all(self, info: RunInfo, moved: Mapping[str, Any]) -> None:
        """Show every setting of one run, and what each does."""
        self.setColumnCount(3)
        self.setHorizontalHeaderLabels(["Setting", "Value", "What it does"])
        told = _parameters(info)
        self.setRowCount(len(told))
        for row, parameter in enumerate(told.values()):
            hyper = parameter.hyper
            spec = info.spec if parameter.name in type(info.spec).model_fields else info.preprocess
            value = getattr(spec, parameter.name)
            # What is not the default is what this run is about.
            own = value != parameter.default or parameter.name in moved
            name = f"{hyper.label}  {hyper.symbol}".strip()
            shown = _in_words(parameter.name, value, parameter, moved.get(parameter.name))
            words = (name, shown, hyper.teaches)
            for column, text in enumerate(words):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                if own and column < 2:
                    letters = item.font()
                    letters.setBold(True)
                    item.setFont(letters)
                self.setItem(row, column, item)


def _moved(run: Recorded) -> dict[str, Any]:
    """Return the live values that were moved while it trained, as they were left."""
    return {change.name: change.new for _, change in run.history.moves()}


def _parameters(info: RunInfo) -> dict[str, Parameter]:
    """Return every setting that a run of its kind has, by name."""
    return {p.name: p for spec in (info.spec, info.preprocess) for p in describe(type(spec))}


def _in_words(name: str, value: Any, parameter: Parameter | None, moved: Any) -> str:
    """Return a value as a person reads it, and behind it where it was left if it was moved."""
    if parameter is None:
        # Of a run as a whole; or of a setting that the other kind of network has.
        return NETWORKS[value] if name == "kind" else "–" if value is None else str(value)
    said = value_in_words(parameter, value)
    return said if moved is None else f"{said} → {value_in_words(parameter, moved)}"
