"""The window's menus: every action has a name, a tooltip and, where it is needed often, a key."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PyQt6.QtGui import QAction, QActionGroup, QKeySequence
from PyQt6.QtWidgets import QDialog, QMenu

from app.core.errors import FilterscopeError
from app.ui.dialogs.help_dialogs import AboutDialog, ShortcutsDialog
from app.ui.labs.places import TITLES

if TYPE_CHECKING:
    from app.ui.main_window import MainWindow

__all__ = ["Menus"]

THEMES = (
    ("system", "Colours of the system", "Dark or light as the system is, and follow it"),
    ("light", "Light", "Dark signs on white, as on paper"),
    ("dark", "Dark", "Light signs on black, for dim rooms"),
)


class Menus:
    """Builds the menu bar of a window.

    Attributes
    ----------
    train, stop : QAction
        What the first does depends on the state, which its text says.
    recent : QMenu
        Filled when it opens.
    """

    def __init__(self, window: MainWindow) -> None:
        self._window = window
        self._build_file()
        self._build_train()
        self._build_view()
        self._build_help()
        escape = QAction(window)
        escape.setShortcut(QKeySequence("Esc"))
        escape.triggered.connect(window.notice.hide)
        window.addAction(escape)

    def _menu(self, title: str) -> QMenu:
        bar = self._window.menuBar()
        assert bar is not None
        menu = bar.addMenu(title)
        assert menu is not None
        menu.setToolTipsVisible(True)
        return menu

    def _action(
        self,
        menu: QMenu,
        name: str,
        text: str,
        slot: Callable[..., object],
        tip: str,
        keys: str = "",
    ) -> QAction:
        action = QAction(text, self._window)
        action.setObjectName(name)
        if keys:
            action.setShortcut(QKeySequence(keys))
        action.setStatusTip(tip)
        action.setToolTip(tip)
        action.triggered.connect(slot)
        menu.addAction(action)
        return action

    def _build_file(self) -> None:
        window, menu = self._window, self._menu("&File")
        add = partial(self._action, menu)
        add(
            "actionOpen",
            "Open…",
            window.opening.ask_for_file,
            "A file for the lab in sight",
            "Ctrl+O",
        )
        add(
            "actionPhotos",
            "Open a folder…",
            window.opening.ask_for_folder,
            "Photographs to cut patches from, or in the CNN lab a folder for each class",
            "Ctrl+Shift+O",
        )
        add(
            "actionSample",
            "Open the sample patches",
            window.opening.open_sample,
            "10 240 crops of free photographs that come with the program",
        )
        add(
            "actionWeights",
            "Load weights…",
            window.opening.ask_for_weights,
            "Safetensors, a state_dict or .npz into the network of the lab in sight",
        )
        add(
            "actionOpenRun",
            "Open a run…",
            lambda: window.takeaway.ask_for_run(),
            "A .filterscope file, as Export > The whole run writes it; it joins the runs",
        )
        recent = menu.addMenu("Open recent")
        assert recent is not None
        self.recent = recent
        recent.setToolTipsVisible(True)
        recent.aboutToShow.connect(self._fill_recent)
        menu.addSeparator()
        menu.addMenu(window.exporter.menu)
        menu.addSeparator()
        add(
            "actionQuit",
            "Quit",
            window.close,
            "Stop what runs and close the window; runs stay in their folders",
            "Ctrl+Q",
        )

    def _fill_recent(self) -> None:
        self.recent.clear()
        for path in self._window.opening.recent:
            action = self.recent.addAction(path)
            assert action is not None
            action.setObjectName("actionRecent")
            action.setToolTip(f"Open {path} again")
            action.triggered.connect(partial(self._window.opening.open, path))
        if not self._window.opening.recent:
            nothing = self.recent.addAction("Nothing yet")
            assert nothing is not None
            nothing.setEnabled(False)

    def _build_train(self) -> None:
        window, menu = self._window, self._menu("&Train")
        add = partial(self._action, menu)
        self.train = add("actionTrain", "Train", window.on_space, "Train, pause or go on", "Space")
        add("actionStep", "One step", window.on_step, "One mini-batch, then wait", ".")
        self.stop = add(
            "actionStop",
            "Stop, keep the model",
            window.on_stop,
            "End after this mini-batch; Continue goes on from there",
            "Ctrl+.",
        )
        menu.addSeparator()
        add(
            "actionReset",
            "Reset to the same first weights",
            window.on_reset,
            "The same seed: the same noise, the same order, the same curve",
            "Ctrl+R",
        )
        add(
            "actionNewSeed",
            "Reset with a new seed",
            window.on_new_seed,
            "Other noise to begin with: what comes out each time?",
            "Ctrl+Shift+R",
        )
        add(
            "actionTrainAgain",
            "Train the run again and compare",
            lambda: window.takeaway.train_again(),
            "From the same settings, seed and data, as a new run: is it bit-equal, or where not?",
        )
        menu.addSeparator()
        add(
            "actionOwnModel",
            "Your own model…",
            window.opening.ask_for_model,
            "A file with a torch.nn.Module, instead of the CNN lab's layers",
        )

    def _build_view(self) -> None:
        window, menu = self._window, self._menu("&View")
        for place, title in enumerate(TITLES):
            open_lab = partial(window.show_lab, place)
            self._action(
                menu,
                f"actionLab{title}",
                title,
                lambda _on, open_lab=open_lab: open_lab(),
                f"The {title} lab",
                f"Ctrl+{place + 1}",
            )
        menu.addSeparator()
        for name, text, by, tip, keys in (
            ("actionEarlier", "An earlier moment", -1, "Filters and curves as they were", "["),
            ("actionLater", "A later moment", 1, "On towards the newest weights", "]"),
        ):
            scrub = partial(self._scrub, by)
            self._action(menu, name, text, lambda _on, scrub=scrub: scrub(), tip, keys)
        menu.addSeparator()
        group = QActionGroup(window)
        for choice, text, tip in THEMES:
            choose = partial(window.choose_theme, choice)
            action = self._action(
                menu,
                f"actionTheme{choice.title()}",
                text,
                lambda _on, choose=choose: choose(),
                tip,
            )
            action.setCheckable(True)
            action.setChecked(window.settings.theme == choice)
            group.addAction(action)
        menu.addSeparator()
        full = self._action(
            menu,
            "actionFullScreen",
            "Full screen",
            window.show_full_screen,
            "All of the screen for the pictures, and back",
            "F11",
        )
        full.setCheckable(True)

    def _scrub(self, by: int) -> None:
        """Move the lab in sight through the past of its training."""
        if self._window.lab.visible and self._window.lab.scrub is not None:
            self._window.lab.scrub.bar.step_by(by)

    def _build_help(self) -> None:
        menu = self._menu("&Help")
        add = partial(self._action, menu)
        add("actionShortcuts", "Keys", self._show_keys, "What can be done without the mouse", "F1")
        add(
            "actionDesktop",
            "Put a shortcut on the desktop",
            self._put_shortcut,
            "An icon that starts Filterscope with a double click",
        )
        add("actionAbout", "About Filterscope", self._show_about, "Version, engine and licence")

    def _show_keys(self) -> None:
        self._show(ShortcutsDialog(self._window))

    def _show_about(self) -> None:
        self._show(AboutDialog(self._window))

    def _show(self, dialog: QDialog) -> None:
        dialog.exec()
        dialog.deleteLater()

    def _put_shortcut(self) -> None:
        from app.shortcut import install_shortcut

        try:
            where = install_shortcut()
        except FilterscopeError as error:
            self._window.notice.tell("problem", error.message, error.hint)
        else:
            self._window.notice.tell("good", f"A shortcut is at {where}.")
