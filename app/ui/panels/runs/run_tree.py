"""The table of runs as it looks: columns that can be hidden, rows below rows, its keys."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from PyQt6.QtCore import QEvent, QModelIndex, QPoint, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent, QPainter, QResizeEvent
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QMenu,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTreeView,
    QWidget,
)

from app.ui.panels.runs.columns import COLUMNS, NOTE, SETTINGS, TAGS, TITLES
from app.ui.panels.runs.table_model import RunFilter, RunModel
from app.ui.theme import theme

__all__ = ["RunTree"]

# The column of settings takes what others leave, within these.
LEAST_SETTINGS, MOST_SETTINGS = 150, 320
# Pixels in which tags or a note are written.
LEAST_EDITOR = 220


class RunTree(QTreeView):
    """A tree whose chosen runs Enter opens and Delete throws away; Space chooses, F2 writes.

    Signals
    -------
    enter_pressed()
    delete_pressed()
    columns_hidden(object)
        Titles of the columns that the person hides from now on.
    """

    enter_pressed = pyqtSignal()
    delete_pressed = pyqtSignal()
    columns_hidden = pyqtSignal(object)

    def __init__(self, model: RunModel, shown: RunFilter) -> None:
        super().__init__()
        self._model, self._shown = model, shown
        self.setObjectName("runTable")
        self.setAccessibleName("All runs")
        self.setModel(shown)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setUniformRowHeights(True)
        self.setItemDelegate(_Cell(self))
        self.setIndentation(16)
        self.setIconSize(QSize(9, 9))
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        # A double click opens a run; the little triangle and the arrow keys fold.
        self.setExpandsOnDoubleClick(False)
        header = self.header()
        assert header is not None
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setStretchLastSection(True)
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.customContextMenuRequested.connect(self._on_header)
        for place, column in enumerate(COLUMNS):
            self.setColumnWidth(place, column.width)
        # Whether the person has said how wide settings are; until then they take what is left.
        self._own_width = self._fitting = False
        header.sectionResized.connect(self._on_resized)
        self.setSortingEnabled(True)
        self.sortByColumn(TITLES.index("Started"), Qt.SortOrder.DescendingOrder)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Qt: its own keys; all others as ever."""
        assert event is not None
        if self.state() == QAbstractItemView.State.EditingState:
            super().keyPressEvent(event)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.enter_pressed.emit()
        elif event.key() == Qt.Key.Key_Delete:
            self.delete_pressed.emit()
        elif event.key() == Qt.Key.Key_F2:
            # Where the keyboard is in a row is not seen: F2 is for tags, with Shift for the note.
            shift = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
            self.write_on(self.currentIndex(), NOTE if shift else TAGS)
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent | None) -> bool:
        """Qt: Space chooses a row here; elsewhere it is the window's."""
        override = QEvent.Type.ShortcutOverride
        if isinstance(event, QKeyEvent) and event.type() == override:
            editing = self.state() == QAbstractItemView.State.EditingState
            if event.key() == Qt.Key.Key_Space and not editing:
                event.accept()
                return True
        return super().event(event)

    def write_on(self, index: QModelIndex, column: int) -> None:
        """Let the person write the tags or the note of the run at `index`, where there is one."""
        cell = index.siblingAtColumn(column)
        if not cell.flags() & Qt.ItemFlag.ItemIsEditable:
            return
        if self.isColumnHidden(column):
            self._show_column(column, True)
        selection = self.selectionModel()
        assert selection is not None
        selection.setCurrentIndex(cell, selection.SelectionFlag.NoUpdate)
        self.scrollTo(cell)
        self.edit(cell)

    def drawRow(
        self, painter: QPainter | None, options: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        """Qt: a row, with a plain outline where the keyboard is."""
        super().drawRow(painter, options, index)
        viewport = self.viewport()
        if painter is None or viewport is None or not self.hasFocus():
            return
        if self.currentIndex().siblingAtColumn(0) == index.siblingAtColumn(0):
            row = self.visualRect(index)
            painter.setPen(theme.colour("quiet"))
            painter.drawRect(0, row.top(), viewport.width() - 1, row.height() - 1)

    def currentChanged(self, current: QModelIndex, previous: QModelIndex) -> None:
        """Qt: the keyboard is at another row."""
        super().currentChanged(current, previous)
        viewport = self.viewport()
        if viewport is not None:
            # The outline is wider than the cells that Qt draws anew.
            viewport.update()

    # --- columns

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Qt: another width; what other columns leave is for the settings."""
        super().resizeEvent(event)
        self._fit_settings()

    def _fit_settings(self) -> None:
        viewport = self.viewport()
        if self._own_width or viewport is None:
            return
        others = sum(
            column.width
            for place, column in enumerate(COLUMNS)
            if place != SETTINGS and not self.isColumnHidden(place)
        )
        self._fitting = True
        self.setColumnWidth(
            SETTINGS, min(max(viewport.width() - others, LEAST_SETTINGS), MOST_SETTINGS)
        )
        self._fitting = False

    def _on_resized(self, place: int, before: int, now: int) -> None:
        # A column that is hidden, or shown again, has the width 0 then.
        if place == SETTINGS and not self._fitting and before and now:
            self._own_width = True

    def hide_columns(self, titles: Sequence[str]) -> None:
        """Hide the columns with these titles, and show all others; the first is always there."""
        for place, title in enumerate(TITLES):
            self.setColumnHidden(place, title in titles and place > 0)
        self._fit_settings()

    def hidden_titles(self) -> tuple[str, ...]:
        """Return the titles of the columns that are hidden."""
        return tuple(t for place, t in enumerate(TITLES) if self.isColumnHidden(place))

    def columns_menu(self) -> QMenu:
        """Return what the right mouse button offers on the titles."""
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        for place, title in enumerate(TITLES[1:], 1):
            action = menu.addAction(title)
            assert action is not None
            action.setCheckable(True)
            action.setChecked(not self.isColumnHidden(place))
            action.setToolTip(COLUMNS[place].tip)
            action.toggled.connect(partial(self._show_column, place))
        menu.addSeparator()
        every = menu.addAction("All columns")
        assert every is not None
        every.triggered.connect(self._show_all_columns)
        return menu

    def _on_header(self, position: QPoint) -> None:
        header = self.header()
        assert header is not None
        menu = self.columns_menu()
        menu.exec(header.mapToGlobal(position))
        menu.deleteLater()

    def _show_column(self, place: int, shown: bool) -> None:
        self.setColumnHidden(place, not shown)
        self._fit_settings()
        self.columns_hidden.emit(self.hidden_titles())

    def _show_all_columns(self) -> None:
        self.hide_columns(())
        self.columns_hidden.emit(())

    # --- folding

    def folded(self) -> set[str]:
        """Return the names of what the person has folded."""
        found, waiting = set(), [QModelIndex()]
        while waiting:
            above = waiting.pop()
            for row in range(self._shown.rowCount(above)):
                index = self._shown.index(row, 0, above)
                if self._shown.rowCount(index):
                    waiting.append(index)
                    if not self.isExpanded(index):
                        found.add(str(index.data()))
        return found

    def unfold(self, but: Collection[str] = ()) -> None:
        """Unfold everything but what has one of these names."""
        self.setRootIsDecorated(self._model.has_branches)
        self.expandAll()
        if not but:
            return
        for row in range(self._shown.rowCount()):
            index = self._shown.index(row, 0)
            if str(index.data()) in but:
                self.collapse(index)


class _Cell(QStyledItemDelegate):
    """A cell whose text ends in dots where there is no room; of a name they are in its middle."""

    def initStyleOption(self, option: QStyleOptionViewItem | None, index: QModelIndex) -> None:
        """Qt: how a cell is drawn."""
        super().initStyleOption(option, index)
        if option is not None:
            # Names that are given by themselves begin and end differently, and are alike between.
            middle = index.column() == 0
            mode = Qt.TextElideMode.ElideMiddle if middle else Qt.TextElideMode.ElideRight
            option.textElideMode = mode
            # The row as a whole has an outline instead.
            option.state &= ~QStyle.StateFlag.State_HasFocus

    def updateEditorGeometry(
        self, editor: QWidget | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        """Qt: where one writes; whole letters, and room for some words, whatever the cell has."""
        super().updateEditorGeometry(editor, option, index)
        above = None if editor is None else editor.parentWidget()
        if editor is None or above is None:
            return
        cell = editor.geometry()
        width = max(cell.width(), LEAST_EDITOR)
        height = max(cell.height(), editor.sizeHint().height())
        left = max(0, min(cell.left(), above.width() - width))
        top = cell.center().y() - height // 2
        editor.setGeometry(left, max(0, min(top, above.height() - height)), width, height)
