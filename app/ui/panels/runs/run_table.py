"""The card with the table of runs: what is in it, what is chosen, and what can be done with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PyQt6.QtCore import QItemSelection, QModelIndex, QPoint, Qt, pyqtSignal
from PyQt6.QtGui import QAction, QHideEvent, QKeySequence
from PyQt6.QtWidgets import QLineEdit, QMenu, QSizePolicy

from app.core.errors import FilterscopeError
from app.core.run_table import TRASH, RunRow
from app.core.settings import data_folder
from app.ui.panels.runs.actions import RunActions
from app.ui.panels.runs.run_reader import RunReader
from app.ui.panels.runs.run_tree import RunTree
from app.ui.panels.runs.table_model import RunFilter, RunModel
from app.ui.widgets.card import Card, ToggleButton, quiet_label
from app.workers.thread import Runner

__all__ = ["RunTable"]


class RunTable(Card):
    """All runs, or those in the trash.

    Signals
    -------
    problem(str, str, str)
        Message, hint and, for a bug, the report.
    chosen()
        Other runs are chosen, or a colour is another.

    Attributes
    ----------
    run_actions : RunActions
        What can be done with the chosen ones.
    """

    problem = pyqtSignal(str, str, str)
    chosen = pyqtSignal()

    def __init__(self, runner: Runner) -> None:
        super().__init__("Runs", "runs")
        self.reader = RunReader(runner, self)
        self.reader.listed.connect(self._on_listed)
        self.reader.followed.connect(self._on_followed)
        self.reader.problem.connect(self.problem)
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
            on=True,
        )
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
        actions.write_wanted.connect(self._on_write)
        self.open, self.go_on, self.delete = actions.open, actions.go_on, actions.delete
        for button in actions.buttons:
            self.add_tool(button)

    def _build_table(self) -> None:
        table = self.table = RunTree(self.model, self.shown)
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
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.hide()
        self.body.addWidget(self.empty)

    # --- reading

    def refresh(self) -> None:
        """Read all runs again, in the background."""
        self.note.setText("Reading …")
        self.reader.list_runs(data_folder() / TRASH if self.in_trash else data_folder())

    def refresh_and_choose(self, paths: set[Path]) -> None:
        """Read all runs again, then choose those in these folders."""
        self._then = paths
        self.refresh()

    def cancel(self) -> None:
        """Give up what is under way."""
        self.reader.cancel()

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Qt: nobody looks, so nothing is followed; the next look reads all anew."""
        super().hideEvent(event)
        self.reader.rest()

    def _follow(self) -> None:
        """Look again in a while, as long as somebody looks."""
        if self.isVisible():
            self.reader.follow(self.model.rows)

    def _on_followed(self, rows: list[RunRow]) -> None:
        chosen = {row.path for row in self.chosen_rows()}
        self.model.renew(rows)
        if any(row.path in chosen for row in rows):
            self._on_selection()
        self._follow()

    def _on_listed(self, rows: list[RunRow]) -> None:
        before, self._then = self._then or {row.path for row in self.chosen_rows()}, set()
        folded = self.table.folded()
        self.model.set_rows(rows)
        self.table.unfold(folded)
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
        self._follow()

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
        self.table.unfold()
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

    def _on_write(self, column: int) -> None:
        selection = self.table.selectionModel()
        assert selection is not None
        for index in selection.selectedRows()[:1]:
            self.table.write_on(index, column)

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
