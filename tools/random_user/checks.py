"""What must hold between two actions, and when the window has closed."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QApplication,
    QComboBox,
    QLineEdit,
    QMenu,
    QWidget,
)

from app.core.errors import FilterscopeError
from app.core.run_table import TRASH, read_row
from app.core.runs import RunFolder
from app.core.runs.files import folders_of
from app.core.settings import load_settings
from app.core.studies.folder import STUDIES
from app.ui.labs.places import RACE, TITLES
from app.ui.main_window import MainWindow
from app.ui.training_session import State
from tools.random_user.hand import named, seen

# What takes longer than this will not end.
SECONDS_TO_BEGIN, SECONDS_TO_STOP, SECONDS_TO_READ = 60.0, 20.0, 90.0
# Some read data to its end before they hear that they are to end.
SECONDS_TO_END = 60.0
# As much memory as a session may take, with PyTorch loaded.
MOST_BYTES = 4 << 30
MAIN_BUTTON = {
    State.STARTING: ("Pause",),
    State.RUNNING: ("Pause",),
    State.PAUSED: ("Resume",),
    State.STOPPING: ("Stopping…",),
}


class Since:
    """For how long things have been the case."""

    def __init__(self) -> None:
        self._since: dict[object, float] = {}

    def seconds(self, *what: object) -> list[float]:
        """Return for how long each of `what` is the case; what is not named is the case no more."""
        now = time.monotonic()
        self._since = {one: self._since.get(one, now) for one in what}
        return [now - self._since[one] for one in what]


class Checks:
    """Looks at a window that is open."""

    def __init__(self, window: MainWindow) -> None:
        self._window = window
        self._states, self._reading, self._asked = Since(), Since(), Since()

    def faults(self) -> Iterator[str]:
        """Yield what does not fit together, in words."""
        window = self._window
        state = window.steered.state
        bar = window.transport
        text = bar.main.text().strip()
        if text not in MAIN_BUTTON.get(state, ("Train", "Continue")):
            yield f"The button says {text} while the state is {state}."
        if bar.stop.isEnabled() != (state.alive and state is not State.STOPPING):
            yield f"Stop is {bar.stop.isEnabled()} while the state is {state}."
        if window.menus.stop.isEnabled() != state.alive:
            yield f"The menu's Stop does not fit the state {state}."
        if window._tabs.checkedId() != window.place:
            yield f"The tab {window._tabs.checkedId()} is chosen, {window.place} is seen."
        for lab in window._there():
            if lab.visible != (lab.panel is window.stack.currentWidget()):
                yield f"The lab {lab.title} takes itself for visible: {lab.visible}."
        if window.steered is not window.lab and window.place != RACE:
            yield f"The bar steers another lab than that of {TITLES[window.place]}."
        yield from self._endless(state)
        used = psutil.Process().memory_info().rss
        if used > MOST_BYTES:
            yield f"The window takes {used >> 20} MiB."

    def _endless(self, state: State) -> Iterator[str]:
        window = self._window
        most = {State.STARTING: SECONDS_TO_BEGIN, State.STOPPING: SECONDS_TO_STOP}
        (seconds,) = self._states.seconds((state, window.steered))
        if seconds > most.get(state, seconds):
            yield f"{state} for {seconds:.0f} s."
        (seconds,) = self._reading.seconds(window.data._worker)
        if window.data.busy and seconds > SECONDS_TO_READ:
            yield f"A file is read for {seconds:.0f} s."
        # A thread that has ended, or was asked to, and is heard of no more.
        asked = [w for w in window.runner._workers if w.isFinished() or w.isInterruptionRequested()]
        for worker, seconds in zip(asked, self._asked.seconds(*asked), strict=True):
            if seconds > SECONDS_TO_END:
                yield f"{type(worker).__name__} does not end: asked {seconds:.0f} s ago."

    def mute(self) -> Iterator[str]:
        """Yield controls that Tab reaches and a screen reader cannot name."""
        kinds = (QAbstractButton, QAbstractSlider, QComboBox, QLineEdit)
        for widget in self._window.findChildren(QWidget):
            if (
                isinstance(widget, kinds)
                and widget.focusPolicy() & Qt.FocusPolicy.TabFocus
                and seen(widget)
                and not widget.objectName().startswith("qt_")
                and not isinstance(widget.parentWidget(), QComboBox | QMenu)
                and not widget.accessibleName()
                and not (isinstance(widget, QAbstractButton) and widget.text())
            ):
                yield f"{named(widget)} has no name that could be read out."


def left_behind(runs: Path, refused: set[Path]) -> Iterator[str]:
    """Yield what a window that has closed left as it should not.

    A run whose end the disk `refused` counts as running until this process has ended.
    """
    gc.collect()
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.main_thread():
            thread.join(10.0)
            if thread.is_alive() and not thread.name.startswith("kernel"):
                yield f"The thread {thread.name} is left."
    children = psutil.Process().children(recursive=True)
    _, alive = psutil.wait_procs(children, timeout=10.0)
    for child in alive:
        yield f"A process is left: {child.cmdline()}."
    for widget in QApplication.topLevelWidgets():
        if widget.isVisible():
            yield f"{named(widget)} is still to be seen."
    _, trouble = load_settings()
    if trouble:
        yield trouble
    for part in runs.rglob("*.part-*"):
        yield f"{part} is half a file."
    for folder in folders_of(runs):
        if folder.name in (TRASH, STUDIES):
            continue
        try:
            row = read_row(RunFolder.open(folder))
        except FilterscopeError as error:
            yield f"{folder}: {error.message}"
            continue
        if row.state == "running" and not any(path.is_relative_to(folder) for path in refused):
            yield f"{folder} still counts as running."
