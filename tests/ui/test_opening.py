"""What is opened goes where it belongs, and is offered again there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PyQt6.QtWidgets import QFileDialog, QLabel
from pytestqt.qtbot import QtBot

from app.core.settings import load_settings
from app.ui.dialogs.cut_dialog import CutDialog
from app.ui.dialogs.images_dialogs import PairDialog, SizeDialog, SizeSpec
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
    folder = tmp_path / "photographs"
    folder.mkdir()
    Image.new("RGB", (40, 40)).save(folder / "one.png")
    window = make_window()
    with qtbot.waitSignal(window.data.changed, timeout=30_000):
        window.opening.open(str(folder))
    assert "sample patches" in window.info.text()
    # What is open stays.
    window.opening.open(str(folder))
    assert not window.data.busy


def test_a_first_file_that_is_refused_leaves_the_sample_and_the_reason(
    qtbot: QtBot, make_window: Callable[[], MainWindow], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.h5"
    bad.write_text("no data")
    window = make_window()
    window.opening.open(str(bad))
    qtbot.waitUntil(lambda: window.data.patches is not None, timeout=30_000)
    assert "sample patches" in window.info.text()
    assert window.notice.isVisible()
    assert window.notice.message.text().startswith("bad.h5 is not opened")
    assert window.notice.hint.text().endswith("The sample is open.")
    # Later, what is open stays, and nothing is said of a sample.
    with qtbot.waitSignal(window.data.problem, timeout=30_000):
        window.opening.open(str(bad))
    assert not window.data.busy
    assert "sample" not in window.notice.hint.text()


def test_a_file_that_is_not_there_is_told_beside_the_sample(
    qtbot: QtBot, make_window: Callable[[], MainWindow]
) -> None:
    window = make_window()
    window.opening.open_sample_instead("There is no file gone.h5.")
    qtbot.waitUntil(lambda: window.data.patches is not None, timeout=30_000)
    assert window.notice.isVisible()
    assert window.notice.message.text() == "There is no file gone.h5."
    assert window.notice.hint.text() == "The sample is open."


def test_images_of_several_sizes_are_asked_for_one(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "animals"
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for size in (20, 26, 31):
            Image.new("RGB", (size, size + 3), (size, 0, 9)).save(folder / name / f"{size}.png")
    said: list[str] = []

    def answer(dialog: SizeDialog) -> int:
        said.extend(label.text() for label in dialog.findChildren(QLabel))
        dialog.form.set_spec(SizeSpec(side=24))
        return 1

    monkeypatch.setattr(SizeDialog, "exec", answer)
    # A folder of folders is of classes, whatever lab is in sight.
    session = window.convnet_lab.session
    window.opening.open(str(folder))
    qtbot.waitUntil(
        lambda: session.images is not None and session.images.shape == (3, 24, 24), timeout=30_000
    )
    assert "all images of a set have one size" in said[0]
    assert window.notice.isHidden()
    # Opened again, it is not asked again.
    assert window.opening.recent[0] == f"{folder}::24"
    assert window.settings.last_folder == str(tmp_path)


def test_arrays_that_could_be_meant_are_asked_for(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "two.npz"
    rng = np.random.default_rng(0)
    several = {f"x{k}": rng.integers(0, 256, (30, 8, 8, 3), dtype=np.uint8) for k in (1, 2)}
    np.savez(path, **several, y=np.arange(30) % 3)
    offered: list[str] = []

    def answer(dialog: PairDialog) -> int:
        offered.extend(dialog.list.item(row).text() for row in range(dialog.list.count()))
        dialog.list.setCurrentRow(1)
        return 1

    monkeypatch.setattr(PairDialog, "exec", answer)
    window.show_lab(CNN)
    session = window.convnet_lab.session
    window.opening.open(str(path))
    qtbot.waitUntil(
        lambda: session.request is not None and session.request.path.endswith("x2,y"),
        timeout=30_000,
    )
    assert len(offered) == 2
    assert "x1 with y    30 × 3 × 8 × 8" in offered[0].replace("/", "")


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
