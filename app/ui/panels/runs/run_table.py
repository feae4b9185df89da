"""The card with the table of runs: what is in it, what is chosen, and what can be done with it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QItemSelection, QModelIndex, QPoint, QSize, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QAction, QHideEvent, QKeyEvent, QKeySequence, QPainter
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QLineEdit,
    QMenu,
    QSizePolicy,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTreeView,
)

from app.core.errors import FilterscopeError
from app.core.run_table import TRASH, RunRow, read_rows, read_rows_again
from app.core.settings import data_folder
from app.ui.panels.runs.actions import RunActions
from app.ui.panels.runs.columns import COLUMNS, TITLES
from app.ui.panels.runs.table_model import RunFilter, RunModel
from app.ui.theme import theme
from app.ui.widgets.card import Card, ToggleButton, quiet_label
from app.workers.task_worker import Task, TaskWorker
from app.workers.thread import Runner

__all__ = ["RunTable"]

# So often it is seen how far a run that trains is.
FOLLOW_MILLISECONDS = 2000


class _Tree(QTreeView):
    """A tree whose chosen runs Enter opens and Delete throws away."""

    enter_pressed = pyqtSignal()
    delete_pressed = pyqtSignal()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Qt: the two keys; all others as ever."""
        assert event is not None
        if self.state() == QAbstractItemView.State.EditingState:
            super().keyPressEvent(event)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.enter_pressed.emit()
        elif event.key() == Qt.Key.Key_Delete:
            self.delete_pressed.emit()
        else:
            super().keyPressEvent(event)

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


