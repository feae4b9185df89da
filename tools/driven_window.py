"""The real window, driven without a person: what the tools that measure it and picture it share."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from app.launch import limit_threads

limit_threads()

from PyQt6.QtCore import QEventLoop, QTimer

from app.core.settings import Settings
from app.ui.application import SWITCH_SECONDS
from app.ui.labs.lab import Lab
from app.ui.main_window import MainWindow

ENDLESS = 1_000_000


@dataclass(frozen=True)
class Figure:
    """What was measured, and what it must not exceed."""

    name: str
    value: float
    bar: float
    unit: str

    @property
    def held(self) -> bool:
        return self.value <= self.bar

    def line(self) -> str:
        verdict = "" if self.held else "   MISSED"
        return f"{self.name:52} {self.value:9.3g} {self.unit:10} at most {self.bar:g}{verdict}"


def wait_until(condition: Callable[[], bool], seconds: float = 300.0) -> None:
    """Let the window live until `condition` holds."""
    loop = QEventLoop()
    deadline = time.monotonic() + seconds
    timer = QTimer()

    def look() -> None:
        if condition() or time.monotonic() > deadline:
            loop.quit()

    timer.timeout.connect(look)
    timer.start(1)
    if not condition():
        loop.exec()
    timer.stop()
    if not condition():
        raise SystemExit("The window did not get there in time.")


def live(seconds: float) -> None:
    """Let the window live for a while, with nothing else in its thread: looking costs time too."""
    loop = QEventLoop()
    QTimer.singleShot(round(seconds * 1000), loop.quit)
    loop.exec()


def open_window() -> MainWindow:
    sys.setswitchinterval(SWITCH_SECONDS)
    window = MainWindow(Settings())
    window.keep_settings = False
    window.show()
    window.opening.open_sample()
    wait_until(lambda: window.data.patches is not None and not window.runner.busy)
    return window


def autoencoder_lab(window: MainWindow) -> Lab:
    window.show_lab(1)
    return window.autoencoder_lab


def convnet_lab(window: MainWindow) -> Lab:
    """Turn to the CNN lab, with the drawn images open and all of its pages at work."""
    window.show_lab(2)
    lab = window.convnet_lab
    wait_until(lambda: lab.data is not None and not window.runner.busy)
    lab.panel.loss_card.show_page(1)
    lab.panel.maps_card.show_page(0)
    return lab


def begin(lab: Lab, steps: int = 1) -> None:
    lab.take_spec(lab.spec.changed(epochs=ENDLESS))
    lab.start()
    wait_until(lambda: len(history_of(lab)) >= steps)


def history_of(lab: Lab):
    training = lab.training.training
    return [] if training is None else training.history


@contextmanager
def on_torch(lab: Lab) -> Iterator[None]:
    """Have a lab's network computed by PyTorch for a while."""
    before = lab.spec
    lab.take_spec(before.changed(engine="torch", device="cpu"))
    lab.show_spec()
    yield
    lab.take_spec(before)
    lab.show_spec()


def torch_labs(window: MainWindow) -> Iterator[tuple[Lab, str]]:
    """Yield both labs with their networks on PyTorch; none where there is none."""
    if importlib.util.find_spec("torch") is None:
        print("There is no PyTorch here: nothing of it is measured.", file=sys.stderr)
        return
    for turn_to, name in ((convnet_lab, "CNN"), (autoencoder_lab, "autoencoder")):
        lab = turn_to(window)
        with on_torch(lab):
            yield lab, f"{name} on PyTorch"


def stop(lab: Lab) -> None:
    lab.training.stop()
    wait_until(lambda: not lab.training.state.alive)


def discard(lab: Lab) -> None:
    lab.reset(0)
    wait_until(lambda: not lab.runner.busy)
