"""Small patches, a file of them, and windows that are closed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.core.data.patches import FittedPreprocess, Patches, Source
from app.core.settings import Settings
from app.core.specs import PreprocessSpec
from app.ui.data_session import DataRequest
from app.ui.device_notes import DeviceNotes
from app.ui.main_window import MainWindow
from app.ui.theme import theme
from app.workers.thread import Runner

SIDE = 6


def pixels(count: int = 300, seed: int = 0) -> np.ndarray:
    """Return smooth RGB patches (count, 3, SIDE, SIDE), uint8."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, 3, SIDE // 2, SIDE // 2))
    return coarse.repeat(2, axis=2).repeat(2, axis=3).astype(np.uint8)


def make_patches(count: int = 200, side: int = SIDE, **preprocess: object) -> Patches:
    """Return preprocessed grey patches without reading a file."""
    x = np.random.default_rng(1).uniform(0.1, 0.9, (count, side * side)).astype(np.float32)
    x.flags.writeable = False
    shape = (1, side, side)
    fitted = FittedPreprocess(PreprocessSpec(**preprocess), shape, 0.2, 0.6)  # type: ignore[arg-type]
    source = Source("made", "data", "NCHW", "0..1", count, shape, "float32", "0" * 64)
    return Patches(x, shape, fitted, source)


@pytest.fixture
def runner(qapp: QApplication) -> Iterator[Runner]:
    runner = Runner()
    yield runner
    assert runner.shutdown(30.0)


@pytest.fixture
def patches() -> Patches:
    return make_patches()


@pytest.fixture
def patch_file(tmp_path: Path) -> Path:
    path = tmp_path / "small patches.npy"
    np.save(path, pixels())
    return path


@pytest.fixture(autouse=True)
def no_look_for_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start no process with PyTorch beside each window that shows a device."""
    monkeypatch.setattr(DeviceNotes, "look", lambda self: None)


@pytest.fixture(autouse=True)
def light(qapp: QApplication) -> Iterator[None]:
    """Begin and end in the light theme, whatever a test chose."""
    if theme.choice != "light":
        theme.choose("light")
    yield
    if theme.choice != "light":
        theme.choose("light")


@pytest.fixture
def make_window(qtbot: QtBot) -> Iterator[Callable[[], MainWindow]]:
    made: list[MainWindow] = []

    def make() -> MainWindow:
        window = MainWindow(Settings())
        made.append(window)
        window.show()
        return window

    yield make
    for window in made:
        assert window.close()
        assert not window.runner.busy
        window.deleteLater()


@pytest.fixture
def window(qtbot: QtBot, make_window: Callable[[], MainWindow], patch_file: Path) -> MainWindow:
    """Return a window in which the small file is open and nothing is under way."""
    window = make_window()
    with qtbot.waitSignal(window.data.changed, timeout=20_000):
        window.data.open(DataRequest(patch_file))
    qtbot.waitUntil(lambda: not window.runner.busy, timeout=10_000)
    return window