class RunTable(Card):
    """All runs, or those in the trash.

    Signals
    -------
    problem(str, str, str)
        Message, hint and, for a bug, the report.
    chosen()
        Other runs are chosen, or a colour is another.
    columns_hidden(object)
        Titles of the columns that the person hides from now on.

    Attributes
    ----------
    run_actions : RunActions
        What can be done with the chosen ones.
    """

    problem = pyqtSignal(str, str, str)
    chosen = pyqtSignal()
    columns_hidden = pyqtSignal(object)

    def __init__(self, runner: Runner) -> None:
        super().__init__("Runs", "runs")
        self._runner = runner
        self._listing: TaskWorker[list[RunRow]] | None = None
        self._following: TaskWorker[list[RunRow]] | None = None
        self._clock = QTimer(self)
        self._clock.setSingleShot(True)
        self._clock.setInterval(FOLLOW_MILLISECONDS)
        self._clock.timeout.connect(self.follow)
        self._again = False
        # What is chosen when the runs have been read.
        self._then: set[Path] = set()
        self._seen_before = self._searching = False
        self.in_trash = False
        self.run_actions = RunActions(self)
        self.model = RunModel(self)
        self.model.refused.connect(lambda message, hint: self.problem.emit(message, hint, ""))
        self.shown = RunFilter(self.model, self)
        self._build_tools()
        self._build_table()
        self._show_buttons()

    # --- building

    def _build_tools(self) -> None:
        self.tree = ToggleButton(
            "runTree",
            "tree",
            "Runs below the run that they went on from, or below their study or race",
            self._on_tree,
        )
        self.tree.blockSignals(True)
        self.tree.setChecked(True)
        self.tree.blockSignals(False)
        self.trash = ToggleButton(
            "runTrash", "trash", f"The runs in the folder “{TRASH}”, to bring back", self._on_trash
        )
        self.search = QLineEdit()
        self.search.setObjectName("runSearch")
        self.search.setPlaceholderText("Search names, settings, tags, notes")
        self.search.setAccessibleName("Search runs")
        self.search.setToolTip("Words that must all be found, such as: solver=adam good (Ctrl+F)")
        self.search.setClearButtonEnabled(True)
        self.search.setMinimumWidth(120)
        self.search.setMaximumWidth(280)
        self.search.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.search.textChanged.connect(self._on_search)
        for widget in (self.tree, self.trash, self.search):
            self.add_tool(widget)
        actions = self.run_actions
        actions.coloured.connect(self._on_coloured)
        self.open, self.go_on, self.delete = actions.open, actions.go_on, actions.delete
        for button in actions.buttons:
            self.add_tool(button)

    def _build_table(self) -> None:
        table = self.table = _Tree()
        table.setObjectName("runTable")
        table.setAccessibleName("All runs")
        table.setModel(self.shown)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        table.setUniformRowHeights(True)
        table.setItemDelegate(_Cell(table))
        table.setIndentation(16)
        table.setIconSize(QSize(9, 9))
        table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        table.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        # A double click opens a run; the little triangle and the arrow keys fold.
        table.setExpandsOnDoubleClick(False)
        columns = table.header()
        assert columns is not None
        columns.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        columns.setStretchLastSection(True)
        columns.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        columns.customContextMenuRequested.connect(self._on_header)
        for place, column in enumerate(COLUMNS):
            table.setColumnWidth(place, column.width)
        table.setSortingEnabled(True)
        table.sortByColumn(TITLES.index("Started"), Qt.SortOrder.DescendingOrder)
        table.doubleClicked.connect(self._on_double_click)
        table.customContextMenuRequested.connect(self._on_menu)
        selection = table.selectionModel()
        assert selection is not None
        selection.selectionChanged.connect(self._on_selection)
        self.body.addWidget(table)
        table.enter_pressed.connect(self.run_actions.ask_to_open)
        table.delete_pressed.connect(self.run_actions.ask_to_delete)
        find = QAction(self)
        find.setShortcut(QKeySequence.StandardKey.Find)
        find.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        find.triggered.connect(lambda: self.search.setFocus())
        self.addAction(find)
        self.empty = quiet_label("There are no runs yet: train a network, and it is kept here.")
        self.empty.setObjectName("noRuns")
        self.empty.hide()
        self.body.addWidget(self.empty)

    # --- columns

    def hide_columns(self, titles: Sequence[str]) -> None:
        """Hide the columns with these titles, and show all others; the first is always there."""
        for place, title in enumerate(TITLES):
            self.table.setColumnHidden(place, title in titles and place > 0)

    def hidden_titles(self) -> tuple[str, ...]:
        """Return the titles of the columns that are hidden."""
        return tuple(t for place, t in enumerate(TITLES) if self.table.isColumnHidden(place))

    def columns_menu(self) -> QMenu:
        """Return what the right mouse button offers on the titles."""
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        for place, title in enumerate(TITLES[1:], 1):
            action = menu.addAction(title)
            assert action is not None
            action.setCheckable(True)
            action.setChecked(not self.table.isColumnHidden(place))
            action.setToolTip(COLUMNS[place].tip)
            action.toggled.connect(partial(self._show_column, place))
        menu.addSeparator()
        every = menu.addAction("All columns")
        assert every is not None
        every.triggered.connect(self._show_all_columns)
        return menu

    def _on_header(self, position: QPoint) -> None:
        header = self.table.header()
        assert header is not None
        menu = self.columns_menu()
        menu.exec(header.mapToGlobal(position))
        menu.deleteLater()

    def _show_column(self, place: int, shown: bool) -> None:
        self.table.setColumnHidden(place, not shown)
        self.columns_hidden.emit(self.hidden_titles())

    def _show_all_columns(self) -> None:
        self.hide_columns(())
        self.columns_hidden.emit(())

    # --- reading

    def refresh(self) -> None:
        """Read all runs again, in the background."""
        if self._listing is not None:
            self._again = True
            return
        root = data_folder() / TRASH if self.in_trash else data_folder()

        def job(task: Task) -> list[RunRow]:
            return read_rows(root, cancel=task.cancelled)

        self.note.setText("Reading …")
        self._listing = TaskWorker(job)
        self._listing.ended.connect(self._on_listed)
        self._runner.start(self._listing)

    def refresh_and_choose(self, paths: set[Path]) -> None:
        """Read all runs again, then choose those in these folders."""
        self._then = paths
        self.refresh()

    def cancel(self) -> None:
        """Give up what is under way."""
        self._again = False
        self._clock.stop()
        if self._listing is not None:
            self._listing.request_stop()

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Qt: nobody looks, so nothing is followed; the next look reads all anew."""
        super().hideEvent(event)
        self._clock.stop()

    def follow(self) -> None:
        """Read again how far the runs are that train."""
        growing = [row for row in self.model.rows if row.state == "running"]
        if not growing or self._listing is not None or self._following is not None:
            return
        self._following = TaskWorker(lambda _: read_rows_again(growing))
        self._following.ended.connect(self._on_followed)
        self._runner.start(self._following)

    def _on_followed(self) -> None:
        worker, self._following = self._following, None
        if worker is None or worker.result is None or self._listing is not None:
            return
        chosen = {row.path for row in self.chosen_rows()}
        self.model.renew(worker.result)
        if any(row.path in chosen for row in worker.result):
            self._on_selection()
        self._follow_on()

    def _follow_on(self) -> None:
        """Look again in a while, as long as somebody looks and something trains."""
        if self.isVisible() and any(row.state == "running" for row in self.model.rows):
            self._clock.start()

    def _on_listed(self) -> None:
        worker, self._listing = self._listing, None
        if worker is None:
            return
        if self._again:
            # Meanwhile something has changed.
            self._again = False
            self.refresh()
        elif worker.bug:
            self.problem.emit("Reading the runs failed.", "", worker.bug)
        elif worker.error is not None:
            self.problem.emit(*worker.error, "")
        elif worker.result is not None:
            self._set_rows(worker.result)

    def _set_rows(self, rows: list[RunRow]) -> None:
        before, self._then = self._then or {row.path for row in self.chosen_rows()}, set()
        folded = self._folded()
        self.model.set_rows(rows)
        self._unfold(folded)
        self.empty.setText(
            "The trash is empty."
            if self.in_trash
            else "There are no runs yet: train a network, and it is kept here."
        )
        self.table.setVisible(bool(rows))
        self.empty.setVisible(not rows)
        if not self._seen_before and not before and rows:
            # Something is to be seen at the first look: the newest run.
            before = {rows[0].path}
        self._seen_before = True
        self.choose(before)
        self._count()
        self._follow_on()

    def _folded(self) -> set[str]:
        """Return the names of what the person has folded."""
        found, waiting = set(), [QModelIndex()]
        while waiting:
            above = waiting.pop()
            for row in range(self.shown.rowCount(above)):
                index = self.shown.index(row, 0, above)
                if self.shown.rowCount(index):
                    waiting.append(index)
                    if not self.table.isExpanded(index):
                        found.add(str(index.data()))
        return found

    def _unfold(self, but: set[str]) -> None:
        self.table.setRootIsDecorated(self.model.has_branches)
        self.table.expandAll()
        if not but:
            return
        for row in range(self.shown.rowCount()):
            index = self.shown.index(row, 0)
            if str(index.data()) in but:
                self.table.collapse(index)

    def _count(self) -> None:
        shown, total = self.shown.found(), len(self.model.rows)
        many = f"{shown} of {total}" if shown != total else f"{total}"
        where = " in the trash" if self.in_trash else ""
        self.note.setText(f"{many} run{'' if total == 1 else 's'}{where}")

    def _on_search(self, text: str) -> None:
        # Rows that go take their choice with them, in the middle of Qt's work on the rows: who is
        # chosen is asked when that is done.
        self._searching = True
        self.shown.search(text)
        self._searching = False
        self.table.expandAll()
        self._count()
        self._on_selection()

    def _on_tree(self, on: bool) -> None:
        before = {row.path for row in self.chosen_rows()}
        self.model.set_nested(on)
        self._unfold(set())
        self.choose(before)

    def _on_trash(self, on: bool) -> None:
        self.in_trash = on
        self.table.clearSelection()
        self.refresh()
        self._show_buttons()

    # --- what is chosen

    def chosen_rows(self) -> list[RunRow]:
        """Return the chosen runs, in the order of the table; a study or race stands for its runs."""
        selection = self.table.selectionModel()
        assert selection is not None
        indices = sorted(selection.selectedRows(), key=_path_of)
        found: dict[Path, RunRow] = {}
        for index in indices:
            for row in self.model.rows_of(self.shown.mapToSource(index)):
                found.setdefault(row.path, row)
        return list(found.values())

    def choose(self, paths: set[Path]) -> None:
        """Choose the runs in these folders."""
        selection = self.table.selectionModel()
        assert selection is not None
        wanted = QItemSelection()
        for place, one in enumerate(self.model.rows):
            index = self.shown.mapFromSource(self.model.index_of(place))
            if one.path in paths and index.isValid():
                wanted.select(index, index)
        mode = selection.SelectionFlag
        selection.select(wanted, mode.ClearAndSelect | mode.Rows)
        self._on_selection()

    def _on_selection(self, *_: Any) -> None:
        if self._searching:
            return
        self._show_buttons()
        self.chosen.emit()

    def _show_buttons(self) -> None:
        self.run_actions.show_for(self.chosen_rows(), in_trash=self.in_trash)

    # --- what is done with them

    def _on_menu(self, position: QPoint) -> None:
        viewport = self.table.viewport()
        assert viewport is not None
        self.run_actions.pop_up(viewport.mapToGlobal(position))

    def menu(self) -> QMenu:
        """Return what the right mouse button, or the menu key, offers for the chosen runs."""
        return self.run_actions.menu()

    def _on_coloured(self, path: Path, colour: str) -> None:
        place = [one.path for one in self.model.rows].index(path)
        try:
            self.model.set_colour(place, colour)
        except FilterscopeError as error:
            self.problem.emit(error.message, error.hint, "")
        self.chosen.emit()

    def _on_double_click(self, index: QModelIndex) -> None:
        place = self.model.place_of(self.shown.mapToSource(index))
        if place is None:
            first = index.siblingAtColumn(0)
            self.table.setExpanded(first, not self.table.isExpanded(first))
        elif not index.flags() & Qt.ItemFlag.ItemIsEditable and not self.in_trash:
            self.run_actions.open_wanted.emit(self.model.rows[place].path)


def _path_of(index: QModelIndex) -> tuple[int, ...]:
    """Return the places from the root to a row: the order in which rows stand below each other."""
    places = []
    while index.isValid():
        places.append(index.row())
        index = index.parent()
    return tuple(reversed(places))
