"""Starts the program as `app.launch` does, again and again, and looks at what each start leaves."""

from __future__ import annotations

import gc
import random
import sys

import psutil
from PyQt6.QtCore import QEvent, Qt
from PyQt6.QtGui import QGuiApplication
from PyQt6.QtWidgets import QApplication

from app.core import storage
from app.core.settings import Settings
from app.ui import application
from app.ui.main_window import MainWindow
from tools.random_user.checks import left_behind
from tools.random_user.scratch import BadDisk, Scratch
from tools.random_user.user import RandomUser
from tools.random_user.watch import Watch

# A session has so many actions.
SHORT, LONG = 20, 400
# Threads that libraries keep: those of NumPy, of the kernels, of PyTorch.
MOST_THREADS = 40


def use(
    seed: int, actions: int, choose: random.Random, scratch: Scratch, patience: float
) -> tuple[int, str]:
    """Use the program with this many actions; returns how many were done, and what it takes.

    Whatever goes wrong ends the process.
    """
    # As `application.run` does; from here on it finds this one.
    QGuiApplication.setHighDpiScaleFactorRoundingPolicy(
        Qt.HighDpiScaleFactorRoundingPolicy.PassThrough
    )
    qt = QApplication(sys.argv[:1])
    watch = Watch(seed, scratch.root)
    watch.patience = patience
    disk = storage.disk = BadDisk(scratch)
    windows: list[MainWindow] = []
    lengths: list[int] = []

    class Used(MainWindow):
        def __init__(self, settings: Settings) -> None:
            super().__init__(settings)
            windows.append(self)
            RandomUser(self, choose, scratch, disk, watch, lengths[-1])

    application.MainWindow = Used  # type: ignore[misc]
    while watch.done < actions:
        lengths.append(min(choose.randint(SHORT, LONG), actions - watch.done))
        watch.note(f"the program starts, for {lengths[-1]} actions")
        files = [str(scratch.anything_to_open(choose))] if choose.random() < 0.3 else []
        application.run(files)
        _close(qt, windows.pop(), watch, scratch, disk)
    used = psutil.Process()
    return watch.done, f"{used.memory_info().rss >> 20} MiB, {used.num_threads()} threads."


def _close(
    qt: QApplication, window: MainWindow, watch: Watch, scratch: Scratch, disk: BadDisk
) -> None:
    """Let a window go that has closed, as the end of the process would, and look what is left."""
    watch.note("the program ends")
    if window.runner.busy:
        watch.found("The window closed while a thread was at work.", stacks=True)
    window.deleteLater()
    del window
    qt.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    gc.collect()
    faults = list(left_behind(scratch.runs, disk.refused))
    threads = psutil.Process().num_threads()
    if threads > MOST_THREADS:
        faults.append(f"There are {threads} threads.")
    if faults:
        watch.found("\n".join(faults), stacks=True)
