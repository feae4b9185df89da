"""The runs as a tree that Qt shows, sorts and searches; tags and notes are edited in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PyQt6.QtCore import (
    QAbstractItemModel,
    QModelIndex,
    QObject,
    QSortFilterProxyModel,
    Qt,
    pyqtSignal,
)
from PyQt6.QtGui import QColor, QIcon, QPixmap

from app.core.errors import FilterscopeError
from app.core.run_table import RunRow
from app.core.run_tree import tree_of
from app.core.runs.labels import RunLabels, parse_tags, write_labels
from app.core.runs.names import run_name
from app.ui.panels.runs.columns import COLUMNS, NOTE, NUMBERS, TAGS, TITLES

__all__ = ["SORT_ROLE", "RunFilter", "RunModel"]

SORT_ROLE = Qt.ItemDataRole.UserRole
SWATCH = 9


@dataclass
class _Node:
    """A run (its place in `rows`), or a study or race with its runs (no place)."""

    row: int | None
    parent: int | None
    place: int
    children: list[int] = field(default_factory=list)


class RunModel(QAbstractItemModel):
    """Runs below those that they went on from, and below their study or race.

    Signals
    -------
    refused(str, str)
        Why a tag or a note was not kept, and what to do.
    """

    refused = pyqtSignal(str, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: list[RunRow] = []
        self.nested = True
        self._nodes: list[_Node] = []
        self._roots: list[int] = []
        self._node_of_row: dict[int, int] = {}
        self._colours: Mapping[Path, str] = {}
        self._words: dict[int, str] = {}

    def set_rows(self, rows: list[RunRow]) -> None:
        """Show other runs."""
        self.beginResetModel()
        self.rows = rows
        self._words = {}
        self._build()
        self.endResetModel()

    def renew(self, rows: Sequence[RunRow]) -> None:
        """Show what some of the runs say by now, each where it stands."""
        places = {row.path: place for place, row in enumerate(self.rows)}
        for row in rows:
            place = places.get(row.path)
            if place is not None:
                self.rows[place] = row
                self._words.pop(place, None)
                last = self.index_of(place, len(COLUMNS) - 1)
                self.dataChanged.emit(self.index_of(place), last)

    def set_nested(self, nested: bool) -> None:
        """Choose between the tree and one list of all runs."""
        self.beginResetModel()
        self.nested = nested
        self._build()
        self.endResetModel()

    @property
    def has_branches(self) -> bool:
        """Whether anything stands below anything."""
        return any(node.children for node in self._nodes)

    def _build(self) -> None:
        self._nodes, self._roots, self._node_of_row = [], [], {}
        place_of = {row.path: place for place, row in enumerate(self.rows)}
        families: dict[str, int] = {}
        above: list[int] = []  # the nodes from the root to the run before
        order = [(branch.depth, place_of[branch.row.path]) for branch in tree_of(self.rows)]
        if not self.nested:
            order = [(0, place) for place in range(len(self.rows))]
        for depth, place in order:
            family = self.rows[place].family
            del above[depth:]
            if above:
                parent: int | None = above[-1]
            elif family and self.nested:
                if family not in families:
                    families[family] = self._add(None, None)
                parent = families[family]
            else:
                parent = None
            above.append(self._add(place, parent))

    def _add(self, row: int | None, parent: int | None) -> int:
        number = len(self._nodes)
        sisters = self._roots if parent is None else self._nodes[parent].children
        self._nodes.append(_Node(row, parent, len(sisters)))
        sisters.append(number)
        if row is not None:
            self._node_of_row[row] = number
        return number

    def set_colours(self, colours: Mapping[Path, str]) -> None:
        """Mark the runs whose curves are drawn with the colour of their curve."""
        changed = {*self._colours, *colours}
        self._colours = dict(colours)
        for place, row in enumerate(self.rows):
            if row.path in changed:
                index = self.index_of(place)
                self.dataChanged.emit(index, index, [Qt.ItemDataRole.DecorationRole])

    def words(self, row: int) -> str:
        """Return what a search looks through."""
        if row not in self._words:
            self._words[row] = self.rows[row].words
        return self._words[row]

    # --- the tree, as Qt asks for it

    def index(self, row: int, column: int, parent: QModelIndex | None = None) -> QModelIndex:
        """Qt: the place of a cell."""
        below = self._children(parent)
        if not (0 <= row < len(below) and 0 <= column < len(COLUMNS)):
            return QModelIndex()
        return self.createIndex(row, column, below[row])

    def index_of(self, place: int, column: int = 0) -> QModelIndex:
        """Return where the run ``rows[place]`` is."""
        number = self._node_of_row[place]
        return self.createIndex(self._nodes[number].place, column, number)

    def parent(self, child: QModelIndex | None = None) -> Any:
        """Qt: what a cell stands below."""
        if child is None:
            return super().parent()
        above = self._nodes[child.internalId()].parent if child.isValid() else None
        return (
            QModelIndex() if above is None else self.createIndex(self._nodes[above].place, 0, above)
        )

    def _children(self, parent: QModelIndex | None) -> Sequence[int]:
        if parent is None or not parent.isValid():
            return self._roots
        return self._nodes[parent.internalId()].children if parent.column() == 0 else ()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Qt: how much stands below."""
        return len(self._children(parent))

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Qt: how many columns there are."""
        return len(COLUMNS)

    def place_of(self, index: QModelIndex) -> int | None:
        """Return the place in `rows` of the run at `index`; None for a study or race."""
        return self._nodes[index.internalId()].row if index.isValid() else None

    def rows_of(self, index: QModelIndex) -> list[RunRow]:
        """Return the run at `index`, or all those of a study or race."""
        node = self._nodes[index.internalId()]
        if node.row is not None:
            return [self.rows[node.row]]
        found, waiting = [], list(reversed(node.children))
        while waiting:
            below = self._nodes[waiting.pop()]
            assert below.row is not None
            found.append(self.rows[below.row])
            waiting.extend(reversed(below.children))
        return found

    # --- what stands in it

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Qt: what a column is called."""
        if orientation is Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.DisplayRole:
                return TITLES[section]
            if role == Qt.ItemDataRole.ToolTipRole:
                return COLUMNS[section].tip
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Qt: what a cell shows."""
        if not index.isValid():
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() in NUMBERS:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        column, place = COLUMNS[index.column()], self.place_of(index)
        text = role in (
            Qt.ItemDataRole.DisplayRole,
            Qt.ItemDataRole.EditRole,
            Qt.ItemDataRole.ToolTipRole,
        )
        if place is None:
            rows = self.rows_of(index)
            if text:
                return column.of_many(rows)
            return column.key_of_many(rows) if role == SORT_ROLE else None
        row = self.rows[place]
        if role == Qt.ItemDataRole.ToolTipRole and index.column() == 0:
            return _origin(row)
        if text:
            return column.text(row)
        if role == SORT_ROLE:
            return column.key(row)
        if role == Qt.ItemDataRole.DecorationRole and index.column() == 0:
            swatch = QPixmap(SWATCH, SWATCH)
            swatch.fill(QColor(self._colours.get(row.path, "#00000000")))
            icon = QIcon(swatch)
            # Qt would tint it where the row is chosen.
            icon.addPixmap(swatch, QIcon.Mode.Selected)
            return icon
        return None

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """Qt: tags and notes can be edited."""
        flags = super().flags(index)
        editable = index.column() in (TAGS, NOTE) and self.place_of(index) is not None
        return flags | Qt.ItemFlag.ItemIsEditable if editable else flags

    def set_colour(self, row: int, colour: str) -> None:
        """Keep the colour (``#rrggbb``) in which a run's curve is drawn."""
        self._keep(row, self.rows[row].labels.changed(colour=colour))

    def _keep(self, row: int, labels: RunLabels) -> None:
        write_labels(self.rows[row].path, labels)
        self.rows[row] = replace(self.rows[row], labels=labels)
        self._words.pop(row, None)

    def setData(self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Qt: keep a tag or a note in the run's folder."""
        place = self.place_of(index)
        if role != Qt.ItemDataRole.EditRole or index.column() not in (TAGS, NOTE) or place is None:
            return False
        row = self.rows[place]
        try:
            if index.column() == TAGS:
                labels = row.labels.changed(tags=parse_tags(str(value)))
            else:
                labels = row.labels.changed(note=str(value).strip())
            self._keep(place, labels)
        except FilterscopeError as error:
            self.refused.emit(error.message, error.hint)
            return False
        self.dataChanged.emit(index, index)
        return True


def _origin(row: RunRow) -> str:
    """Return the folder of a run, and what it went on from."""
    parent = row.run.info.parent
    if parent is None:
        return row.path.name
    name = run_name(parent.name)
    return f"{row.path.name}\nwent on from {name} at epoch {parent.epoch:.4g}"


class RunFilter(QSortFilterProxyModel):
    """Shows the runs in which every word of a search is found; sorts numbers as numbers.

    Of a run that is found below another one, that one is shown too.
    """

    def __init__(self, model: RunModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._search: list[str] = []
        self.setRecursiveFilteringEnabled(True)
        self.setSourceModel(model)
        self.setSortRole(SORT_ROLE)

    def search(self, text: str) -> None:
        """Show what has all words of `text`."""
        self._search = text.lower().split()
        self.invalidateFilter()

    def found(self) -> int:
        """Return in how many runs all words are found."""
        return sum(self._has(place) for place in range(len(self._model.rows)))

    def _has(self, place: int) -> bool:
        if not self._search:
            return True
        words = self._model.words(place)
        return all(word in words for word in self._search)

    def filterAcceptsRow(self, source_row: int, source_parent: QModelIndex) -> bool:
        """Qt: whether a run is shown."""
        place = self._model.place_of(self._model.index(source_row, 0, source_parent))
        # A study or race is there for its runs.
        return self._has(place) if place is not None else not self._search

    def lessThan(self, left: QModelIndex, right: QModelIndex) -> bool:
        """Qt: the order; what is not known comes first."""
        a, b = self._model.data(left, SORT_ROLE), self._model.data(right, SORT_ROLE)
        if a is None or b is None:
            return a is None and b is not None
        less: bool = a < b
        return less
