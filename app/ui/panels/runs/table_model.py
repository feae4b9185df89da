"""The runs as a table that Qt shows, sorts and searches; tags and notes are edited in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from PyQt6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QSortFilterProxyModel,
    Qt,
    pyqtSignal,
)
from PyQt6.QtGui import QColor, QIcon, QPixmap

from app.core.errors import FilterscopeError
from app.core.run_table import RunRow
from app.core.runs.labels import RunLabels, parse_tags, write_labels

__all__ = ["COLUMNS", "RunFilter", "RunModel", "duration_text"]

NETWORKS = {"autoencoder": "autoencoder", "cnn": "CNN"}


def duration_text(seconds: float | None) -> str:
    """Return a time that went by as a person says it."""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _value_text(row: RunRow, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1%}" if row.kind == "cnn" else f"J {value:.4g}"


def _epochs_text(row: RunRow) -> str:
    return f"{row.epochs_done:.4g} / {row.epochs}"


# Title, tip, what is shown, what is sorted by.
COLUMNS: tuple[tuple[str, str, Callable[[RunRow], str], Callable[[RunRow], Any]], ...] = (
    ("Name", "Folder of the run: double-click to choose the colour of its curve", lambda r: r.path.name, lambda r: r.path.name),
    ("Network", "What was trained", lambda r: NETWORKS[r.kind], lambda r: r.kind),
    ("State", "How it ended", lambda r: r.state, lambda r: r.state),
    ("Best", "Least mean cost of an epoch, or best validation accuracy",
     lambda r: _value_text(r, r.best), lambda r: r.best),
    ("Last", "Cost at the end, or last validation accuracy",
     lambda r: _value_text(r, r.last), lambda r: r.last),
    ("Epochs", "Done, and asked for", _epochs_text, lambda r: r.epochs_done),
    ("Time", "How long it trained", lambda r: duration_text(r.seconds), lambda r: r.seconds),
    ("Started", "When it began, UTC", lambda r: r.run.info.started[:16].replace("T", " "),
     lambda r: r.run.info.started),
    ("Data", "What it learned from", lambda r: r.data, lambda r: r.data),
    ("Tags", "Words between commas: double-click to edit",
     lambda r: ", ".join(r.labels.tags), lambda r: ", ".join(r.labels.tags)),
    ("Note", "Double-click to edit", lambda r: r.labels.note, lambda r: r.labels.note),
)  # fmt: skip
TITLES = [title for title, *_ in COLUMNS]
TAGS, NOTE = TITLES.index("Tags"), TITLES.index("Note")
NUMBERS = {TITLES.index(title) for title in ("Best", "Last", "Epochs", "Time")}
SORT_ROLE = Qt.ItemDataRole.UserRole


class RunModel(QAbstractTableModel):
    """Rows of runs.

    Signals
    -------
    refused(str, str)
        Why a tag or a note was not kept, and what to do.
    """

    refused = pyqtSignal(str, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: list[RunRow] = []
        self._colours: Mapping[Path, str] = {}
        self._words: dict[int, str] = {}

    def set_rows(self, rows: list[RunRow]) -> None:
        """Show other runs."""
        self.beginResetModel()
        self.rows = rows
        self._words = {}
        self.endResetModel()

    def set_colours(self, colours: Mapping[Path, str]) -> None:
        """Mark the runs whose curves are drawn with the colour of their curve."""
        self._colours = colours
        if self.rows:
            last = self.index(len(self.rows) - 1, 0)
            self.dataChanged.emit(self.index(0, 0), last, [Qt.ItemDataRole.DecorationRole])

    def words(self, row: int) -> str:
        """Return what a search looks through."""
        if row not in self._words:
            self._words[row] = self.rows[row].words
        return self._words[row]

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Qt: how many runs there are."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Qt: how many columns there are."""
        return 0 if parent is not None and parent.isValid() else len(COLUMNS)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Qt: what a column is called."""
        if orientation is Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.DisplayRole:
                return COLUMNS[section][0]
            if role == Qt.ItemDataRole.ToolTipRole:
                return COLUMNS[section][1]
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Qt: what a cell shows."""
        if not index.isValid():
            return None
        row, column = self.rows[index.row()], index.column()
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return COLUMNS[column][2](row)
        if role == SORT_ROLE:
            return COLUMNS[column][3](row)
        if role == Qt.ItemDataRole.ToolTipRole:
            return COLUMNS[column][2](row)
        if role == Qt.ItemDataRole.TextAlignmentRole and column in NUMBERS:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.DecorationRole and column == 0:
            swatch = QPixmap(9, 9)
            swatch.fill(QColor(self._colours.get(row.path, "#00000000")))
            icon = QIcon(swatch)
            # Qt would tint it where the row is chosen.
            icon.addPixmap(swatch, QIcon.Mode.Selected)
            return icon
        return None

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Qt: tags and notes can be edited."""
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsEditable if index.column() in (TAGS, NOTE) else flags

    def set_colour(self, row: int, colour: str) -> None:
        """Keep the colour (``#rrggbb``) in which a run's curve is drawn."""
        self._keep(row, self.rows[row].labels.changed(colour=colour))

    def _keep(self, row: int, labels: RunLabels) -> None:
        write_labels(self.rows[row].path, labels)
        self.rows[row] = replace(self.rows[row], labels=labels)
        self._words.pop(row, None)

    def setData(self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Qt: keep a tag or a note in the run's folder."""
        if role != Qt.ItemDataRole.EditRole or index.column() not in (TAGS, NOTE):
            return False
        row = self.rows[index.row()]
        try:
            if index.column() == TAGS:
                labels = row.labels.changed(tags=parse_tags(str(value)))
            else:
                labels = row.labels.changed(note=str(value).strip())
            self._keep(index.row(), labels)
        except FilterscopeError as error:
            self.refused.emit(error.message, error.hint)
            return False
        self.dataChanged.emit(index, index)
        return True


class RunFilter(QSortFilterProxyModel):
    """Shows the runs in which every word of a search is found; sorts numbers as numbers."""

    def __init__(self, model: RunModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._search: list[str] = []
        self.setSourceModel(model)
        self.setSortRole(SORT_ROLE)

    def search(self, text: str) -> None:
        """Show what has all words of `text`."""
        self._search = text.lower().split()
        self.invalidateFilter()

    def filterAcceptsRow(self, source_row: int, source_parent: QModelIndex) -> bool:
        """Qt: whether a run is shown."""
        if not self._search:
            return True
        words = self._model.words(source_row)
        return all(word in words for word in self._search)

    def lessThan(self, left: QModelIndex, right: QModelIndex) -> bool:
        """Qt: the order; what is not known comes first."""
        a, b = self._model.data(left, SORT_ROLE), self._model.data(right, SORT_ROLE)
        if a is None or b is None:
            return a is None and b is not None
        less: bool = a < b
        return less
