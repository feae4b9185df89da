"""Decides what is done next, and does it, in whatever window is in front."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from PyQt6.QtCore import QPoint, Qt, QTimer
from PyQt6.QtGui import QAction
from PyQt6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QDialog,
    QFileDialog,
    QMenu,
    QWidget,
)

from app.core.runs.files import folders_of
from app.ui.main_window import MainWindow
from tools.random_user import hand
from tools.random_user.checks import Checks
from tools.random_user.fingers import Fingers
from tools.random_user.scratch import BadDisk, Scratch
from tools.random_user.watch import Watch

Action = Callable[[QWidget], None]

# The first is for a desktop, which there is none of; the second is how a session ends.
NOT_CHOSEN = ("actionDesktop", "actionQuit")
MILLISECONDS = (0, 0, 1, 5, 5, 20, 50, 200)
LONG_MILLISECONDS = (300, 700, 1500)
SIZES = ((980, 640), (1024, 700), (1400, 880), (1900, 1000), (1000, 1300))
# So many actions lie between two looks at what must hold of all widgets.
CHECK_ALL_EVERY = 40


class RandomUser(Fingers):
    """Does `actions` things in a window, one after the other, then closes it.

    Parameters
    ----------
    window : MainWindow
    choose : random.Random
        Says what is done; the same numbers try the same things.
    scratch, disk, watch
        Where files are, what saves them, and who hears of faults.
    actions : int
    """

    def __init__(
        self,
        window: MainWindow,
        choose: random.Random,
        scratch: Scratch,
        disk: BadDisk,
        watch: Watch,
        actions: int,
    ) -> None:
        super().__init__(window, choose, watch)
        self._window, self._scratch, self._disk, self._left = window, scratch, disk, actions
        self._checks = Checks(window)
        self._pause = 0
        self._actions: dict[Action, int] = {
            self.click_a_button: 30,
            self.press_a_key: 10,
            self.train: 14,
            self.change_to_a_lab: 3,
            self.write_into_a_field: 10,
            self.choose_from_a_box: 8,
            self.move_a_slider: 8,
            self.choose_rows: 9,
            self.click_anywhere: 8,
            self.drag_anywhere: 4,
            self.turn_the_wheel: 4,
            self.ask_for_a_menu: 3,
            self.choose_from_the_menus: 8,
            self.export: 5,
            self.drop_a_file: 3,
            self.make_it_small: 4,
            self.resize: 2,
            self.fill_the_disk: 1,
            self.end_a_process: 1,
            self.lose_a_run: 1,
            self.wait: 6,
        }
        self._answer_file_dialogs()
        QTimer.singleShot(0, self._next)

    def _answer_file_dialogs(self) -> None:
        """Let dialogs for files be answered at once; the program's own are clicked through."""

        def opened(_parent: Any, _title: str, _start: str, kinds: str = "") -> tuple[str, str]:
            if self._choose.random() < 0.2:
                return "", ""
            return told(self._scratch.anything_to_open(self._choose, kinds)), ""

        def folder(parent: Any, title: str, start: str) -> str:
            return opened(parent, title, start)[0]

        def saved(_parent: Any, _title: str, start: str, kinds: str) -> tuple[str, str]:
            if self._choose.random() < 0.1:
                return "", ""
            path = self._scratch.somewhere_to_save(self._choose, Path(start).name)
            return told(path), self._choose.choice(kinds.split(";;"))

        def told(path: Path) -> str:
            self._tell(f"the dialog for files says {path}")
            return str(path)

        QFileDialog.getOpenFileName = staticmethod(opened)
        QFileDialog.getExistingDirectory = staticmethod(folder)
        QFileDialog.getSaveFileName = staticmethod(saved)

    # --- one thing after the other

    def _next(self) -> None:
        """Do one thing. The next is asked for first: this one may open a dialog and wait for it."""
        if self._left <= 0:
            self._end()
            return
        self._left -= 1
        QTimer.singleShot(self._choose.choice(MILLISECONDS) + self._pause, self._next)
        self._pause = 0
        front = QApplication.activePopupWidget() or QApplication.activeModalWidget()
        if front is None:
            self._look()
            action = self._choose.choices(list(self._actions), list(self._actions.values()))[0]
        else:
            action = self.answer_a_dialog if isinstance(front, QDialog) else self.answer_a_popup
        self._watch.note(action.__name__.replace("_", " "))
        try:
            action(front or self._window)
        except RuntimeError as error:
            # What was under the mouse is gone by now, as it may be for a person too.
            if "has been deleted" not in str(error):
                raise

    def _look(self) -> None:
        faults = list(self._checks.faults())
        if self._left % CHECK_ALL_EVERY == 0:
            faults += self._checks.mute()
        if faults:
            self._watch.found("\n".join(faults))

    def _end(self) -> None:
        """Close what is open, the window last; a dialog may need to be told twice."""
        # A run whose end finds no room counts as running until the process is gone.
        self._disk.get_full(0.0)
        front = QApplication.activePopupWidget() or QApplication.activeModalWidget()
        (front or self._window).close()
        if self._window.isVisible():
            QTimer.singleShot(20, self._end)

    # --- what is in front of the window

    def answer_a_popup(self, popup: QWidget) -> None:
        """Choose from a menu or a list that lies over the window, or leave it."""
        if self._choose.random() < 0.25:
            hand.press(popup, Qt.Key.Key_Escape)
            popup.close()
            return
        actions = [a for a in popup.actions() if a.isVisible() and not a.isSeparator()]
        view = popup.findChild(QAbstractItemView)
        if isinstance(popup, QMenu) and actions:
            action = self._choose.choice(actions)
            if action.isEnabled() and action.objectName() not in NOT_CHOSEN:
                self._tell(f"{action.objectName()} “{action.text()}”")
                hand.click(popup, popup.actionGeometry(action).center())
        elif view is not None:
            self.choose_rows(popup)
        else:
            self.press_a_key(popup)

    def answer_a_dialog(self, dialog: QWidget) -> None:
        """Do something in a dialog: sooner or later one of its buttons ends it."""
        self._choose.choice(
            [
                self.click_a_button,
                self.click_a_button,
                self.press_a_key,
                self.write_into_a_field,
                self.choose_from_a_box,
                self.choose_rows,
                self.move_a_slider,
                self._dismiss,
                self._dismiss,
            ]
        )(dialog)

    def _dismiss(self, dialog: QWidget) -> None:
        self._tell(f"closes {hand.named(dialog)}")
        dialog.close()

    # --- what only this window has

    def train(self, root: QWidget) -> None:
        """Press a button of the bar at the bottom."""
        bar = self._window.transport
        button = self._choose.choice([bar.main, bar.main, bar.main, bar.step, bar.stop, bar.reset])
        self._tell(f"{button.text().strip()} while {self._window.steered.state.value}")
        if hand.seen(button):
            hand.click(button)

    def change_to_a_lab(self, root: QWidget) -> None:
        """Press a tab."""
        tabs = [b for b in root.findChildren(QAbstractButton) if b.property("tab")]
        tab = self._one(tabs)
        if tab is not None:
            self._tell(tab.text())
            hand.click(tab)

    def choose_from_the_menus(self, root: QWidget) -> None:
        """Choose something that a menu offers, open or not."""
        bar = self._window.menuBar()
        assert bar is not None
        actions: list[QAction] = bar.actions()
        while (menu := (action := self._choose.choice(actions)).menu()) is not None:
            menu.aboutToShow.emit()
            actions = [a for a in menu.actions() if a.isVisible() and not a.isSeparator()]
        if action.isEnabled() and action.objectName() not in NOT_CHOSEN:
            self._trigger(action)

    def export(self, root: QWidget) -> None:
        """Take something away that the lab in sight offers."""
        self._window.exporter.refresh()
        there = [a for a in self._window.exporter.actions.values() if a.isVisible()]
        there = [a for a in there if a.isEnabled()]
        if there:
            self._trigger(self._choose.choice(there))

    def _trigger(self, action: QAction) -> None:
        self._tell(f"{action.objectName()} “{action.text()}”")
        action.trigger()

    def drop_a_file(self, root: QWidget) -> None:
        """Let a file fall on the window."""
        path = self._scratch.anything_to_open(self._choose)
        self._tell(str(path))
        hand.drop(root, path, self._point(root))

    def resize(self, root: QWidget) -> None:
        """Give the window another size."""
        size = self._choose.choice(SIZES)
        self._tell(f"{size}")
        root.showNormal()
        root.resize(*size)

    def fill_the_disk(self, root: QWidget) -> None:
        """Let the disk be full for a while."""
        self._disk.get_full(self._choose.uniform(0.1, 3.0))

    def end_a_process(self, root: QWidget) -> None:
        """Let a process that the program started die: one that reads, trains or is asked."""
        for child in psutil.Process().children()[:1]:
            self._tell(" ".join(child.cmdline()[1:]))
            child.kill()

    def lose_a_run(self, root: QWidget) -> None:
        """Remove the folder of a run by hand, maybe of one that trains."""
        runs = folders_of(self._scratch.runs)
        if len(runs) > 1:
            folder = self._choose.choice(sorted(runs))
            self._tell(folder.name)
            shutil.rmtree(folder, ignore_errors=True)

    def wait(self, root: QWidget) -> None:
        """Let things happen."""
        self._pause = self._choose.choice(LONG_MILLISECONDS)
        hand.move(root, QPoint(1, 1))
