"""What can be done with the chosen runs: the buttons above the table, and the menu with the rest."""

from __future__ import annotations

from functools import partial

from PyQt6.QtCore import QObject, QPoint, pyqtSignal
from PyQt6.QtGui import QAction, QColor
from PyQt6.QtWidgets import QColorDialog, QMenu, QPushButton, QWidget

from app.core.run_table import RunRow
from app.ui.panels.runs.columns import NOTE, TAGS, TITLES
from app.ui.widgets.run_curves import PALETTE

__all__ = ["RunActions"]


class RunActions(QObject):
    """Buttons and a menu for the chosen runs; what they ask for is done by others.

    Signals
    -------
    open_wanted(object), resume_wanted(object), branch_wanted(object), again_wanted(object)
        Folder of a run that is to be seen in its lab, to go on where it stopped, to have a
        child, or to be trained again from its beginning.
    write_wanted(int)
        The column of what is to be written on the chosen run: its tags or its note.
    delete_wanted(object), restore_wanted(object)
        Rows of runs that are to go to the trash, or to come back.
    coloured(object, str)
        Folder of a run, and the colour of its curve.

    Attributes
    ----------
    export_menu : QMenu or None
        What the chosen run offers to take away.
    """

    open_wanted = pyqtSignal(object)
    resume_wanted = pyqtSignal(object)
    branch_wanted = pyqtSignal(object)
    again_wanted = pyqtSignal(object)
    write_wanted = pyqtSignal(int)
    delete_wanted = pyqtSignal(object)
    restore_wanted = pyqtSignal(object)
    coloured = pyqtSignal(object, str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._parent = parent
        self._rows: list[RunRow] = []
        self._in_trash = False
        self.export_menu: QMenu | None = None
        self.open = self._button("openRun", "Open", "See this run in its lab (Enter)")
        self.go_on = self._button(
            "resumeRun", "Go on", "Train on exactly where this run stopped, in its own folder"
        )
        self.more = self._button(
            "moreOfRun", "More…", "Branch, train again and compare, export, tags, note, colour"
        )
        self.delete = self._button("deleteRuns", "Delete…", "")
        self.buttons = (self.open, self.go_on, self.more, self.delete)
        self.open.clicked.connect(self.ask_to_open)
        self.go_on.clicked.connect(lambda: self._ask(self.resume_wanted))
        self.more.clicked.connect(self._on_more)
        self.delete.clicked.connect(self.ask_to_delete)

    def _button(self, name: str, text: str, tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(name)
        button.setToolTip(tip)
        button.setAccessibleName(text)
        return button

    def show_for(self, rows: list[RunRow], *, in_trash: bool) -> None:
        """Offer what can be done with these rows."""
        self._rows, self._in_trash = rows, in_trash
        one = self._one is not None
        self.open.setEnabled(one)
        self.go_on.setEnabled(one and rows[0].resumable)
        self.more.setEnabled(bool(rows) and not in_trash)
        self.delete.setEnabled(bool(rows) and all(row.state != "running" for row in rows))
        self.delete.setText("Restore" if in_trash else "Delete…")
        self.delete.setAccessibleName(self.delete.text())
        self.delete.setToolTip(
            "Bring the chosen runs back to the others"
            if in_trash
            else "Move the chosen runs into the trash folder beside them (Del)"
        )

    @property
    def _one(self) -> RunRow | None:
        """The chosen run, if it is one and not in the trash."""
        return self._rows[0] if len(self._rows) == 1 and not self._in_trash else None

    def _ask(self, signal: object) -> None:
        if self._one is not None:
            signal.emit(self._one.path)  # type: ignore[attr-defined]

    def ask_to_open(self) -> None:
        """Ask for the chosen run to be seen in its lab."""
        self._ask(self.open_wanted)

    def ask_to_delete(self) -> None:
        """Ask for the chosen runs to go to the trash, or to come back from it."""
        if self._rows and self.delete.isEnabled():
            (self.restore_wanted if self._in_trash else self.delete_wanted).emit(self._rows)

    # --- the menu

    def _on_more(self) -> None:
        self.pop_up(self.more.mapToGlobal(self.more.rect().bottomLeft()))

    def pop_up(self, place: QPoint) -> None:
        """Show the menu at a place of the screen."""
        menu = self.menu()
        menu.exec(place)
        menu.deleteLater()

    def menu(self) -> QMenu:
        """Return what the right mouse button, or the menu key, offers for the chosen runs."""
        menu = QMenu(self._parent)
        menu.setToolTipsVisible(True)
        one = self._one
        for button in (self.open, self.go_on):
            self._same_as(menu, button)
        still = one is not None and one.state != "running"
        self._add(
            menu, "branchRun", "Branch…", still,
            "A child run goes on from its newest weights with other settings",
        ).triggered.connect(lambda: self._ask(self.branch_wanted))  # fmt: skip
        self._add(
            menu, "trainRunAgain", "Train again and compare", still,
            "From the same settings, seed and data, as a new run: is it bit-equal, or where not?",
        ).triggered.connect(lambda: self._ask(self.again_wanted))  # fmt: skip
        menu.addSeparator()
        if self.export_menu is not None and not self._in_trash:
            menu.addMenu(self.export_menu)
        for column, key in ((TAGS, "F2"), (NOTE, "Shift+F2")):
            title = TITLES[column]
            write = self._add(
                menu, f"run{title}", f"{title}…", one is not None, f"Write it in the table ({key})"
            )
            write.triggered.connect(partial(self.write_wanted.emit, column))
        self._add(
            menu, "runColour", "Colour of its curve…", one is not None,
            "The same wherever it is compared",
        ).triggered.connect(self._on_colour)  # fmt: skip
        menu.addSeparator()
        self._same_as(menu, self.delete)
        return menu

    def _add(self, menu: QMenu, name: str, text: str, enabled: bool, tip: str) -> QAction:
        action = menu.addAction(text)
        assert action is not None
        action.setObjectName(name)
        action.setToolTip(tip)
        action.setEnabled(enabled)
        return action

    def _same_as(self, menu: QMenu, button: QPushButton) -> None:
        action = self._add(menu, "", button.text(), button.isEnabled(), button.toolTip())
        action.triggered.connect(button.click)

    def _on_colour(self) -> None:
        row = self._one
        if row is None:
            return
        now = QColor(row.labels.colour) if row.labels.colour else QColor(PALETTE[0])
        colour = QColorDialog.getColor(now, self._parent, f"Colour of {row.name}")
        if colour.isValid():
            self.coloured.emit(row.path, colour.name())
