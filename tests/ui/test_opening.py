"""What is opened goes where it belongs, and is offered again there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PyQt6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from app.core.settings import load_settings
from app.ui.dialogs.cut_dialog import CutDialog
from app.ui.labs.places import AUTOENCODER, CNN
from app.ui.main_window import MainWindow
from tests.core.data import cifar_files


@pytest.fixture
def cifar(tmp_path: Path) -> Path:
    return cifar_files.write(tmp_path / "cifar-10-batches-py", cifar_files.pickled_files())


def test_cifar10_goes_to_the_lab_of_images_whatever_is_in_sight(
    qtbot: QtBot, window: MainWindow, cifar: Path
) -> None:
    window.show_lab(AUTOENCODER)
    with qtbot.waitSignal(window.convnet_lab.session.changed, timeout=30_000):
        window.opening.open(str(cifar))
    assert window.place == CNN
    assert "cifar-10-batches-py" in window.info.text()
    assert load_settings()[0].recent_images == (str(cifar),)
    # Each lab offers what it can open again.
    assert window.opening.recent == (str(cifar),)
    window.show_lab(AUTOENCODER)
    assert str(cifar) not in window.opening.recent


def test_a_question_that_is_not_answered_at_the_start_leaves_the_sample(
    qtbot: QtBot,
    make_window: Callable[[], MainWindow],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(CutDialog, "exec", lambda _: 0)
    window = make_window()
    with qtbot.waitSignal(window.data.changed, timeout=30_000):
        window.opening.open(str(tmp_path))
    assert "sample patches" in window.info.text()
    # What is open stays.
    window.opening.open(str(tmp_path))
    assert not window.data.busy


def test_the_next_thing_is_saved_beside_the_last(
    window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Path] = []
    chosen = tmp_path / "report" / "one.png"
    chosen.parent.mkdir()

    def choose(*given: object) -> tuple[str, str]:
        begun.append(Path(str(given[2])).parent)
        return str(chosen), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    for _ in range(2):
        window.exporter.refresh()
        window.exporter.actions["filters"].trigger()
    assert begun[0] != chosen.parent
    assert begun[1] == chosen.parent
    assert load_settings()[0].save_folder == str(chosen.parent)
